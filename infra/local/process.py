"""One supervised process as a Pulumi resource: files, command, ports and how it tells that it is ready."""

from __future__ import annotations

import hashlib
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, ResourceProvider, UpdateResult

from infra.dynamic import plain_props
from infra.errors import UserError
from infra.local.ports import check_ports, is_open, listened_on
from infra.local.supervisor import Control, start_daemon, wait_for

TRIES = 4
"""Starts until a process is given up that never gets ready. Supervisor itself counts only those that end within a second, and most
programs take longer to find out that they can't work."""


@dataclass(frozen=True)
class ProcessArgs:
    """What runs and how it is kept."""

    run: Path
    """The stack's run folder, where supervisord and its log files are."""
    command: Sequence[pulumi.Input[str]]
    """Absolute program and arguments; never a secret, since any user can list arguments."""
    ports: Mapping[str, int]
    """Setting's name to the loopback port that the process opens; checked to be free before it starts."""
    ready_url: str = ""
    """Answers 200 once the process can work; empty: it is ready when every port is open."""
    ready_seconds: int = 60
    files: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    """Absolute path to content, written before the start; a changed one restarts the process."""
    environment: Mapping[str, str] = field(default_factory=dict)
    version: str = ""
    """Version or content hash of the program; a changed one restarts the process."""
    stop_seconds: int = 20
    """How long the process has to finish after SIGTERM."""


def digest(*texts: str) -> str:
    """A short name for the texts: changes when one of them does."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


def _ini(name: str, props: Mapping[str, Any]) -> str:
    run = props["run"]
    quote = lambda text: '"' + str(text).replace("%", "%%").replace('"', '\\"') + '"'  # noqa: E731
    environment = {"AGENT_TELEMETRY_RUN": run, **props["environment"]}
    return "\n".join(
        [
            f"[program:{name}]",
            "command=" + " ".join(quote(part) for part in props["command"]),
            "environment=" + ",".join(f"{key}={quote(value)}" for key, value in environment.items()),
            f"directory={run}",
            "autostart=true",
            "autorestart=true",
            "startsecs=1",
            f"startretries={TRIES - 1}",
            f"stopwaitsecs={int(props['stop_seconds'])}",
            "stopasgroup=true",
            "killasgroup=true",
            "redirect_stderr=true",
            f"stdout_logfile={run}/{name}.log",
            "stdout_logfile_maxbytes=10MB",
            "stdout_logfile_backups=1",
            "",
        ]
    )


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return response.status == 200
    except (OSError, urllib.error.URLError):
        return False


def _log_tail(run: str, name: str, lines: int = 15) -> str:
    try:
        text = Path(run, f"{name}.log").read_text(errors="replace")
    except OSError:
        return "(no log)"
    # Supervisor tried several times: say each thing once.
    return "\n".join(list(dict.fromkeys(text.splitlines()[-100:]))[-lines:])


def start(name: str, props: Mapping[str, Any]) -> None:
    """Starts the process and returns when it is ready.

    One that runs already with the same definition (an `up` was cut off after starting it) is adopted.
    Raises UserError with the log's end when it does not come up; nothing of it is left then.
    """
    run = Path(props["run"])
    start_daemon(run)
    control = Control(run)
    ini = run / "conf.d" / f"{name}.ini"
    unchanged = all(Path(path).exists() and Path(path).read_text() == text for path, text in props["files"].items())
    running = control.processes().get(name, {}).get("statename") in ("RUNNING", "STARTING")
    if not (running and unchanged and ini.exists() and ini.read_text() == _ini(name, props)):
        control.remove(name)
        check_ports({key: int(port) for key, port in props["ports"].items()})
        for path, text in props["files"].items():
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).write_text(text)
        ini.write_text(_ini(name, props))
        control.add(name)

    ports, pids = {int(port) for port in props["ports"].values()}, set[int]()

    def settled() -> str | None:
        process = control.processes().get(name, {})
        state = process.get("statename", "gone")
        if state in ("FATAL", "gone"):
            return state
        if process["pid"]:  # 0: it does not run just now
            pids.add(process["pid"])
        if len(pids) > TRIES:
            return "ended each time"
        ready = _answers(props["ready_url"]) if props["ready_url"] else all(map(is_open, ports))
        # Another stack's may answer there, when both found the ports free at the same time.
        return "ready" if state == "RUNNING" and ready and ports <= listened_on(process["pid"]) else None

    outcome = wait_for(settled, float(props["ready_seconds"]), 0.1)
    if outcome != "ready":
        tail = _log_tail(props["run"], name)
        stop(name, props)
        why = "gave up" if outcome else f"was not ready after {int(props['ready_seconds'])} s"
        raise UserError(f"{name} {why}. The end of {run / (name + '.log')}:\n{tail}")


def stop(name: str, props: Mapping[str, Any]) -> None:
    """Stops the process and removes its definition and files; its log stays."""
    run = Path(props["run"])
    Control(run).remove(name)
    (run / "conf.d" / f"{name}.ini").unlink(missing_ok=True)
    for path in props["files"]:
        Path(path).unlink(missing_ok=True)


class ProcessProvider(ResourceProvider):
    """Inputs: ProcessArgs' fields, `process` (name), running (True). Outputs: the same, `running` as found."""

    serialize_as_secret_always = False

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        changed = any(olds.get(key) != value for key, value in plain_props(news).items())
        return DiffResult(changes=changed, replaces=[])

    def create(self, props: dict[str, Any]) -> CreateResult:
        start(props["process"], props)
        return CreateResult(props["process"], dict(props))

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        state = Control(Path(props["run"])).processes().get(id_, {}).get("statename", "gone")
        # A process that supervisor is restarting right now is not drift: it heals by itself.
        return ReadResult(id_, {**props, "running": state in ("RUNNING", "STARTING", "BACKOFF")})

    def update(self, id_: str, olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        if olds.get("run") != news["run"]:
            stop(id_, olds)
        try:
            start(id_, news)
        except UserError as error:
            if olds.get("running") is not True:
                raise
            # What ran before goes on running: a setting that does not work takes nothing away.
            start(id_, olds)
            raise UserError(f"{error}\n{id_} runs on with its previous configuration") from None
        for path in set(olds.get("files", {})) - set(news["files"]):
            Path(path).unlink(missing_ok=True)
        return UpdateResult(dict(news))

    def delete(self, id_: str, props: dict[str, Any]) -> None:
        stop(id_, props)


class Process(Resource, module="local", name="Process"):
    """A process under the stack's supervisord, ready when the resource is created."""

    process: pulumi.Output[str]
    running: pulumi.Output[bool]

    def __init__(self, name: str, process: str, args: ProcessArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__(
            ProcessProvider(),
            name,
            {
                "process": process,
                "run": str(args.run),
                "command": list(args.command),
                "ports": dict(args.ports),
                "ready_url": args.ready_url,
                "ready_seconds": args.ready_seconds,
                "files": dict(args.files),
                "environment": dict(args.environment),
                "version": args.version,
                "stop_seconds": args.stop_seconds,
                "running": True,
            },
            opts,
        )
