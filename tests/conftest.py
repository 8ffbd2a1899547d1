"""For all tests: files are the unit that runs side by side, and with CI set a skipped test is a failed one."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of one file share its fixtures (a stack, a server), so they run on one worker unless a test says otherwise.

    Files that bring whole stacks up come first: they take longest. xdist reads the marks in this very hook: they must
    be there before.
    """
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.path.name))
    order = {"engine": 0, "faults": 0, "pipeline": 1, "unit": 2}
    items.sort(key=lambda item: order.get(item.path.parent.name, 1))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A machine that lacks a tool skips by name; CI must have every tool."""
    report = yield
    if os.environ.get("CI") and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI must not: {report.longrepr}"
    return report
