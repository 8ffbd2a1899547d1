"""`telemetry tenants`: credentials of collectorAuth jwt, in effect within seconds (on AWS: a minute), nothing restarted."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infra import tenants as credentials
from infra.cli.console import Json, Name, emit, error_console, say, show, table_of
from infra.cli.local import check_known, stack_platform
from infra.config import file_settings
from infra.local.layout import key_list
from infra.tenants import Credential, KeyFile, KeyStore

if TYPE_CHECKING:
    from rich.table import Table

app = typer.Typer(no_args_is_help=True, help="Credentials with which agents send as a tenant (collectorAuth: jwt).")


def key_store(name: str) -> KeyStore:
    """The list that the stack's collectors read: a file here, on AWS an object."""
    if stack_platform(name) == "local":
        check_known(name)
        return KeyFile(key_list(name))
    from infra.aws.key_bucket import OBJECT, KeyObject, bucket_name

    found = file_settings(name)
    return KeyObject(found.awsRegion, bucket_name(found, name), OBJECT)


def _day(seconds: int) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%d %H:%M")


@app.command()
def add(
    tenant: Annotated[list[str], typer.Argument(help="One tenant, or several that the token may speak for.")],
    name: Name = "local",
    days: Annotated[int, typer.Option(min=1, max=3650, help="How long the token is valid.")] = 365,
    as_json: Json = False,
) -> None:
    """Makes a credential and prints its token, once: it is stored nowhere."""
    if file_settings(name).collectorAuth != "jwt":
        error_console.print(
            f"note: collectorAuth is none, so tokens are not asked for; set agent-telemetry:collectorAuth: jwt in the "
            f"stack file of {name} and run `telemetry up --name {name}`",
            style="yellow",
        )
    credential, token = credentials.add(key_store(name), tenant, days)
    error_console.print(f"{credential.kid}: {', '.join(credential.tenants)} until {_day(credential.expires)}")
    if as_json:
        emit({**_as_json(credential), "token": token})
    else:
        print(token)


@app.command("list")
def list_(name: Name = "local", as_json: Json = False) -> None:
    """Shows the live credentials."""
    found = credentials.listed(key_store(name))
    if as_json:
        emit([_as_json(item) for item in found])
        return
    show(credentials_table(found))


def credentials_table(found: Sequence[Credential]) -> Table:
    """A row each; what tells credentials apart is never folded away."""
    table = table_of("credential", "tenants", "created (UTC)", "expires (UTC)", fold=("credential", "tenants"))
    for item in found:
        table.add_row(item.kid, ", ".join(item.tenants), _day(item.created), _day(item.expires))
    return table


def _as_json(item: Credential) -> dict[str, Any]:
    """Times in UTC, as ISO 8601."""
    times = {key: datetime.datetime.fromtimestamp(getattr(item, key), datetime.UTC) for key in ("created", "expires")}
    return {"credential": item.kid, "tenants": item.tenants, **times}


@app.command()
def revoke(
    credential: Annotated[str, typer.Argument(help="A credential's id, or a tenant: all that speak for it.")],
    name: Name = "local",
    as_json: Json = False,
) -> None:
    """Takes credentials away; requests with them are refused within seconds, on AWS within a minute."""
    gone = credentials.revoke(key_store(name), credential)
    if as_json:
        emit({"revoked": [item.kid for item in gone]})
        return
    for item in gone:
        say(f"revoked {item.kid}")
