"""The Pulumi engine, driven by the Automation API with our inline program on a file:// backend."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pulumi
from pulumi import automation

from infra.config import PROJECT, program_settings, stack_file
from infra.errors import UserError
from infra.local.toolchain import Toolchain
from infra.paths import ROOT, stack_folder

LOCAL_PASSPHRASE = "agent-telemetry-local"
"""No secret: a local stack holds none, and everybody who clones must be able to open it."""


def program() -> None:
    """The Pulumi program: settings in, pipeline out."""
    from infra.pipeline import deploy

    try:
        deploy(program_settings(pulumi.get_stack()), pulumi.get_stack())
    except UserError as error:
        raise pulumi.RunError(str(error)) from None


def environment(stack: str, pulumi_root: Path) -> dict[str, str]:
    """What a Pulumi CLI needs to see the same state as `telemetry`: printed by `telemetry env`."""
    folder = stack_folder(stack)
    return {
        "PULUMI_BACKEND_URL": (folder / "state").as_uri(),
        "PULUMI_CONFIG_PASSPHRASE": LOCAL_PASSPHRASE,
        "PULUMI_HOME": str(folder / "pulumi"),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "AGENT_TELEMETRY_PYTHON": sys.executable,
        "PATH": os.pathsep.join([str(pulumi_root / "bin"), os.environ.get("PATH", "")]),
    }


def state_file(stack: str) -> Path:
    """Where the file:// backend keeps the stack's checkpoint."""
    return stack_folder(stack) / "state" / ".pulumi" / "stacks" / PROJECT / f"{stack}.json"


def open_stack(stack: str, toolchain: Toolchain) -> automation.Stack:
    """The stack, made when it does not exist yet. Also clears what a killed command left locked."""
    (stack_folder(stack) / "state").mkdir(parents=True, exist_ok=True)
    clear_stale_locks(stack)
    workspace = automation.LocalWorkspace(
        work_dir=str(ROOT),
        program=program,
        env_vars=environment(stack, toolchain.pulumi_root),
        pulumi_command=automation.PulumiCommand(str(toolchain.pulumi_root)),
    )
    if state_file(stack).exists():
        return automation.Stack.select(stack, workspace)
    return automation.Stack.create(stack, workspace)


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
        if not psutil.pid_exists(pid):
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


USER_ERROR = f"{UserError.__module__}.{UserError.__qualname__}"
CHAINED = ("During handling of", "The above exception")
UNHANDLED = "error: an unhandled error occurred:"
PROGRAM_FAILED = "python inline source runtime error: "


@dataclass
class OutputFilter:
    """Passes the engine's lines on, with a Python traceback reduced to the message at its end."""

    write: Callable[[str], None]
    _skipping: int | None = None
    """Indent of the error whose traceback is being left out."""
    _said: bool = False
    """Whether that error's message has been shown already."""
    _held: list[str] = field(default_factory=list)
    """A traceback's end, shown unless another one follows that it only caused."""
    _repeating: bool = False
    """Inside the engine's second report of the program's error."""

    def __call__(self, text: str) -> None:
        for line in text.splitlines() or [""]:
            self._line(line)

    def _line(self, line: str) -> None:
        plain = re.sub(r"\x1b\[[0-9;]*m", "", line)
        text = plain.lstrip()
        indent = len(plain) - len(text)
        if text.startswith(UNHANDLED):
            self._repeating = True
        elif self._repeating and (not text or text.startswith(("error:", "warning:"))):
            self._repeating = False
        if self._repeating or " running error: " in text:  # a progress line: the same stands in the diagnostics
            return
        if text.startswith(CHAINED) and self._held:
            self._held, self._skipping = [], indent
        elif PROGRAM_FAILED in text:
            self._show(f"{' ' * indent}error: {text.partition(PROGRAM_FAILED)[2]}")
            self._skipping, self._said = indent, True
        elif "Traceback (most recent call last):" in text:
            if text.startswith("error:"):
                self._flush()
                self._skipping, self._said = indent, False
        elif self._skipping is not None:
            if text and indent <= self._skipping:
                self._end_of_traceback(line, text, indent)
        elif self._held and text and indent >= self._indent_held():
            self._held.append(line)
        elif self._held and not text:
            self._held.append("")
        else:
            self._show(line)

    def _end_of_traceback(self, line: str, text: str, indent: int) -> None:
        said, self._skipping = self._said, None
        name, _, message = text.partition(": ")
        if not said:
            self._held = [f"{' ' * indent}error: {message if name == USER_ERROR else text}"]
        elif "Error" not in name:
            self._show(line)

    def _indent_held(self) -> int:
        return len(self._held[0]) - len(self._held[0].lstrip())

    def _flush(self) -> None:
        for held in self._held:
            self.write(held)
        self._held = []

    def _show(self, line: str) -> None:
        self._flush()
        self.write(line)


def explain(error: automation.CommandError) -> UserError:
    """A failed engine command as a message; its own output has been shown line by line before."""
    text = str(error)
    if "currently locked" in text:
        return UserError("another `telemetry` command works on this stack; wait for it to end and try again")
    return UserError("the engine stopped with an error (above). What was done is kept: the next `up` continues.")


def remove_stack(stack: automation.Stack, name: str) -> None:
    """Forgets a destroyed stack; its stack file stays."""
    settings_file = ROOT / stack_file(name)
    kept = settings_file.read_text() if settings_file.exists() else None
    stack.workspace.remove_stack(name, preserve_config=True)
    if kept is not None and not settings_file.exists():
        settings_file.write_text(kept)
