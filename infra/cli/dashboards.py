"""`telemetry dashboards`: the dashboards as files, as one report, and as a live page."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from infra.cli.console import Json, Name, emit, say, working
from infra.cli.local import stack_platform
from infra.config import PROJECT, file_settings
from infra.errors import UserError

if TYPE_CHECKING:  # the dashboards take a second to import
    from infra.dashboards.provisioning import FileSource
    from infra.dashboards.render.boards import Boards

app = typer.Typer(no_args_is_help=True, help="The dashboards, without a Grafana.")


@app.command()
def build(
    out: Annotated[Path, typer.Option(help="The folder to write to; it is made when it is not there.")],
    name: Name = "local",
    as_json: Json = False,
) -> None:
    """Writes the stack's dashboards as JSON that Grafana 10 and newer import, one file each."""
    from infra.dashboards.catalogue import build_all

    written = []
    try:
        out.mkdir(parents=True, exist_ok=True)
        for slug, model in build_all(f"{PROJECT}-{name}").items():
            path = out / f"{slug}.json"
            path.write_text(json.dumps(model, indent=2, sort_keys=True, ensure_ascii=False) + "\n")
            written.append({"file": str(path), "title": model["title"]})
            say(f"{path}  {model['title']}")
    except OSError as error:
        raise UserError(f"--out {out}: {error.strerror}; name a folder that you may write to") from None
    if as_json:
        emit(written)


@app.command()
def provision(
    out: Annotated[Path, typer.Option(help="The provisioning folder to write to; it is made when it is not there.")],
    name: Name = "local",
    clickhouse: Annotated[
        str, typer.Option(help="ClickHouse as that Grafana reaches it, https://host:8443. Else the local stack's.")
    ] = "",
    user: Annotated[str, typer.Option(help="ClickHouse's user, who can only read.")] = "dashboards",
    seen_as: Annotated[str, typer.Option(help="Where Grafana finds the folder, /etc/grafana/provisioning.")] = "",
    as_json: Json = False,
) -> None:
    """Writes data source, dashboards, alert rules and contact points as Grafana's provisioning files. No secret is in
    them: passwords are variables of Grafana's environment, and the command names them."""
    from infra.contacts import contacts
    from infra.dashboards.provisioning import (
        CA,
        PASSWORD,
        contact_variables,
        provisioning_files,
        tenant_password,
        write_files,
    )

    found = file_settings(name)
    source = _file_source(clickhouse or _clickhouse(name), user)
    files = provisioning_files(found, name, source, seen_as or str(out.resolve()))
    try:
        write_files(out, files)
    except OSError as error:
        raise UserError(f"--out {out}: {error.strerror}; name a folder that you may write to") from None
    for path in sorted(files):
        say(str(out / path))
    wanted = [variable for contact in contacts(found) for variable in contact_variables(contact).values()]
    if source.password:
        wanted = [PASSWORD, CA, *map(tenant_password, found.tenantReaders), *wanted]
    needed = list(dict.fromkeys(wanted))
    if needed:
        say(f"Grafana's environment has to hold: {', '.join(needed)}")
    if as_json:
        emit({"files": [str(out / path) for path in sorted(files)], "environment": needed})


def _file_source(url: str, user: str) -> FileSource:
    from urllib.parse import urlsplit

    from infra.dashboards.provisioning import FileSource

    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or parts.username:
        raise UserError(f"--clickhouse {url}: has to be http://host:port or https://host:port and nothing else")
    secure = parts.scheme == "https"
    return FileSource(parts.hostname, parts.port or (8443 if secure else 8123), user, secure, secure, secure)


@app.command()
def render(
    out: Annotated[Path, typer.Option(help="The file to write, report.html.")],
    name: Name = "local",
    dashboard: Annotated[
        list[str] | None, typer.Option(help="overview, cost, slos, agents, traces or health; all of them without it.")
    ] = None,
    start: Annotated[str, typer.Option("--from", help="now-6h, 2026-01-31T12:00:00Z; else each one's own range.")] = "",
    end: Annotated[str, typer.Option("--to", help="As --from; needs it.")] = "now",
    var: Annotated[
        list[str] | None, typer.Option(help="A variable's value, tenant=acme; several times for more.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Draws every panel from the stack's live ClickHouse into one file, which needs no network and no Grafana."""
    from infra.dashboards.catalogue import DASHBOARDS
    from infra.dashboards.page import uid
    from infra.dashboards.render.report import report

    if unknown := [slug for slug in dashboard or [] if slug not in DASHBOARDS]:
        raise UserError(f"--dashboard {unknown[0]}: there are {', '.join(DASHBOARDS)}")
    if end != "now" and not start:
        raise UserError("--to: it counts together with --from; name both")
    boards = _boards(name)
    params: dict[str, list[str]] = {"from": [start], "to": [end]} if start else {}
    for given in var or []:
        key, is_given, value = given.partition("=")
        if not is_given or not any(
            key == item["name"] for model in boards.models.values() for item in model["templating"]["list"]
        ):
            raise UserError(f"--var {given}: write variable=value; no dashboard has a variable {key!r}")
        params.setdefault(f"var-{key}", []).append(value)
    uids = [uid(f"{PROJECT}-{name}", slug) for slug in dashboard or DASHBOARDS]
    with working("asking ClickHouse for every panel"):
        text, failures = report(boards, name, uids, params, datetime.now(UTC))
    try:
        out.write_text(text)
    except OSError as error:
        raise UserError(f"--out {out}: {error.strerror}; name a file that you may write") from None
    finally:
        boards.close()
    if as_json:
        emit({"file": str(out), "bytes": len(text.encode()), "without_an_answer": failures})
    else:
        say(f"{out}  {len(text) / 2**20:.1f} MiB")
    if failures:
        raise UserError(
            "\n".join([f"{len(failures)} panels got no answer; the file says so in their place:", *failures])
        )


@app.command()
def serve(
    name: Name = "local",
    port: Annotated[int, typer.Option(min=0, max=65535, help="On loopback. 0: the setting dashboardsPort.")] = 0,
) -> None:
    """Shows the dashboards live, in the foreground. A stack that is up does so by itself (`telemetry status`)."""
    from infra.dashboards.render.__main__ import serve as serve_page
    from infra.local.ports import check_ports

    clickhouse = _clickhouse(name)
    port = port or file_settings(name).dashboardsPort
    check_ports({"--port": port})
    say(f"http://127.0.0.1:{port}  Ctrl-C ends it")
    if not serve_page(name, clickhouse, port):
        raise UserError(f"--port {port}: could not listen on it; name another one")


def _clickhouse(name: str) -> str:
    if (platform := stack_platform(name)) != "local":
        raise UserError(
            f"{name} is on {platform}, where Grafana shows its dashboards: the stack's output `dashboard` is its address. "
            "This page asks a ClickHouse on this machine"
        )
    return f"http://127.0.0.1:{file_settings(name).clickhousePort}"


def _boards(name: str) -> Boards:
    from infra.dashboards.alerts import build_rule_groups
    from infra.dashboards.catalogue import build_all
    from infra.dashboards.render.boards import Boards
    from infra.dashboards.render.source import QueryError, Source

    prefix = f"{PROJECT}-{name}"
    boards = Boards.of(build_all(prefix), build_rule_groups(prefix), Source(_clickhouse(name)))
    try:
        boards.source.ask("SELECT 1 FROM system.one").result()
    except QueryError as error:
        raise UserError(f"{error}; `telemetry up --name {name}` starts it") from None
    return boards
