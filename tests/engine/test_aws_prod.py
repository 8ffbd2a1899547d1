"""The stack `prod` under the real engine on a stand-in account."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.engine.aws_engine import Engine
from tests.engine.aws_world import World, aws_world

pytestmark = pytest.mark.timeout(1800)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with aws_world(tmp_path_factory.mktemp("prod")) as made:
        yield made


@pytest.fixture(scope="module")
def prod(world: World) -> Engine:
    return world.engine("prod")


def test_up(world: World, prod: Engine) -> None:
    ran = prod.up()
    print(f"up {ran.seconds:.1f} s", *ran.slowest(), sep="\n")
    assert ran.ok, ran.output
    assert ran.changed.keys() == {"create"}


def test_a_second_up_changes_nothing(prod: Engine) -> None:
    ran = prod.up()
    print(f"second up {ran.seconds:.1f} s")
    assert ran.ok and ran.changed == {}, ran.output
