"""Checks of a stack that every platform has: its settings, its credentials, the versions that run."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from infra.config import stack_file
from infra.doctor.check import Check, Result, Unseen, beside_the_point, days, fail, ok, short, warn
from infra.errors import UserError
from infra.guard import missing_pins, versions
from infra.settings import Settings
from infra.settings.rules import example_keys
from infra.tenants import Credential, KeyStore, listed

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

SOON_DAYS = 30
"""A credential that ends sooner is named."""
SILENT_STEPS = 3
"""The worker is silent when it has recorded nothing for as many canaries."""


def checks(
    name: str, settings: Settings, store: KeyStore, signed_in: Callable[[], object] = lambda: None
) -> Iterator[Check]:
    """All of them. `signed_in` raises Unseen where the key list can't be read."""
    yield Check("settings", partial(ready, name, settings))
    yield Check("pins", partial(pins, settings))
    yield Check("credentials of tenants", partial(credentials, name, settings, store, signed_in))


def ready(name: str, settings: Settings) -> Result:
    """Whether an `up` takes the settings."""
    if examples := example_keys(settings):
        said = f"an `up` is refused while these are example values: {', '.join(examples)}"
        return fail(said, f"set your own in {stack_file(name)}")
    return ok(f"platform {settings.platform}, env {settings.env}")


def pins(settings: Settings) -> Result:
    """Whether what is deployed is known by its digest."""
    if settings.platform == "local":
        return beside_the_point("what runs here is built from go.sum, jars.sha256 and requirements.lock")
    missing = missing_pins()
    if not missing:
        return ok(f"all {len(versions()['deployed'])} have a digest")
    found, fix = (
        f"no digest: {', '.join(missing)}",
        "`telemetry pin` on a networked machine fills configs/versions.yaml",
    )
    return fail(f"{found}; requirePins refuses an `up`", fix) if settings.requirePins else warn(found, fix)


def credentials(name: str, settings: Settings, store: KeyStore, signed_in: Callable[[], object]) -> Result:
    """Whether a tenant's token ends soon."""
    if settings.collectorAuth != "jwt":
        return beside_the_point("collectorAuth is none: nobody is asked for one")
    signed_in()
    try:
        found = listed(store)
    except UserError as error:
        raise Unseen(f"is the stack up? {short(error)}") from None
    return ending(name, found, datetime.datetime.now(datetime.UTC).timestamp())


def ending(name: str, found: Sequence[Credential], now: float) -> Result:
    """The same of these credentials. `now`: Unix seconds."""
    if not found:
        return warn("there is none: nobody can send", f"`telemetry tenants add TENANT --name {name}`")
    left = {item.kid: (item.expires - now) / 86400 for item in found}
    oldest = max((now - item.created) / 86400 for item in found)
    said = f"{len(found)} live, the oldest made {days(oldest)} ago"
    fix = f"`telemetry tenants add TENANT --name {name}`, hand it over, then `telemetry tenants revoke CREDENTIAL --name {name}`"
    if over := [kid for kid, rest in left.items() if rest <= 0]:
        return fail(f"{said}; over: {', '.join(over)}", fix)
    if soon := [f"{kid} in {days(rest)}" for kid, rest in left.items() if rest < SOON_DAYS]:
        return warn(f"{said}; ends: {', '.join(soon)}", fix)
    return ok(f"{said}, the first ends in {days(min(left.values()))}")


def tables(settings: Settings, client: Client) -> Result:
    """Whether everything that migrations made is still there."""
    from infra.endpoints import KafkaAddress
    from infra.postdeploy.migrations import migration_files
    from infra.postdeploy.missing import COMES_BACK, missing
    from infra.schema import template_values

    # Names alone are looked at: where Kafka is makes no difference to them.
    values = template_values(settings, KafkaAddress("kafka:9092"), "")
    migrations = [file.rendered(values) for file in migration_files()]
    gone = missing(client, migrations)
    return fail(f"not there: {', '.join(gone)}", COMES_BACK) if gone else ok("all that migrations made are there")


def worker(name: str, settings: Settings, client: Client) -> Result:
    """Whether its steps get done; the canary among them goes the whole way."""
    from infra.worker.results import latest

    found = latest(client)
    if not found:
        return beside_the_point("it has recorded nothing yet")
    logs = f"`telemetry logs --name {name} --part worker` says why"
    silent, limit = min(row["seconds_ago"] for row in found), SILENT_STEPS * settings.workerCanarySeconds
    if silent > limit:
        return fail(f"it has recorded nothing for {silent} s, {limit} at most", logs)
    if failed := [row["step"] for row in found if not row["ok"]]:
        return fail(f"does not get done: {', '.join(failed)}", f"{logs}; docs/alerts.md tells of each")
    return ok(f"{len(found)} steps get done, the last {silent} s ago")


def clickhouse_version(client: Client, wanted: str, least: str) -> Result:
    """What ClickHouse says that it is. `wanted`: '' when any from `least` on will do."""
    from infra.local.toolchain.versions import at_least

    runs = str(client.query("SELECT version()").result_rows[0][0])
    if wanted and runs != wanted:
        return warn(f"{runs} runs, configs/versions.yaml wants {wanted}", "an `up` updates node after node")
    if not at_least(runs, least):
        return fail(f"{runs} runs, {least} is the least", "set another version in configs/versions.yaml, then an `up`")
    return ok(f"{runs} answers")
