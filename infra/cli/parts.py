"""A stack's parts and whether they run, as `telemetry status` shows them on every platform."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from infra.cli.console import table_of

if TYPE_CHECKING:
    from rich.table import Table


@dataclass
class Parts:
    """Each part: its name in the first column, and what else the columns say. A row has figures (up_seconds,
    memory_bytes), for --json; the table has them in words."""

    columns: Sequence[str]
    rows: list[dict[str, Any]] = field(default_factory=list)
    down: list[str] = field(default_factory=list)
    """Those that do not run as wanted."""
    unseen: list[str] = field(default_factory=list)
    """Those that could not be asked: they may run."""

    def add(self, name: str, runs: bool | None, said: dict[str, Any]) -> None:
        """One more. `runs`: None where nobody could say."""
        self.rows.append({self.columns[0]: name, **said})
        if not runs:
            (self.unseen if runs is None else self.down).append(name)

    def table(self) -> Table:
        """The same as a table."""
        table = table_of(*self.columns, fold=(self.columns[0], "last event"))
        for row in self.rows:
            style = "red" if row[self.columns[0]] in self.down else None
            table.add_row(*(_shown(row, column) for column in self.columns), style=style)
        return table


def _shown(row: dict[str, Any], column: str) -> str:
    if column == "up for":
        return "" if row["up_seconds"] is None else f"{row['up_seconds']} s"
    if column == "memory":
        return "" if row["memory_bytes"] is None else f"{row['memory_bytes'] / 2**20:.0f} MiB"
    return "" if row[column] is None else str(row[column])


def parts_here(name: str) -> Parts:
    """A local stack's parts, as supervisor sees them. Raises UserError when it is not up."""
    import psutil

    from infra.cli.local import check_up
    from infra.local.layout import PARTS, run_folder
    from infra.local.supervisor import Control

    check_up(name)
    parts = Parts(("part", "state", "pid", "up for", "memory"))
    found = Control(run_folder(name)).processes()
    # An `up` that was cut off has not come to all of them.
    missing = {part: {"statename": "MISSING", "pid": 0} for part in PARTS if part not in found}
    for part, info in sorted((found | missing).items()):
        running = info["statename"] == "RUNNING"
        memory = None
        if running:
            with suppress(psutil.Error):  # it ended in this moment; supervisor starts it again
                memory = int(psutil.Process(info["pid"]).memory_info().rss)
        seconds = max(0, info["now"] - info["start"]) if running else None
        said = {"state": info["statename"], "pid": info["pid"] or None, "up_seconds": seconds, "memory_bytes": memory}
        parts.add(part, running, said)
    return parts
