"""`telemetry tenants`: credentials of collector.auth jwt, in effect within seconds (on AWS: a minute), nothing restarted."""

from __future__ import annotations

import datetime
from typing import Annotated

import typer
from rich.table import Table

from infra import tenants as credentials
from infra.cli.console import Name, console, error_console
from infra.cli.local import stack_platform
from infra.config import file_settings
from infra.local.layout import key_list
from infra.tenants import KeyFile, KeyStore

app = typer.Typer(no_args_is_help=True, help="Credentials with which agents send as a tenant (collector.auth: jwt).")


def key_store(name: str) -> KeyStore:
    """The list that the stack's collectors read: a file here, on AWS an object."""
    if stack_platform(name) == "local":
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
) -> None:
    """Makes a credential and prints its token, once: it is stored nowhere."""
    if file_settings(name).collectorAuth != "jwt":
        error_console.print(
            f"note: collectorAuth is none, so tokens are not asked for; set agent-telemetry:collectorAuth: jwt in the "
            f"stack file of {name} and run `telemetry up`",
            style="yellow",
        )
    credential, token = credentials.add(key_store(name), tenant, days)
    error_console.print(f"{credential.kid}: {', '.join(credential.tenants)} until {_day(credential.expires)}")
    print(token)


@app.command("list")
def list_(name: Name = "local") -> None:
    """Shows the live credentials."""
    table = Table("credential", "tenants", "created (UTC)", "expires (UTC)")
    for item in credentials.listed(key_store(name)):
        table.add_row(item.kid, ", ".join(item.tenants), _day(item.created), _day(item.expires))
    console.print(table)


@app.command()
def revoke(
    credential: Annotated[str, typer.Argument(help="A credential's id, or a tenant: all that speak for it.")],
    name: Name = "local",
) -> None:
    """Takes credentials away; requests with them are refused within seconds, on AWS within a minute."""
    for item in credentials.revoke(key_store(name), credential):
        console.print(f"revoked {item.kid}")
