"""The real engine on the stand-in cloud with the real program, and what its event stream said of each command."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from pulumi import automation
from pulumi.automation._stack import StackInitMode

from infra.automation import KnownCommand, program
from infra.config import PROJECT
from infra.local.toolchain import Toolchain
from infra.paths import ROOT

OWN: dict[str, Any] = {
    "awsAccount": "111122223333",
    "collectorDomain": "otlp.telemetry.test",
    "collectorCertificateArn": "arn:aws:acm:eu-central-1:111122223333:certificate/5a9d7e1c-0b42-4f6a-9a63-2f1f6f0c8d11",
    "grafanaAdminGroups": ["6c0e4f2a-90b1-70c3-1d7e-5f0a9b3c2d11"],
    "alarmEmails": ["oncall@telemetry.test"],
    "requirePins": False,
}
"""In place of the committed files' example values; pins are filled on a networked machine only."""


def example_values(stack: str) -> dict[str, Any]:
    """The committed stack file's settings as they stand."""
    values = yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text())["config"]
    return {key.removeprefix(f"{PROJECT}:"): value for key, value in values.items()}


def committed(stack: str) -> dict[str, Any]:
    """The committed stack file's settings with an account's own values."""
    found = example_values(stack) | OWN
    if "grafanaViewerGroups" in found:
        found["grafanaViewerGroups"] = ["77a1c2d3-90b1-70c3-1d7e-0a9b3c2d5f11"]
    return found


@dataclass(frozen=True)
class Step:
    """One line of the event stream: a resource's operation begins or ends (or fails)."""

    phase: str
    op: str
    type: str
    name: str
    at: float = field(compare=False)
    """Seconds since the command began."""


@dataclass
class Run:
    """One engine command."""

    ok: bool
    output: str
    steps: list[Step]
    seconds: float
    outputs: dict[str, Any] = field(default_factory=dict)
    reasons: dict[str, list[str]] = field(default_factory=dict)
    """What is different, by the resource's name."""

    @property
    def changed(self) -> dict[str, list[str]]:
        """Operation to the names of what it was done to, in the order in which they began; without what stays."""
        found: dict[str, list[str]] = {}
        for step in self.steps:
            if step.phase == "begin" and step.op not in ("same", "read", "refresh"):
                found.setdefault(step.op, []).append(step.name)
        return found

    def of(self, *types: str) -> list[Step]:
        """The stream's lines about these types."""
        return [step for step in self.steps if step.type in types]

    def moment(self, phase: str, name: str) -> float:
        """When a resource's operation began or ended, in seconds."""
        (found,) = [step.at for step in self.steps if (step.phase, step.name) == (phase, name) and step.op != "refresh"]
        return found

    def slowest(self, count: int = 12) -> list[str]:
        """The steps that took longest, for a person who wonders where the time went."""
        began = {step.name: step.at for step in self.steps if step.phase == "begin"}
        took = [(step.at - began[step.name], step) for step in self.steps if step.phase == "end" and step.name in began]
        slow = sorted(took, key=lambda item: -item[0])[:count]
        return [f"{seconds:6.1f} s from {step.at - seconds:6.1f}: {step.op} {step.name}" for seconds, step in slow]


class World(automation.LocalWorkspace):
    """A folder with the project's file and the stack's; reads outputs where the backend keeps them."""

    def __init__(self, *, state: Path, **options: Any) -> None:
        self._state = state
        super().__init__(**options)

    def select_stack(self, stack_name: str, *args: Any, **options: Any) -> None:
        """Nothing to do: every command names its stack."""

    def stack_outputs(self, stack_name: str) -> automation.OutputMap:
        resources = checkpoint(self._state, stack_name)
        found = next((item.get("outputs", {}) for item in resources if item["type"] == "pulumi:pulumi:Stack"), {})
        return {key: automation.OutputValue(value, False) for key, value in found.items()}


class Stack(automation.Stack):
    """Doesn't read the history back after each command: the engine has just printed its summary."""

    def info(self, show_secrets: bool = False) -> automation.UpdateSummary:
        return automation.UpdateSummary("update", datetime.now(UTC), "", {}, {}, "succeeded")


def checkpoint(state: Path, stack: str) -> list[dict[str, Any]]:
    """The resources in the backend's file, secrets encrypted."""
    path = state / ".pulumi" / "stacks" / PROJECT / f"{stack}.json"
    return json.loads(path.read_text())["checkpoint"]["latest"].get("resources") or [] if path.exists() else []


class Engine:
    """Commands on one stack. A failure is a result, not an exception."""

    def __init__(
        self,
        name: str,
        folder: Path,
        toolchain: Toolchain,
        environment: Mapping[str, str],
        settings: dict[str, Any] | None = None,
        state: Path | None = None,
    ) -> None:
        """`settings`: of a stack that has no committed file. `state`: another stack's folder, to be in one backend with it."""
        self.name, self.folder = name, folder
        self.state = state or folder / "state"
        self.environment = {**environment, "PULUMI_BACKEND_URL": self.state.as_uri()}
        self.settings = committed(name) if settings is None else settings
        self.shown: list[str] = []
        """Everything that any command printed."""
        self._file = folder / "work" / f"Pulumi.{name}.yaml"
        self._file.parent.mkdir()
        self.state.mkdir(exist_ok=True)
        self._write()
        workspace = World(
            work_dir=str(folder / "work"),
            state=self.state,
            program=program,
            env_vars=self.environment,
            project_settings=automation.ProjectSettings(name=PROJECT, runtime="python"),
            pulumi_command=KnownCommand(toolchain),
        )
        self._stack = Stack(name, workspace, StackInitMode.CREATE)

    def configure(self, **settings: Any) -> None:
        """Changes the stack's settings."""
        self.settings |= settings
        self._write()

    def _write(self) -> None:
        content = yaml.safe_load(self._file.read_text()) if self._file.exists() else {}
        content["config"] = {f"{PROJECT}:{key}": value for key, value in self.settings.items()}
        self._file.write_text(yaml.safe_dump(content))

    def up(self, **options: Any) -> Run:
        return self._run("up", **options)

    def preview(self, **options: Any) -> Run:
        return self._run("preview", diff=True, **options)

    def timed_preview(self) -> tuple[Run, float]:
        """A preview that nobody watches, and the processor time that this process, in which the program runs, spent."""
        began = time.process_time()
        ran = self._run("preview", on_event=None)
        return ran, time.process_time() - began

    def refresh(self, **options: Any) -> Run:
        return self._run("refresh", **options)

    def destroy(self, **options: Any) -> Run:
        """As `telemetry down` and `pulumi destroy` do: a preview first, which refuses what is protected."""
        planned = self._run("preview_destroy", **options)
        return self._run("destroy", **options) if planned.ok else planned

    @property
    def resources(self) -> list[dict[str, Any]]:
        return checkpoint(self.state, self.name)

    def stored(self) -> str:
        """All that the engine wrote: state, its backups, history, stack file."""
        places = (self.state, self.folder / "work")
        return "\n".join(
            path.read_text(errors="replace") for place in places for path in place.rglob("*") if path.is_file()
        )

    def _run(self, command: str, **options: Any) -> Run:
        lines: list[str] = []
        steps: list[Step] = []
        reasons: dict[str, list[str]] = {}
        began = time.monotonic()

        def event(seen: automation.EngineEvent) -> None:
            kinds = {"begin": seen.resource_pre_event, "end": seen.res_outputs_event, "fail": seen.res_op_failed_event}
            for phase, found in kinds.items():
                if found is not None and not found.metadata.type.startswith("pulumi:"):
                    data = found.metadata
                    name = data.urn.rsplit("::", 1)[-1]
                    steps.append(Step(phase, str(data.op.value), data.type, name, time.monotonic() - began))
                    if phase == "begin" and data.detailed_diff:
                        reasons[name] = sorted(data.detailed_diff)

        before = {key: os.environ.get(key) for key in self.environment}
        outputs: dict[str, Any] = {}
        try:
            # The inline program runs in this process, and sees what the engine sees.
            os.environ.update(self.environment)
            run = getattr(self._stack, command)
            watched = {"on_output": lines.append, "on_error": lines.append, "on_event": event, "color": "never"}
            result = run(**(watched | options))
            ok, found = True, getattr(result, "outputs", None) or {}
            outputs = {key: value.value for key, value in found.items()}
        except automation.CommandError as error:
            ok = False
            lines.append(str(error))
        finally:
            for key, value in before.items():
                os.environ.pop(key, None) if value is None else os.environ.update({key: value})
        self.shown += lines
        return Run(ok, "\n".join(lines), steps, time.monotonic() - began, outputs, reasons)
