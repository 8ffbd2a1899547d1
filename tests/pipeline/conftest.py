"""Two running stacks for all tests of this folder, made when the first test asks for one.

With pytest-xdist, `-n 2 --dist loadgroup` runs the tests of each stack on one worker, so that each exists once.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.pipeline.live import Pipeline, new_tenant, running

KEEPER = "keeper"
"""The tenant whose prompts are kept."""
STACKS = ("proto", "json_jwt")


@pytest.fixture(scope="session")
def proto() -> Iterator[Pipeline]:
    """Protobuf in Kafka, no credentials; the worker's audit runs once only, so that a planted difference stays."""
    with running(
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
    with running(
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
