"""The stack `dev` under the real engine on a stand-in account: preview, up, nothing to change, and away again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.engine.aws_engine import Engine
from tests.engine.aws_world import World, aws_world

pytestmark = pytest.mark.timeout(1800)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with aws_world(tmp_path_factory.mktemp("dev")) as made:
        yield made


@pytest.fixture(scope="module")
def dev(world: World) -> Engine:
    return world.engine("dev")


def test_a_preview_makes_nothing_and_opens_nothing(world: World, dev: Engine) -> None:
    ran = dev.preview()
    assert ran.ok, ran.output
    print(f"preview {ran.seconds:.1f} s")
    assert ran.changed.keys() == {"create"}
    assert world.cloud.operations("create") == [] and world.doors.asked == []
    assert not world.plane.called("StartSession") and not world.plane.called("SendCommand")


def test_up(world: World, dev: Engine) -> None:
    ran = dev.up()
    print(f"up {ran.seconds:.1f} s")
    assert ran.ok, ran.output
    assert ran.changed.keys() == {"create"}


def test_a_second_up_changes_nothing(dev: Engine) -> None:
    ran = dev.up()
    print(f"second up {ran.seconds:.1f} s")
    assert ran.ok and ran.changed == {}, ran.output


def test_destroy(world: World, dev: Engine) -> None:
    ran = dev.destroy()
    print(f"destroy {ran.seconds:.1f} s")
    assert ran.ok, ran.output
    assert world.cloud.left() == []
