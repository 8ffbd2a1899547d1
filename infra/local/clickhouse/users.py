"""Who may sign in: the users of users.xml, checked as the server checks them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ipaddress
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from infra.local.clickhouse.errors import ServerError

FENCED_PROFILE = "readers"


@dataclass(frozen=True)
class User:
    """A user of users.xml: how the password is checked and from where it may connect."""

    name: str
    digest: bytes | None
    """SHA-256 of the password; None: any password."""
    networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]
    profile: str = "default"

    @property
    def fenced(self) -> bool:
        """Whether it may see one tenant's rows alone, by the row filters of users.xml."""
        return self.profile == FENCED_PROFILE

    def accepts(self, password: str, client: str) -> bool:
        """Whether the password and the client's address are right."""
        address = ipaddress.ip_address(client)
        if not any(address in network for network in self.networks):
            return False
        if self.digest is None:
            return True
        return hmac.compare_digest(hashlib.sha256(password.encode()).digest(), self.digest)


def read_users(users_file: Path) -> dict[str, User]:
    """The users that the file defines, by name."""
    section = ElementTree.parse(users_file).getroot().find("users")
    return {} if section is None else {node.tag: _user(node) for node in section}


def _user(node: ElementTree.Element) -> User:
    digest: bytes | None = hashlib.sha256((node.findtext("password") or "").encode()).digest()
    if node.find("no_password") is not None:
        digest = None
    elif (hexadecimal := node.findtext("password_sha256_hex")) is not None:
        digest = bytes.fromhex(hexadecimal.strip())
    networks = [ipaddress.ip_network((ip.text or "").strip(), strict=False) for ip in node.iterfind("networks/ip")]
    return User(node.tag, digest, tuple(networks), (node.findtext("profile") or "default").strip())


def credentials(headers: Mapping[str, str], parameters: Mapping[str, str]) -> tuple[str, str]:
    """User and password from X-ClickHouse-User/-Key, basic auth, or the URL, in the server's order."""
    if "x-clickhouse-user" in headers or "x-clickhouse-key" in headers:
        return headers.get("x-clickhouse-user", "default"), headers.get("x-clickhouse-key", "")
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise ServerError.make(516, "AUTHENTICATION_FAILED", "Invalid Basic authentication.") from None
        return user or "default", password
    return parameters.get("user") or "default", parameters.get("password", "")


def authenticate(users: Mapping[str, User], name: str, password: str, client: str) -> User:
    """The user who signs in. Raises ServerError with one text for every reason: no user can be guessed by it."""
    user = users.get(name)
    if user is None or not user.accepts(password, client):
        message = f"{name}: Authentication failed: password is incorrect, or there is no user with such name."
        raise ServerError.make(516, "AUTHENTICATION_FAILED", message)
    return user
