"""`telemetry dashboards render`: one file with every panel, opened in a browser that is asked for nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from infra.config import PROJECT
from infra.dashboards.catalogue import DASHBOARDS, build_all
from infra.dashboards.render.boards import Boards
from infra.dashboards.render.report import report
from infra.dashboards.render.source import Source
from tests.oracle import Oracle
from tests.pipeline.dashboard_data import HOURS, SPANS, fill, telling_trace
from tests.pipeline.page_world import STACK, FrontEngine, opened_browser, tab
from tests.ports import free_port
from tests.stack import Stack
from tests.workload import default_start, requests


@pytest.fixture(scope="module")
def oracle() -> Oracle:
    return Oracle(requests(SPANS, hours=HOURS))


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory, oracle: Oracle) -> Iterator[FrontEngine]:
    engine = FrontEngine(tmp_path_factory.mktemp("report"), "otlp_proto")
    fill(engine, next(row.tenant_id for row in oracle.spans))
    yield engine
    engine.stop()


@pytest.fixture
def stack(engine: FrontEngine) -> Iterator[Stack]:
    """A stack file that names the engine's port: nothing else of the stack is needed."""
    stack = Stack(f"test-report-{engine.front.port}")
    stack.configure(platform="local", clickhousePort=engine.front.port)
    yield stack
    stack.file.unlink()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with opened_browser() as browser:
        yield browser


def render(stack: Stack, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "infra.cli", "dashboards", "render", "--name", stack.name, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **stack.process_options)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_file_draws_every_panel_and_asks_nobody(
    stack: Stack, engine: FrontEngine, oracle: Oracle, browser: Browser, tmp_path: Path, scheme: str
) -> None:
    out, start = tmp_path / "report.html", default_start()
    # Together they have something for every panel; the trace is the keeper's.
    keeper, spans = next(row.tenant_id for row in oracle.spans), Counter(row.tenant_id for row in oracle.spans)
    tenants = {keeper, *(tenant for tenant, _ in spans.most_common(7))}
    trace = telling_trace(engine)
    span = ("--from", start.isoformat(), "--to", (start + timedelta(hours=HOURS)).isoformat())
    chosen = [text for tenant in tenants for text in ("--var", f"tenant={tenant}")]
    done = render(stack, "--out", str(out), *span, *chosen, "--var", f"trace_id={trace}")
    assert done.returncode == 0, done.stderr
    runs = len({row.trace_id for row in oracle.spans if row.tenant_id in tenants})
    with tab(browser, scheme) as shown:
        for slug, model in build_all(f"{PROJECT}-{stack.name}").items():
            shown.page.goto(f"{out.as_uri()}#{model['uid']}")
            shown.page.wait_for_selector(f"body[data-loaded='{model['uid']}']")
            panels = [panel for panel in model["panels"] if panel["type"] != "row"]
            silent = {panel["title"] for panel in panels if panel["fieldConfig"]["defaults"].get("noValue")}
            cards = shown.cards()
            assert [card["title"] for card in cards] == [panel["title"] for panel in panels]
            # What the pipeline says of itself is of today, not of the workload's hours.
            bad = {card["title"]: card["text"] for card in cards if card["state"] != "drawn"}
            assert slug == "health" or set(bad) <= silent, bad
            assert not [card for card in cards if card["state"] == "error"]
            if slug == "agents":
                assert shown.figure("Runs") == f"{runs:,}"
            assert shown.page.locator(".control", has_text=f"{len(tenants)} chosen").count() == 1
        # Its addresses would lead to a page that whoever got the file may not have.
        assert shown.page.locator("td a").count() == 0
        assert {url.partition("#")[0] for url in shown.asked if not url.startswith("data:")} == {out.as_uri()}


def test_a_part_of_it_with_the_dashboard_s_own_range(stack: Stack, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    done = render(stack, "--out", str(out), "--dashboard", "health", "--dashboard", "cost")
    assert done.returncode == 0, done.stderr
    text = out.read_text()
    data = json.loads(text.partition('id="page-data">')[2].partition("</script>")[0])
    assert [board["model"]["uid"].rpartition("-")[2] for board in data["boards"]] == ["health", "cost"]
    assert [(board["from"], board["to"]) for board in data["boards"]] == [("now-6h", "now"), ("now-24h", "now")]
    assert "https://" not in text.replace("https://github.com/leeoniya/uPlot", ""), "an address of elsewhere"


def test_what_is_wrong_is_said_and_no_file_is_left(stack: Stack, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    for arguments, says in [
        (("--dashboard", "cots"), f"--dashboard cots: there are {', '.join(DASHBOARDS)}"),
        (("--var", "tennant=acme"), "no dashboard has a variable 'tennant'"),
        (("--var", "acme"), "--var acme: write variable=value"),
        (("--from", "noon"), "from: found 'noon'"),
        (("--to", "now-1h"), "--to: it counts together with --from"),
    ]:
        done = render(stack, "--out", str(out), *arguments)
        assert done.returncode == 1 and says in " ".join(done.stderr.split()), done.stderr
        assert not out.exists()
    done = render(stack, "--out", str(tmp_path / "none" / "report.html"), "--dashboard", "health")
    assert done.returncode == 1 and "--out" in done.stderr
    stack.configure(clickhousePort=free_port())
    done = render(stack, "--out", str(out))
    assert done.returncode == 1 and "ClickHouse does not answer" in done.stderr and not out.exists()


def test_a_panel_whose_query_fails_is_told_in_its_place(engine: FrontEngine, browser: Browser, tmp_path: Path) -> None:
    built = build_all(f"{PROJECT}-{STACK}")
    panel = next(panel for panel in built["slos"]["panels"] if panel["type"] == "table")
    panel["targets"][0]["rawSql"] = "SELECT nothing FROM telemetry.nowhere"
    boards = Boards.of(built, [], Source(f"http://127.0.0.1:{engine.front.port}"))
    text, failures = report(boards, STACK, [built["slos"]["uid"]], {}, datetime.now(UTC))
    boards.close()
    assert len(failures) == 1 and panel["title"] in failures[0] and "nowhere" in failures[0]
    out = tmp_path / "report.html"
    out.write_text(text)
    with tab(browser) as shown:
        shown.open(out.as_uri())
        assert [(card["title"], "nowhere" in card["text"]) for card in shown.cards() if card["state"] == "error"] == [
            (panel["title"], True)
        ]
