"""`telemetry budgets`: what each budget allows, who has used most of it, what was crossed; and the secret that signs calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from infra.cli.console import Json, Name, check_name, emit, show, table_of
from infra.config import file_settings
from infra.errors import UserError
from infra.paths import SQL

if TYPE_CHECKING:
    from rich.table import Table

app = typer.Typer(help="What agents may use (configs/budgets.yaml), and what they have used of it.")


@app.callback(invoke_without_command=True)
def budgets(
    context: typer.Context,
    name: Name = "local",
    as_json: Json = False,
    most: Annotated[int, typer.Option(min=1, max=20, help="Rows of each budget, the most used first.")] = 3,
) -> None:
    """Shows each budget with who has used most of it, as the worker saw it within the last minute."""
    if context.invoked_subcommand is not None:
        context.obj = name
        return
    from infra.cli.reach import clickhouse
    from infra.clickhouse import as_user_error
    from infra.worker.budgets.config import budgets_of

    allowed = budgets_of(file_settings(name))
    with clickhouse(name) as client, as_user_error("budgets"):
        found = client.query((SQL / "queries" / "budgets.sql").read_text())
    used: dict[str, list[dict[str, Any]]] = {}
    for row in found.named_results():
        used.setdefault(str(row["budget"]), []).append(row)
    listed = [
        {
            **budget.model_dump(include={"name", "measure", "scope", "window", "limit"}),
            "evaluated_seconds_ago": rows[0]["seconds_ago"] if rows else None,
            "used": [
                {key: row[key] for key in row if key not in ("budget", "seconds_ago")} for row in rows if row["tenant"]
            ][:most],
        }
        for budget in allowed
        for rows in [used.get(budget.name, [])]
    ]
    if as_json:
        emit(listed)
        return
    show(_table(listed))


def _table(listed: list[dict[str, Any]]) -> Table:
    folded = ("budget", "most used by", "what happened (UTC)")
    table = table_of("budget", "most used by", "used", "what happened (UTC)", fold=folded, right=("used",))
    for item in listed:
        of = f"{item['limit']:g} {item['measure']}, each {item['scope']}, {item['window']}"
        budget = Text.assemble((item["name"], "bold"), f"\n{of}")
        if item["evaluated_seconds_ago"] is None:
            said = "not evaluated lately: is the worker up? (telemetry status)"
            table.add_row(budget, "", "", Text(said, "yellow"))
            continue
        for number, row in enumerate(item["used"] or [None]):
            begin = budget if number == 0 else ""
            if row is None:
                table.add_row(begin, "nobody", "0%", "")
                continue
            who = "\n".join(part for part in (row["tenant"], row["subject"]) if part)
            used = f"{row['share']:.0%}\n{row['used']:g}"
            table.add_row(begin, Text(who), used, happened(row), style="red" if row["state"] == "open" else None)
    return table


def happened(row: Mapping[str, Any]) -> str:
    """What became of a crossing or a warning, a line each: when it was crossed, when somebody was told, how it ended."""
    if not row["level"]:
        return ""
    verb = "warned" if row["level"] < 1 else "crossed"
    lines = [f"{verb} {_time(row['began'])} at {row['level']:g} of the limit"]
    if row["told"]:
        lines.append(f"told {_time(row['told_at'])}" if row["told_at"] else row["told"])
    if row["state"] != "open":
        lines.append(f"{row['state']} {_time(row['ended_at'])}")
    return "\n".join(lines)


def _time(text: str) -> str:
    """Month to second of `2026-11-30 08:10:03.123`."""
    return text[5:19]


@app.command()
def secret(
    context: typer.Context,
    name: Annotated[str | None, typer.Option("--name", "-n", callback=check_name, help="The stack's name.")] = None,
    as_json: Json = False,
) -> None:
    """Prints the secret that signs calls of budgetWebhookUrl, for the receiver. On AWS: where it is."""
    name = name or str(context.obj)
    found = file_settings(name)
    if not found.budgetWebhookUrl:
        raise UserError(
            f"budgetWebhookUrl is not set in the stack file of {name}: nobody is called, so there is no secret"
        )
    if found.platform != "local":
        _print_secret({"arn": found.budgetWebhookSecretArn}, as_json)
        return
    from infra.local.layout import webhook_secret
    from infra.webhook_secret import SecretFile

    with SecretFile(str(webhook_secret(name))).open() as secrets:
        _print_secret({"secret": secrets[0]}, as_json)


def _print_secret(found: dict[str, str], as_json: bool) -> None:
    if as_json:
        emit(found)
    else:
        print(*found.values())
