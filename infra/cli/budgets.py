"""`telemetry budgets`: what each budget allows, who has used most of it, what was crossed; and the secret that signs calls."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.table import Table

from infra.cli.console import Name, console
from infra.config import file_settings
from infra.errors import UserError
from infra.paths import SQL

app = typer.Typer(help="What agents may use (configs/budgets.yaml), and what they have used of it.")


@app.callback(invoke_without_command=True)
def budgets(
    context: typer.Context,
    name: Name = "local",
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
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
        print(json.dumps(listed, indent=1))
        return
    _print(listed)


def _print(listed: list[dict[str, Any]]) -> None:
    table = Table("budget", "of", "window", "limit", "most used by", "used", "share", "crossed (UTC)")
    for item in listed:
        of = f"{item['measure']}, each {item['scope']}"
        first = (item["name"], of, item["window"], f"{item['limit']:g}")
        if item["evaluated_seconds_ago"] is None:
            table.add_row(*first, "not evaluated lately: is the worker up? (`telemetry status`)", style="yellow")
            continue
        for number, row in enumerate(item["used"] or [None]):
            begin = first if number == 0 else ("", "", "", "")
            if row is None:
                table.add_row(*begin, "nobody", "0", "0 %")
                continue
            who = " ".join(part for part in (row["tenant"], row["subject"]) if part)
            said = f"{row['began'][:19]} at {row['level']:g} of the limit, {row['state']}" if row["level"] else ""
            told = f", {row['told']}" if row["told"] else ""
            style = "red" if row["share"] >= 1 else None
            table.add_row(*begin, who, f"{row['used']:g}", f"{row['share']:.0%}", said + told, style=style)
    console.print(table)


@app.command()
def secret(
    context: typer.Context, name: Annotated[str | None, typer.Option("--name", "-n", help="The stack's name.")] = None
) -> None:
    """Prints the secret that signs calls of budgetWebhookUrl, for the receiver. On AWS: where it is."""
    name = name or str(context.obj)
    found = file_settings(name)
    if not found.budgetWebhookUrl:
        raise UserError(
            f"budgetWebhookUrl is not set in the stack file of {name}: nobody is called, so there is no secret"
        )
    if found.platform != "local":
        print(found.budgetWebhookSecretArn)
        return
    from infra.local.layout import webhook_secret
    from infra.webhook_secret import SecretFile

    with SecretFile(str(webhook_secret(name))).open() as secrets:
        print(secrets[0])
