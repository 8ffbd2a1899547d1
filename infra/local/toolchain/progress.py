"""Shows what is being built: live lines on a terminal, else one line about every 15 seconds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from infra.local.toolchain.builds import Recipe

if TYPE_CHECKING:
    from rich.console import Console

EVERY_SECONDS = 15


class Progress:
    """What the builds' threads report, and the main thread prints at each tick."""

    def __init__(self, console: Console | None = None):
        from rich.console import Console

        self.console = console or Console(stderr=True)
        self._running: dict[str, tuple[Recipe, float, str]] = {}
        self._live = None
        self._printed = time.monotonic()

    def __enter__(self) -> Progress:
        if self.console.is_terminal:
            from rich.live import Live

            self._live = Live(console=self.console, get_renderable=self._table, refresh_per_second=4, transient=True)
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    @contextmanager
    def task(self, recipe: Recipe) -> Iterator[Callable[[str], None]]:
        """A tool that is being built; call what is yielded with what it is doing now."""
        start = time.monotonic()

        def say(doing: str) -> None:
            before = self._running.get(recipe.name)
            self._running[recipe.name] = (recipe, start, doing)
            if before is None or before[2] != doing:
                self._print(f"{recipe.title}: {doing} (usually {recipe.typical})")

        try:
            yield say
            self._print(f"{recipe.title}: ready after {_elapsed(start)}")
        finally:
            self._running.pop(recipe.name, None)

    def tick(self) -> None:
        """Prints a line for each running build when the last ones are 15 seconds old."""
        if self._live or time.monotonic() - self._printed < EVERY_SECONDS:
            return
        for recipe, start, doing in list(self._running.values()):
            self._print(f"{recipe.title}: {doing}, {_elapsed(start)} so far (usually {recipe.typical})")

    def _print(self, line: str) -> None:
        self._printed = time.monotonic()
        self.console.print(line, soft_wrap=True, highlight=False, markup=False)

    def _table(self):
        from rich.spinner import Spinner
        from rich.table import Table

        table = Table.grid(padding=(0, 1))
        for recipe, start, doing in list(self._running.values()):
            table.add_row(Spinner("dots"), recipe.title, doing, _elapsed(start), f"usually {recipe.typical}")
        return table


def _elapsed(start: float) -> str:
    minutes, seconds = divmod(int(time.monotonic() - start), 60)
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
