"""The documentation's pictures of the dashboards: `telemetry demo`, then `python -m tests.pictures`.

They show the demo's history, the day up to an hour ago: its live minute is so much busier that nothing else is seen beside it.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from urllib.parse import urlencode

from playwright.sync_api import Browser, Page

from infra.config import PROJECT, file_settings
from infra.local.dashboards import page_url
from infra.paths import ROOT
from tests.pipeline.page_world import ANSWER_MS, opened_browser

FOLDER = ROOT / "docs" / "pictures"
WIDTH, HEIGHT = 1360, 900
RANGE = {"from": "now-25h", "to": "now-1h", "refresh": ""}
TELLING = {"var-workflow": "weekly-report", "var-outcome": "error"}
"""Its runs go through three services, and something failed in those that are shown."""
BELOW_THE_TOOLBAR = """
at => {
  const section = document.querySelector(`.card[aria-label='${at}']`).closest('.section');
  scrollTo(0, scrollY + section.getBoundingClientRect().top - document.querySelector('.toolbar').getBoundingClientRect().bottom);
}
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.pictures", description=__doc__)
    parser.add_argument("--name", default="local", help="the stack that the demo ran on")
    parser.add_argument("--url", default="", help="where its page is, if not where its settings say")
    arguments = parser.parse_args()
    name = arguments.name
    url = arguments.url or page_url(file_settings(name))
    FOLDER.mkdir(exist_ok=True)
    with opened_browser() as browser:
        for scheme in ("light", "dark"):
            _picture(browser, scheme, f"{url}/d/{PROJECT}-{name}-overview", FOLDER / f"overview-{scheme}.png")
        _picture(browser, "light", f"{url}/d/{PROJECT}-{name}-cost", FOLDER / "cost.png")
        trace = _telling_trace(browser, f"{url}/d/{PROJECT}-{name}-traces")
        _picture(
            browser, "dark", f"{url}/d/{PROJECT}-{name}-traces", FOLDER / "trace.png", {"var-trace_id": trace}, "Spans"
        )


def _opened(browser: Browser, scheme: str, address: str, more: dict[str, str]) -> Page:
    dark = "dark" if scheme == "dark" else "light"
    page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme=dark, timezone_id="UTC")
    page.set_default_timeout(ANSWER_MS)
    page.goto(f"{address}?{urlencode(RANGE | more)}")
    page.wait_for_selector("body[data-loaded]")
    return page


def _picture(
    browser: Browser, scheme: str, address: str, path: Path, more: dict[str, str] | None = None, at: str = ""
) -> None:
    """The page's first screen, or the panel `at` with what stands around it."""
    page = _opened(browser, scheme, address, more or {})
    if at:
        page.locator(f".card[aria-label='{at}'] .span-row.failed").last.click()
        page.evaluate(BELOW_THE_TOOLBAR, at)
    page.screenshot(path=path)
    page.close()
    print(f"{path.relative_to(ROOT)}  {path.stat().st_size // 1024} KiB")


def _telling_trace(browser: Browser, address: str) -> str:
    page = _opened(browser, "light", address, TELLING)
    found = page.input_value("input[data-variable=trace_id]")
    page.close()
    return found


if __name__ == "__main__":
    main()
