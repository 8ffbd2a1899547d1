"""Two running stacks for all tests of this folder, made when the first test asks for one.

With pytest-xdist, `-n 2 --dist loadgroup` runs the tests of each stack on one worker, so that each exists once.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from tests.pipeline.live import Pipeline, new_tenant, running

KEEPER = "keeper"
"""The tenant whose prompts are kept."""
STACKS = ("proto", "json_jwt")
ENDS: dict[str, Callable[[], None]] = {}
"""How a stack that is up ends."""


@contextmanager
def stack(name: str, **settings: Any) -> Iterator[Pipeline]:
    """A stack of this name, until the session's end or `ENDS`."""
    with ExitStack() as opened:
        made = opened.enter_context(running(**settings))
        ENDS[name] = opened.close
        yield made


@pytest.fixture(scope="session")
def proto() -> Iterator[Pipeline]:
    """Protobuf in Kafka, no credentials; the worker's audit runs once only, so that a planted difference stays."""
    with stack(
        "proto",
        kafkaEncoding="otlp_proto",
        collectorAuth="none",
        contentTenants=[KEEPER],
        tenantReaders=[KEEPER],
        workerRecomputeSeconds=2,
        workerCanarySeconds=5,
        workerSampleSeconds=2,
        workerAuditSeconds=3600,
    ) as made:
        yield made


@pytest.fixture(scope="session")
def json_jwt() -> Iterator[Pipeline]:
    """JSON in Kafka, the tenant from the token."""
    with stack(
        "json_jwt",
        kafkaEncoding="otlp_json",
        collectorAuth="jwt",
        contentTenants=[KEEPER],
        workerRecomputeSeconds=2,
        workerAuditSeconds=3600,
    ) as made:
        yield made


@pytest.fixture(scope="session", params=STACKS)
def pipeline(request: pytest.FixtureRequest) -> Pipeline:
    """Each of the stacks."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def tenant() -> str:
    """A tenant of the test's own, so that tests don't see each other's rows."""
    return new_tenant()


def pytest_itemcollected(item: pytest.Item) -> None:
    """Every test of a stack goes to the worker that has it."""
    callspec = getattr(item, "callspec", None)
    asked = {*getattr(item, "fixturenames", ()), callspec.params.get("pipeline") if callspec else None}
    for name in STACKS:
        if name in asked:
            item.add_marker(pytest.mark.xdist_group(name))


def group(item: pytest.Item | None) -> str:
    """The group of tests that xdist gives to one worker in a row."""
    mark = item.get_closest_marker("xdist_group") if item else None
    return mark.args[0] if mark else ""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None]:
    """With xdist a stack ends with the last of its tests: one that does nothing takes a fifth of a processor."""
    yield
    name = group(item)
    if hasattr(item.config, "workerinput") and name in ENDS and group(nextitem) != name:
        ENDS.pop(name)()
