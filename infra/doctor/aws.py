"""Checks of a stack on AWS: the account, the state, and what both say; its parts are in aws_parts.py."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from infra.aws.api import client
from infra.doctor.check import Check, Result, Unseen, aws_answers, beside_the_point, days, fail, ok, short, warn
from infra.errors import UserError
from infra.settings import Settings

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client


OLD_DAYS = 30
"""An `up` renews certificates and sees drift: one should not be much older."""


@dataclass
class Seen:
    """The stack as its checks see it; each thing is asked for once."""

    name: str
    settings: Settings
    read_outputs: Callable[[], Mapping[str, Any]]
    """Raises UserError or Unseen."""
    read_history: Callable[[], list[Any]]
    """Engine updates, the newest first (automation.UpdateSummary). Raises UserError or Unseen."""
    open_clickhouse: Callable[[], AbstractContextManager[Client]]
    _account: str | UserError | None = None
    _outputs: Mapping[str, Any] | UserError | None = None

    def signed_in(self) -> str:
        """The account that AWS answers for. Raises Unseen when nobody is signed in to the right one."""
        if self._account is None:
            result = account(self.settings)
            self._account = UserError(result.found) if result.state != "ok" else self.settings.awsAccount
        if isinstance(self._account, UserError):
            raise Unseen(f"not without the account ({self._account})")
        return self._account

    def outputs(self) -> Mapping[str, Any]:
        """What the last `up` said. Raises Unseen when there was none, or it can't be read."""
        if self._outputs is None:
            try:
                self._outputs = self.read_outputs()
            except UserError as error:
                self._outputs = error
        if isinstance(self._outputs, UserError):
            raise Unseen(f"the stack's outputs can't be read: {short(self._outputs)}")
        return self._outputs


def checks(seen: Seen) -> Iterator[Check]:
    """Those of the account and the state."""
    settings = seen.settings
    yield Check("account", partial(account, settings))
    yield Check("region", partial(region, seen))
    yield Check("backend", partial(backend, seen.name))
    yield Check("last up", partial(history, seen))


def account(settings: Settings) -> Result:
    """Who AWS takes us for."""
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError

    hint = "`aws sso login`, or set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    try:
        found = client("sts", settings.awsRegion).get_caller_identity()
    except (NoCredentialsError, PartialCredentialsError):
        return fail("there are no AWS credentials", hint)
    except ClientError as error:
        return fail(f"AWS does not take the credentials: {error.response['Error'].get('Code', '')}", hint)
    except BotoCoreError as error:
        return warn(f"AWS can't be asked: {str(error).strip()[:200]}", "is there a way to the internet, or a proxy?")
    if found["Account"] != settings.awsAccount:
        return fail(
            f"{found['Arn']} is in account {found['Account']}, the stack is for {settings.awsAccount}",
            "sign in to the right one, or set awsAccount",
        )
    return ok(found["Arn"])


def region(seen: Seen) -> Result:
    """Whether the account may use it."""
    seen.signed_in()
    name = seen.settings.awsRegion
    with aws_answers():
        found = client("ec2", name).describe_regions(RegionNames=[name], AllRegions=True)["Regions"]
    if found and found[0].get("OptInStatus") == "not-opted-in":
        return fail(f"{name} is not enabled in this account", f"aws account enable-region --region-name {name}")
    return ok(name)


def backend(name: str) -> Result:
    """Where the state is, and what encrypts its secrets."""
    from infra.backend import backend_url, check_backend
    from infra.config import stack_file, stack_file_content
    from infra.paths import ROOT

    check_backend(name)
    provider = stack_file_content(ROOT / stack_file(name)).get("secretsprovider")
    return ok(f"{backend_url()}, secrets by {provider or 'the backend or a passphrase'}")


def history(seen: Seen) -> Result:
    """What the last `up` and the last refresh said: nothing is compared with AWS here."""
    try:
        records = seen.read_history()
    except UserError as error:
        raise Unseen(short(error)) from None
    hint = f"`telemetry up --name {seen.name}` continues"
    ups = [item for item in records if item.kind == "update"]
    if not ups:
        return beside_the_point("there was none")
    now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
    age = (now - ups[0].start_time).total_seconds() / 86400
    if ups[0].result != "succeeded":
        return warn(f"{days(age)} ago: {ups[0].result}", hint)
    refreshed = next((item for item in records if item.kind == "refresh"), None)
    drift = {op: n for op, n in (refreshed.resource_changes or {}).items() if op != "same"} if refreshed else {}
    if refreshed and drift and refreshed.start_time > ups[0].start_time:
        told = ", ".join(f"{count} {getattr(op, 'value', op)}" for op, count in drift.items())
        return warn(
            f"the last refresh found drift: {told}", f"`telemetry preview --name {seen.name} --refresh` shows it"
        )
    if age > OLD_DAYS:
        return warn(
            f"{days(age)} ago",
            f"`telemetry preview --name {seen.name} --refresh` shows drift; an `up` renews certificates",
        )
    return ok(f"{days(age)} ago: succeeded")
