"""Floors under the real engine: what AWS never makes smaller is refused in the preview, all of it in one message."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pulumi
import pytest
from pulumi import automation
from pulumi.automation._stack import StackInitMode

from infra.automation import KnownCommand, environment
from infra.aws.floors import Floors
from infra.cli.engine import Counted
from infra.local.toolchain import ensure
from tests.providers.cloud import QuickStack, QuickWorkspace

DEPLOYED = {"kafkaVersion": "3.9.x.kraft", "kafkaBrokersPerZone": 2, "clickhouseHotGiB": 100}
REASONS = {"kafkaZones": "brokers can't move"}


class Run:
    """A stack of one Floors resource and one that waits for it, on a backend of its own."""

    def __init__(self, folder: Path):
        tools = ensure(["pulumi"])
        (folder / "state").mkdir()
        env = {**environment("floors", tools.pulumi_root), "PULUMI_BACKEND_URL": (folder / "state").as_uri()}
        workspace = QuickWorkspace(
            work_dir=str(folder),
            program=lambda: None,
            env_vars={**env, "PULUMI_HOME": str(folder / "home")},
            project_settings=automation.ProjectSettings(name="floors", runtime="python"),
            pulumi_command=KnownCommand(tools),
        )
        self.stack = QuickStack("floors", workspace, StackInitMode.CREATE)

    def program(self, floors: dict[str, Any], zones: int, lifted: list[str]) -> Callable[[], None]:
        def declare() -> None:
            first = Floors("floors", floors, {"kafkaZones": zones}, REASONS, lifted)
            Floors("after", {"x": floors["kafkaBrokersPerZone"]}, opts=pulumi.ResourceOptions(depends_on=[first]))

        return declare

    def up(self, floors: dict[str, Any], zones: int = 2, lifted: tuple[str, ...] = ()) -> dict[str, int]:
        counted = Counted()
        self.stack.up(program=self.program(floors, zones, list(lifted)), on_event=counted.take)
        return counted.changes

    def preview(self, floors: dict[str, Any], zones: int = 2) -> None:
        self.stack.preview(program=self.program(floors, zones, []))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    made = Run(tmp_path_factory.mktemp("floors"))
    made.up(DEPLOYED)
    return made


def test_lower_values_and_fixed_ones_are_refused_together_in_the_preview(run: Run) -> None:
    lower = {"kafkaVersion": "3.8.x.kraft", "kafkaBrokersPerZone": 1, "clickhouseHotGiB": 50}
    with pytest.raises(automation.CommandError) as caught:
        run.preview(lower, zones=3)
    text = str(caught.value)
    for line in (
        "kafkaVersion: 3.9.x.kraft is deployed and 3.8.x.kraft is set",
        "kafkaBrokersPerZone: 2 is deployed and 1 is set",
        "clickhouseHotGiB: 100 is deployed and 50 is set",
        "kafkaZones: 2 is deployed and 3 is set: brokers can't move",
    ):
        assert line in text


def test_what_waits_for_the_floors_is_not_touched_when_they_refuse(run: Run) -> None:
    with pytest.raises(automation.CommandError):
        run.up({**DEPLOYED, "kafkaBrokersPerZone": 1})
    deployed = run.stack.export_stack().deployment or {}
    after = next(item for item in deployed["resources"] if item["urn"].endswith("::after"))
    assert after["inputs"]["floors"] == {"x": 2}


def test_higher_values_are_the_floor_from_then_on_unless_one_is_lifted(run: Run) -> None:
    higher = {"kafkaVersion": "4.1.x.kraft", "kafkaBrokersPerZone": 3, "clickhouseHotGiB": 100}
    assert run.up(higher)["update"] == 2
    with pytest.raises(automation.CommandError) as caught:
        run.preview({**higher, "kafkaVersion": "3.9.x.kraft"})
    assert "kafkaVersion: 4.1.x.kraft is deployed" in str(caught.value)
    assert "add kafkaVersion to floorsLifted" in str(caught.value)
    lifted = {**higher, "kafkaVersion": "3.9.x.kraft"}
    assert run.up(lifted, lifted=("kafkaVersion",))["update"] == 1
    assert set(run.up(lifted)) == {"same"}, "a floor that is no longer lifted changes nothing by itself"
