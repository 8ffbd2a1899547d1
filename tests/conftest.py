"""For all tests: files are the unit that runs side by side, and with CI set a skipped test is a failed one.

What they write is in memory where there is room, and what they start is told not to optimise for a long life.
"""

from __future__ import annotations

import gc
import os
import shutil
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

LONGEST = (
    "test_local_stack.py",
    "test_aws_failures.py",
    "test_aws_sharing.py",
    "test_ephemeral_workflows.py",
    "test_aws_dev.py",
    "test_aws_prod.py",
    "test_aws_kubernetes.py",
    "test_aws_cli.py",
    "test_data_and_supervisor.py",
    "test_clickhouse.py",
    "test_collector_and_broker.py",
)
"""These begin, so that none is still running when everything else is done."""
FOLDERS = ("engine", "faults", "pipeline")
"""Then these, which bring whole stacks up, then the others."""
MEMORY, ROOM = Path("/dev/shm"), 4 << 30


def in_memory() -> bool:
    """Whether files in memory can be had: containers often have 64 MB of it."""
    return MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= ROOM


# ClickHouse makes and deletes thousands of small files: on ext4 a third of its processor time is the search for a free inode.
if in_memory():
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))
# A broker that lives for a minute pays for its second compiler and never earns it.
os.environ.setdefault("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1")
# Programs under test make objects by the hundred thousand, and few cycles: to look for those at the usual pace took a quarter of
# the unit tests' time.
gc.set_threshold(100_000)


def place(item: pytest.Item) -> tuple[int, int]:
    """Where a test comes."""
    folder, name = item.path.parent.name, item.path.name
    among = folder in FOLDERS and name in LONGEST
    return (
        LONGEST.index(name) if among else len(LONGEST),
        FOLDERS.index(folder) if folder in FOLDERS else len(FOLDERS),
    )


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of one file share its fixtures (a stack, a server), so they run on one worker unless a test says otherwise.

    xdist reads the marks in this very hook: they must be there before.
    """
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.path.name))
    items.sort(key=place)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Keeps the number of a green run's folder, which pytest has just removed, until the process ends. At its very end it
    takes that folder's lock away: the lock of whoever has the number by then, whose files any third run deletes."""
    factory = getattr(session.config, "_tmp_path_factory", None)
    if (folder := getattr(factory, "_basetemp", None)) and not folder.exists():
        folder.mkdir()


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """What was imported to find the tests stays until the end, and need not be looked at again each time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _results_on_stdout() -> Iterator[None]:
    """A process runs one command and ends; a worker of the tests runs many, and `--json` of one is not the next one's."""
    yield
    if terminal := sys.modules.get("infra.cli.console"):
        terminal._choose_json(False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A machine that lacks a tool skips by name; CI must have every tool."""
    report = yield
    if os.environ.get("CI") and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI must not: {report.longrepr}"
    return report
