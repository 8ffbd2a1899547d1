"""The Pulumi engine, driven by the Automation API with our inline program on a file:// backend."""

from __future__ import annotations

import importlib
import json
import os
import re
import signal
import socket
import sys
import threading
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pulumi
from pulumi import automation, log
from pulumi.automation._stack import StackInitMode
from semver import VersionInfo

from infra.config import PROJECT, program_settings, stack_file
from infra.errors import UserError
from infra.interrupt import interrupted_afterwards
from infra.local.supervisor import is_running
from infra.local.toolchain import Toolchain
from infra.outputs_wait import wait_for_all_outputs
from infra.paths import ROOT, stack_folder

LOCAL_PASSPHRASE = "agent-telemetry-local"
"""No secret: a local stack holds none, and everybody who clones must be able to open it."""


def spare_the_sdk() -> None:
    """Keeps the SDK from work that nobody sees the result of: a third of a preview's processor time in this process.

    For each resource it sends the engine several debug lines, a call each, which the engine drops: the Automation API
    runs it without --debug. A plain CLI's program, which may be asked for them, sends them.
    """
    log.debug = _no_line


def _no_line(*_: Any, **__: Any) -> None:
    """In the place of pulumi.log.debug."""


def program() -> None:
    """The Pulumi program: settings in, pipeline out."""
    from infra.pipeline import deploy

    wait_for_all_outputs()
    try:
        deploy(program_settings(pulumi.get_stack()), pulumi.get_stack())
    except UserError as error:
        raise pulumi.RunError(str(error)) from None


def load_program(platform: str) -> None:
    """Begins to import the program, so that it is there when the engine, which starts meanwhile, asks for it."""

    def load() -> None:
        with suppress(Exception):  # comes up again, and is shown, where the program itself imports it
            spare_the_sdk()
            for module in ("infra.pipeline", f"infra.{platform}.platform"):
                importlib.import_module(module)

    threading.Thread(target=load, daemon=True).start()


def environment(stack: str, pulumi_root: Path) -> dict[str, str]:
    """What a Pulumi CLI needs to see the same state as `telemetry`: printed by `telemetry env`."""
    folder = stack_folder(stack)
    return {
        "PULUMI_BACKEND_URL": (folder / "state").as_uri(),
        "PULUMI_CONFIG_PASSPHRASE": LOCAL_PASSPHRASE,
        "PULUMI_HOME": str(folder / "pulumi"),
        **engine_environment(pulumi_root),
    }


def engine_environment(pulumi_root: Path) -> dict[str, str]:
    """What the engine needs to run our program, wherever the state is."""
    return {
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        # The interpreter for dynamic resources: our script's name for it, and the official CLI's.
        "AGENT_TELEMETRY_PYTHON": sys.executable,
        "PULUMI_PYTHON_CMD": sys.executable,
        "PATH": os.pathsep.join([str(pulumi_root / "bin"), os.environ.get("PATH", "")]),
    }


def state_file(stack: str) -> Path:
    """Where the file:// backend keeps the stack's checkpoint."""
    return stack_folder(stack) / "state" / ".pulumi" / "stacks" / PROJECT / f"{stack}.json"


class KnownCommand(automation.PulumiCommand):
    """The toolchain's engine. Its version is known, so it is not started once just to ask for it."""

    def __init__(self, toolchain: Toolchain):
        spare_the_sdk()
        self.command = str(toolchain.pulumi_root / "bin" / "pulumi")
        self.version = VersionInfo.parse(toolchain.pulumi_version)

    def run(self, *args: Any, **options: Any) -> automation.CommandResult:
        """As the SDK does it, but after a ^C the engine comes to its end."""
        with interrupted_afterwards():
            return super().run(*args, **options)


class StateFileWorkspace(automation.LocalWorkspace):
    """Reads the file:// backend's checkpoint where the Automation API starts the engine once more for each question.

    An unchanged `up` is mostly such starts: without them it takes about a third less time.
    """

    def select_stack(self, stack_name: str, *args: Any, **options: Any) -> None:
        """Nothing to do: every command names its stack."""

    def stack_outputs(self, stack_name: str) -> automation.OutputMap:
        """The outputs of the last `up`; local stacks have no secret ones."""
        try:
            resources = json.loads(state_file(stack_name).read_text())["checkpoint"]["latest"]["resources"]
        except (OSError, KeyError, ValueError):
            return {}
        found = next((item.get("outputs", {}) for item in resources if item["type"] == "pulumi:pulumi:Stack"), {})
        return {key: automation.OutputValue(value, False) for key, value in found.items()}


class StackWithoutHistory(automation.Stack):
    """A stack whose commands don't read the history back afterwards: the engine has just printed its summary."""

    def info(self, show_secrets: bool = False) -> automation.UpdateSummary:
        """No history is read."""
        return automation.UpdateSummary("update", datetime.now(UTC), "", {}, {}, "succeeded")


def without_engine_log(pulumi_home: Path) -> None:
    """Keeps the engine from writing down, compressed and encrypted, each call it gets: a third of its processor time.

    Nothing turns that off, but where its folder should be is a file, and then it does without. Who wants the log makes the
    folder.
    """
    pulumi_home.mkdir(exist_ok=True)
    (pulumi_home / "logs").touch()


def open_stack(stack: str, toolchain: Toolchain) -> automation.Stack:
    """The stack, made when it does not exist yet. Also clears what a killed command left locked."""
    (stack_folder(stack) / "state").mkdir(parents=True, exist_ok=True)
    without_engine_log(stack_folder(stack) / "pulumi")
    clear_stale_locks(stack)
    workspace = StateFileWorkspace(
        work_dir=str(ROOT),
        program=program,
        # It is over before its garbage matters.
        env_vars={**environment(stack, toolchain.pulumi_root), "GOGC": "400"},
        pulumi_command=KnownCommand(toolchain),
    )
    mode = StackInitMode.SELECT if state_file(stack).exists() else StackInitMode.CREATE
    try:
        return StackWithoutHistory(stack, workspace, mode)
    except automation.CommandError as error:
        raise opening_error(stack, error) from None


def opening_error(stack: str, error: automation.CommandError) -> UserError:
    """A failed command whose output has not been shown."""
    said = str(error).partition("stderr: ")[2].strip() or str(error).strip()
    refused = (
        "\nIf this is a role of `telemetry bootstrap`: configs/bootstrap.yaml says which stacks it may read"
        if "AccessDenied" in said or "PermissionDenied" in said  # KMS; S3, whose HEAD answers without a word
        else ""
    )
    return UserError(f"the engine could not open the stack {stack}: {said.removeprefix('error: ')}{refused}")


def clear_stale_locks(stack: str) -> list[Path]:
    """Removes locks of the file:// backend whose process on this machine is gone, or works for a command that is.

    Returns the removed ones. A lock of a live command stays.
    """
    removed = []
    for lock in (stack_folder(stack) / "state" / ".pulumi" / "locks").rglob("*.json"):
        try:
            owner = json.loads(lock.read_text())
        except (OSError, ValueError):
            continue
        if owner.get("hostname") != socket.gethostname():
            continue
        pid = int(owner.get("pid", -1))
        _end_orphan(pid)
        if not is_running(pid):
            lock.unlink(missing_ok=True)
            removed.append(lock)
    return removed


def _end_orphan(pid: int) -> None:
    """Ends an engine whose command was killed: the program that it asks over a port does not listen any more."""
    try:
        engine = psutil.Process(pid)
        client = next((word for word in engine.cmdline() if word.startswith("--client=")), None)
    except psutil.Error:
        return
    if client is None:
        return
    host, _, port = client.removeprefix("--client=").rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=2).close()
        return
    except OSError:
        pass
    # It saves what it has done and goes by itself; a step that is under way may take its time.
    for ask, seconds in ((None, 5), (signal.SIGINT, 60), (signal.SIGKILL, 5)):
        try:
            if ask is not None:
                engine.send_signal(ask)
            engine.wait(seconds)
            return
        except psutil.TimeoutExpired:
            continue
        except psutil.Error:
            return


def explain(error: automation.CommandError, shared: str = "", preview: bool = False) -> UserError:
    """A failed engine command as a message; its own output has been shown line by line before.

    `shared`: the stack's name, where its backend is one that others use as well. `preview`: it would have changed nothing.
    """
    text = str(error)
    if "currently locked" in text or isinstance(error, automation.ConcurrentUpdateError):
        unlock = "telemetry bootstrap unlock" if shared == "bootstrap" else f"telemetry unlock --name {shared}"
        killed = f"; if that one was killed, `{unlock} --yes` takes its lock away" if shared else ""
        return UserError(f"another command works on this stack; wait for it to end and try again{killed}")
    if re.search(r"policy pack .* failed to start", text):
        # policy/__main__.py says it.
        cause = re.search(r"the policy pack can't be loaded: (.*)", text)
        return UserError(
            f"the policy pack in policy/ could not be loaded: {cause[1] if cause else 'the reason is above'}. Nothing was "
            "touched: correct it and try again"
        )
    if unknown := re.search(r'unknown stack "(?:[^"]*/)?([^"/]+)"', text):
        name = unknown[1]
        return UserError(
            f"shareStack: there is no stack {name} in this backend. `telemetry up --name {name}` makes it; or empty "
            "shareStack for a stack that has all of its own. Nothing was touched."
        )
    if preview:
        return UserError("the preview stopped with an error (above). Nothing was touched.")
    return UserError("the engine stopped with an error (above). What was done is kept: the next `up` continues.")


def remove_stack(stack: automation.Stack, name: str) -> None:
    """Forgets a destroyed stack; its stack file stays."""
    settings_file = ROOT / stack_file(name)
    kept = settings_file.read_text() if settings_file.exists() else None
    stack.workspace.remove_stack(name, preserve_config=True)
    if kept is not None and not settings_file.exists():
        settings_file.write_text(kept)
