"""Rules of the settings that say who is told of budgets: the address, and the secret that signs."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

if TYPE_CHECKING:
    from infra.settings import Settings

HTTPS = 443


def budget_problems(s: Settings) -> Iterator[str]:
    """Each problem as `key: what is wrong`."""
    if s.budgetWebhookUrl:
        yield from (f"budgetWebhookUrl: {problem}" for problem in _url(s.budgetWebhookUrl, s.platform == "aws"))
    if s.platform == "aws" and s.budgetWebhookUrl and not s.budgetWebhookSecretArn:
        yield "budgetWebhookSecretArn: needed with budgetWebhookUrl: what its calls are signed with"
    if s.budgetWebhookSecretArn and not s.budgetWebhookUrl:
        yield "budgetWebhookSecretArn: only counts together with budgetWebhookUrl"
    if s.budgetWebhookSecretArn and s.budgetWebhookSecretArn.split(":")[3] != s.awsRegion:
        yield f"budgetWebhookSecretArn: is not in awsRegion ({s.awsRegion})"
    if s.budgetWebhookSecretKeyArn and not s.budgetWebhookSecretArn:
        yield "budgetWebhookSecretKeyArn: only counts together with budgetWebhookSecretArn"


def _url(text: str, on_aws: bool) -> Iterator[str]:
    """The address is the operator's own, so private ones are fine: that is where gateways live. What can't be meant, or
    would carry the runs' names in the clear, is refused."""
    try:
        url = urlsplit(text)
        host, port = url.hostname or "", url.port
    except ValueError as error:
        yield f"is no address: {error}"
        return
    if (
        url.scheme not in ("http", "https")
        or not host
        or any(char.isspace() or not char.isprintable() for char in text)
    ):
        yield f"{text!r} is not https://host/path"
        return
    if url.username is not None or url.fragment:
        yield "must hold no user, password or #fragment: calls are signed, and this text is in plans and logs"
    loopback, misused = _kind(host)
    if url.scheme == "http" and (on_aws or not loopback):
        yield "has to begin with https:// (http only to this machine, on platform local)"
    if misused:
        yield f"{host} is a machine's metadata, or no machine at all"
    if on_aws and loopback:
        yield f"{host} would be the worker's own task"
    if on_aws and _port(url, port) != HTTPS:
        yield f"port {port}: the worker's way out is open at {HTTPS} alone (infra/aws/firewall.py)"


def _kind(host: str) -> tuple[bool, bool]:
    """Whether it is this machine; whether it is what no receiver can be."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost"), False
    metadata = address in ipaddress.ip_network("fd00:ec2::/32") if address.version == 6 else False
    misused = address.is_link_local or address.is_multicast or address.is_unspecified or metadata
    return address.is_loopback, misused


def _port(url: SplitResult, port: int | None) -> int:
    return port or (HTTPS if url.scheme == "https" else 80)
