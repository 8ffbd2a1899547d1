"""Starts a stand-in cloud for a test, and runs Pulumi programs against it with the real engine."""

from __future__ import annotations

import os
import secrets
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from pulumi import automation
from pulumi.automation._stack import StackInitMode

from infra.automation import KnownCommand, without_engine_log
from infra.local.toolchain import ensure
from infra.paths import ROOT
from tests.forks import STANDIN, command
from tests.providers.standin import faults, operations
from tests.providers.standin.cloud import FOLDER, Cloud, Resource
from tests.providers.standin.operations import Operation

PACKAGES = ("aws", "kubernetes", "random", "tls")
PASSPHRASE = "stand-in"
REGION = "eu-central-1"
SCRIPT = '#!/bin/sh\nPYTHONPATH="{root}" exec {fork} {package} "$@"\n'


@dataclass
class Ran:
    """One engine command."""

    ok: bool
    output: str
    """Everything that the engine printed."""
    steps: dict[str, list[str]]
    """What it did by operation (create, update, replace, delete, same, read, refresh …): the resources' names."""
    seconds: float = 0.0
    replaced_by: dict[str, list[str]] = field(default_factory=dict)
    """The properties that made the engine replace a resource, by the resource's name."""

    read_outputs: Callable[[], dict[str, Any]] = dict

    @cached_property
    def outputs(self) -> dict[str, Any]:
        """The stack's outputs as they are when first asked for, secrets in plain."""
        return self.read_outputs()

    @property
    def changed(self) -> dict[str, list[str]]:
        """The steps without what stays."""
        return {op: names for op, names in self.steps.items() if op not in ("same", "read", "refresh")}


class QuickWorkspace(automation.LocalWorkspace):
    """Starts the engine once a command: the Automation API else asks it three more things each time."""

    def select_stack(self, stack_name: str, *args: Any, **options: Any) -> None:
        """Nothing to do: every command names its stack."""

    def stack_outputs(self, stack_name: str) -> automation.OutputMap:
        """Read when a test asks, see StandInStack.outputs."""
        return {}


class QuickStack(automation.Stack):
    """Reads no history after a command."""

    def info(self, show_secrets: bool = False) -> automation.UpdateSummary:
        return automation.UpdateSummary("update", datetime.now(UTC), "", {}, {}, "succeeded")


class StandInCloud:
    """One account in one folder, and an engine of its own."""

    def __init__(self, folder: Path, checkpoints: bool = False) -> None:
        """`checkpoints`: the engine saves its state after every step, for tests that kill it; else at the end (much faster)."""
        self.folder = folder
        self.checkpoints = checkpoints
        self.state = Cloud(folder / "cloud")
        self.bin = folder / "bin"
        self.bin.mkdir(exist_ok=True)
        without_engine_log(folder / "pulumi-home")
        fork = command(STANDIN, "tests.providers.standin")
        for package in PACKAGES:
            script = self.bin / f"pulumi-resource-{package}"
            script.write_text(SCRIPT.format(root=ROOT, fork=fork, package=package))
            script.chmod(0o755)
        self.toolchain = ensure(["pulumi"])

    @property
    def environment(self) -> dict[str, str]:
        """For the engine and for any process that talks to this cloud."""
        path = [str(self.bin), str(self.toolchain.pulumi_root / "bin"), os.environ.get("PATH", "")]
        return {
            FOLDER: str(self.state.folder),
            "PATH": os.pathsep.join(path),
            "PULUMI_HOME": str(self.folder / "pulumi-home"),
            "PULUMI_BACKEND_URL": (self.folder / "state").as_uri(),
            "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            # The engine is over before its garbage matters.
            "GOGC": "400",
            "AGENT_TELEMETRY_PYTHON": sys.executable,
            "PULUMI_EXPERIMENTAL": str(not self.checkpoints).lower(),
            "PULUMI_SKIP_CHECKPOINTS": str(not self.checkpoints).lower(),
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "stand-in",
            "AWS_SECRET_ACCESS_KEY": "stand-in",
        }

    def stack(
        self,
        program: Callable[[], None],
        name: str = "test",
        project: str = "standin",
        config: Mapping[str, str] | None = None,
    ) -> StandInStack:
        """A stack of this program on this cloud; a second call with another program changes the same stack."""
        (self.folder / "state").mkdir(exist_ok=True)
        (self.folder / "work").mkdir(exist_ok=True)
        workspace = QuickWorkspace(
            work_dir=str(self.folder / "work"),
            program=program,
            project_settings=automation.ProjectSettings(name=project, runtime="python"),
            env_vars=self.environment,
            pulumi_command=KnownCommand(self.toolchain),
        )
        exists = (self.folder / "state" / ".pulumi" / "stacks" / project / f"{name}.json").exists()
        found = QuickStack(name, workspace, StackInitMode.SELECT if exists else StackInitMode.CREATE)
        values = {"aws:region": REGION, **(config or {})}
        found.set_all_config({key: automation.ConfigValue(value) for key, value in values.items()})
        return StandInStack(self, found)

    # What a test looks at, and what it breaks

    def operations(self, op: str | None = None, type_: str | None = None) -> list[Operation]:
        """The log, filtered."""
        found = operations.read(self.state.folder)
        return [item for item in found if op in (None, item.op) and type_ in (None, item.type)]

    def forget_operations(self) -> None:
        """Empties the log, so that the next command's operations stand alone."""
        (self.state.folder / operations.FILE).unlink(missing_ok=True)

    def unlisted(self) -> set[str]:
        """Types and inputs that the data files have no line for: `TYPE` or `TYPE.path`."""
        notes = [item for item in operations.read(self.state.folder) if item.unlisted]
        return {
            item.type if not item.changed else f"{item.type}.{path}" for item in notes for path in item.changed or ("",)
        }

    def fail(self, op: str, **entry: Any) -> None:
        """Makes an operation fail once: type, urn, nth, how, message (see standin/faults.py)."""
        faults.ask(self.state.folder, op, **entry)

    def image(self, architecture: str = "arm64", id_: str | None = None) -> str:
        """An AMI that programs may name."""
        id_ = id_ or f"ami-{secrets.token_hex(9)[:17]}"
        return self.state.put(Resource("stand-in/ami", id_, outputs={"architecture": architecture, "name": id_})).id

    def publish(self, parameter: str, architecture: str = "arm64") -> str:
        """AWS or Canonical publishes a newer image behind an SSM parameter."""
        newest = self.image(architecture)
        self.state.put(Resource("stand-in/newest", parameter, outputs={"ami": newest}))
        return newest

    def left(self) -> list[str]:
        """What exists, as `type id`; without AWS's own things."""
        return [f"{item.type} {item.id}" for item in self.state.all() if not item.type.startswith("stand-in/")]

    def scheduled(self) -> list[str]:
        """What is deleted but waits: KMS keys, secrets in their recovery window."""
        return [f"{item.type} {item.id}" for item in self.state.all(state="scheduled")]

    def only(self, type_: str) -> Resource:
        """The one resource of its type."""
        found = self.state.all(type_)
        assert len(found) == 1, f"{len(found)} of {type_}"
        return found[0]


class StandInStack:
    """Engine commands whose failure is a result, not an exception."""

    def __init__(self, cloud: StandInCloud, stack: automation.Stack) -> None:
        self.cloud = cloud
        self.stack = stack

    def preview(self, **options: Any) -> Ran:
        return self._run(self.stack.preview, **options)

    def up(self, **options: Any) -> Ran:
        return self._run(self.stack.up, **options)

    def refresh(self, **options: Any) -> Ran:
        return self._run(self.stack.refresh, **options)

    def destroy(self, **options: Any) -> Ran:
        return self._run(self.stack.destroy, **options)

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs, secrets in plain."""
        found = automation.LocalWorkspace.stack_outputs(self.stack.workspace, self.stack.name)  # type: ignore[arg-type]
        return {key: value.value for key, value in found.items()}

    def stored(self) -> str:
        """Everything that the engine wrote for this stack: state, its backups, the history, the stack file."""
        places = (self.cloud.folder / "state", self.cloud.folder / "work")
        files = [path for place in places for path in sorted(place.rglob("*")) if path.is_file()]
        return "\n".join(path.read_text(errors="replace") for path in files)

    def _run(self, command: Callable[..., Any], **options: Any) -> Ran:
        lines: list[str] = []
        steps: dict[str, list[str]] = {}
        reasons: dict[str, list[str]] = {}

        def event(seen: automation.EngineEvent) -> None:
            if seen.resource_pre_event:
                data = seen.resource_pre_event.metadata
                name = data.urn.rsplit("::", 1)[-1]
                if not data.type.startswith("pulumi:"):
                    steps.setdefault(str(data.op.value), []).append(name)
                for path, entry in (data.detailed_diff or {}).items():
                    if str(getattr(entry.diff_kind, "value", entry.diff_kind)).endswith("replace"):
                        reasons.setdefault(name, []).append(path)

        before = {key: os.environ.get(key) for key in self.cloud.environment}
        began = time.monotonic()
        try:
            # An inline program runs in this process: boto3 in it has to see the same cloud as the engine.
            os.environ.update(self.cloud.environment)
            command(on_output=lines.append, on_error=lines.append, on_event=event, **options)
            ok = True
        except automation.CommandError as error:
            lines.extend([] if lines else [str(error)])
            ok = False
        finally:
            for key, value in before.items():
                os.environ.pop(key, None) if value is None else os.environ.update({key: value})
        return Ran(ok, "\n".join(lines), steps, time.monotonic() - began, reasons, self.outputs)
