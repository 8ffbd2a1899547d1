"""An `up` of the whole program that fails half-way, at every kind of resource once: the next one continues each time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.engine.aws_engine import Engine
from tests.engine.aws_world import World, aws_world
from tests.providers.standin import faults

pytestmark = pytest.mark.timeout(900)
MOST = 20
"""A chain of kinds that build on each other fails once for each of its members."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with aws_world(tmp_path_factory.mktemp("failures")) as made:
        yield made


@pytest.fixture(scope="module")
def dev(world: World) -> Engine:
    return world.engine("dev")


def test_every_kind_fails_once_and_the_up_is_continued(world: World, dev: Engine) -> None:
    preview = dev.preview()
    assert preview.ok, preview.output
    kinds = sorted({step.type for step in preview.steps if step.type.startswith(("aws:", "random:", "tls:"))})
    assert len(kinds) > 50
    for number, kind in enumerate(kinds):
        # Every other one was made and never became ready: it stays in the state as not whole.
        world.cloud.fail("create", type=kind, how=("before", "after")[number % 2], message=f"no luck with {kind}")
    world.nodes.fail["clickhouse-1"] = "the archive could not be fetched"
    runs = []
    while not (runs and runs[-1].ok) and len(runs) < MOST:
        # What does not hang on the failed ones goes on, as in a run where each fails by itself.
        runs.append(dev.up(continue_on_error=True))
        print(f"{runs[-1].seconds:.1f} s, {sum(step.phase == 'fail' for step in runs[-1].steps)} failed")
    assert runs[-1].ok, runs[-1].output
    assert len(runs) > 3 and all(
        "no luck with" in run.output or "could not be fetched" in run.output for run in runs[:-1]
    )
    assert faults.pending(world.cloud.state.folder) == [] and not world.nodes.fail
    assert dev.up().changed == {}


def test_nothing_was_made_twice(world: World, dev: Engine) -> None:
    known = {item["urn"] for item in dev.resources}
    made = Counter(item.urn for item in world.cloud.state.all() if item.urn)
    assert set(made) <= known, sorted(set(made) - known)
    assert {urn: times for urn, times in made.items() if times > 1} == {}


def test_a_destroy_after_all_that_leaves_nothing(world: World, dev: Engine) -> None:
    ran = dev.destroy()
    assert ran.ok, ran.output
    assert [line.split()[0] for line in world.cloud.left()] == ["aws:acm/certificate:Certificate"]
