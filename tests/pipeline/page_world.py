"""The dashboards' page as its tests see it: its process on a filled engine's HTTP interface, and a browser."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from infra.config import PROJECT
from tests.pipeline.clickhouse_front import Front
from tests.pipeline.dashboard_data import HOURS
from tests.pipeline.schema_engine import SchemaEngine
from tests.ports import free_port
from tests.workload import default_start

STACK = "shown"
ANSWER_MS = 60_000
"""How long the browser waits for what usually takes a second: the machine may be busy."""


class FrontEngine(SchemaEngine):
    """The same engine behind its HTTP interface, with the shipped users."""

    front: Front

    def start(self) -> None:
        self.front = Front(self.folder / "front")
        self.front.start()

    def stop(self) -> None:
        self.front.stop()

    def query(self, sql: str) -> list[dict[str, Any]]:
        answer = self.front.post(sql, default_format="JSON")
        assert answer.status == 200, f"{answer.text}\n{sql[:2000]}"
        return json.loads(answer.data)["data"] if answer.data else []


@dataclass
class Site:
    """A running page."""

    engine: FrontEngine
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def address(self, slug: str, **more: str) -> str:
        """A dashboard with the workload's hours as its range."""
        start = default_start()
        end = start + timedelta(hours=HOURS)
        query = {"from": str(int(start.timestamp() * 1000)), "to": str(int(end.timestamp() * 1000)), **more}
        return f"{self.url}/d/{PROJECT}-{STACK}-{slug}?" + "&".join(f"{key}={value}" for key, value in query.items())

    def start(self, folder: Path) -> None:
        command = [sys.executable, "-m", "infra.dashboards.render", "--stack", STACK, "--port", str(self.port)]
        clickhouse = f"http://127.0.0.1:{self.engine.front.port}"
        with (folder / "page.log").open("wb") as log:
            self.process = subprocess.Popen([*command, "--clickhouse", clickhouse], stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while self.get("/healthz")[0] != 200:
            assert self.process.poll() is None and time.monotonic() < deadline, (folder / "page.log").read_text()
            time.sleep(0.05)

    def stop(self) -> int:
        assert self.process
        self.process.terminate()
        return self.process.wait(30)

    def get(self, path: str, method: str = "GET", **headers: str) -> tuple[int, str]:
        """Status and body; (0, '') when nobody answers."""
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        request = urllib.request.Request(self.url + path, headers=named, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""


def chromium() -> str:
    """The browser's path; skips where there is none."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if not found:
        pytest.skip("no chromium (Debian: apt install chromium) or google-chrome on PATH")
    return found


@contextmanager
def opened_browser() -> Iterator[Browser]:
    """A headless browser. Without its sandbox: containers seldom let it have one, and it opens our own pages."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"], env={**os.environ})
        yield browser
        browser.close()


@dataclass
class Watched:
    """A tab, and everything that it complained of or asked for."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(ANSWER_MS)
        self.page.on("console", lambda message: self._note(message.type, message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("dialog", lambda dialog: self.complaints.append(f"dialog {dialog.message}"))

    def _note(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(text)

    def open(self, url: str) -> None:
        """Opens it and waits until every panel has its answer."""
        self.page.goto(url)
        self.page.wait_for_selector("body[data-loaded]")

    def reloaded(self) -> None:
        """Waits for the next round of answers."""
        before = self.page.evaluate("Number(document.body.dataset.loaded || 0)")
        self.page.wait_for_selector(f"body[data-loaded='{before + 1}']")

    def cards(self) -> list[dict[str, str]]:
        """Each panel's title, kind, state and what its body says."""
        return self.page.eval_on_selector_all(
            ".card",
            "cards => cards.map(c => ({title: c.ariaLabel, type: c.dataset.type, state: c.dataset.state,"
            " text: c.querySelector('.card-body').innerText, drawn: c.querySelectorAll("
            "'.uplot canvas, .stat-figure, .bar-row, tbody tr, .span-row, .logs li, .alerts li').length}))",
        )

    def figure(self, title: str) -> str:
        """What a stat panel shows."""
        return self.page.inner_text(f".card[data-type=stat][aria-label='{title}'] .stat").replace("\n", " ")


@contextmanager
def tab(browser: Browser, scheme: str = "light", width: int = 1440) -> Iterator[Watched]:
    """A tab of its own; at its end nothing may have been complained of.

    Of someone who asked for less motion: what moves while an answer is awaited is painted by the processor here.
    """
    dark = "dark" if scheme == "dark" else "light"
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme=dark,
        reduced_motion="reduce",
        timezone_id="UTC",
        locale="en-GB",
    )
    watched = Watched(context.new_page())
    yield watched
    context.close()
    assert watched.complaints == []
