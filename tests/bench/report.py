"""What the benchmarks found, as a table with the machine it was found on, and as JSON."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

JSON_VARIABLE = "BENCH_JSON"


@dataclass(frozen=True)
class Figure:
    """One measured number."""

    name: str
    value: float
    unit: str
    target: float | None = None
    """What issue and README promise; None: the figure is only reported."""
    at_most: bool = True
    """Whether the target is an upper bound."""
    detail: dict[str, Any] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """Target and whether it was met, in words; empty without a target."""
        if self.target is None:
            return ""
        met = self.value <= self.target if self.at_most else self.value >= self.target
        return f"{'below' if self.at_most else 'above'} {self.target:g} {self.unit}: {'met' if met else 'MISSED'}"


def machine() -> dict[str, Any]:
    """What the figures were measured on, and how busy it was before."""
    return {
        "cores": os.cpu_count(),
        "cpu": _cpu_model(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_average_before": [round(each, 2) for each in os.getloadavg()],
    }


def _cpu_model() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


class Report:
    """Figures as they come in; each is shown at once and the JSON is written anew, so a broken run keeps its part."""

    def __init__(self, out: Callable[[str], None] = print) -> None:
        self.machine = machine()
        self.began = datetime.now(UTC)
        self.figures: list[Figure] = []
        self.failures: dict[str, str] = {}
        self._out = out

    def add(self, figures: Sequence[Figure]) -> None:
        """Takes the figures of one benchmark."""
        self.figures += figures
        for each in figures:
            self._out(f"  {each.name}: {each.value:,.4g} {each.unit}  {each.verdict}")
        self._write()

    def fail(self, name: str, problem: str) -> None:
        """Notes that a benchmark could not measure."""
        self.failures[name] = problem
        self._out(f"  {name} failed: {problem}")
        self._write()

    def _write(self) -> None:
        path = os.environ.get(JSON_VARIABLE)
        if path:
            content = {
                "began": self.began.isoformat(timespec="seconds"),
                "machine": self.machine,
                "figures": [asdict(each) for each in self.figures],
                "failures": self.failures,
            }
            Path(path).write_text(json.dumps(content, indent=2) + "\n")

    def show(self) -> None:
        """The whole table."""
        found = self.machine
        table = Table("figure", "value", "unit", "target", title_justify="left")
        table.title = (
            f"{self.began:%Y-%m-%d %H:%M} UTC, {found['cores']} cores of {found['cpu']}, {found['memory_gib']} GiB, "
            f"Linux {found['kernel']}, load before {found['load_average_before'][0]}"
        )
        table.columns[1].justify = "right"
        for each in self.figures:
            table.add_row(
                each.name,
                f"{each.value:,.4g}" if each.value < 1e4 else f"{each.value:,.0f}",
                each.unit,
                each.verdict,
            )
        Console(width=140).print(table)
        for name, problem in self.failures.items():
            self._out(f"{name} failed: {problem}")


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` (0 to 1) of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, round(share * len(ordered) + 0.5) - 1))]
