"""supervisord as a Pulumi resource, and the connection that the other local resources use to speak to it."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import time
import xmlrpc.client
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, ResourceProvider, UpdateResult
from supervisor.xmlrpc import SupervisorTransport

from infra.errors import UserError

T = TypeVar("T")

SOCKET_PATH_LIMIT = 100
"""Bytes; Linux allows 107 for a unix socket and supervisord appends its pid while it starts."""

CONFIG = """\
[unix_http_server]
file={socket}
chmod=0700
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[supervisord]
logfile={run}/supervisord.log
logfile_maxbytes=5MB
logfile_backups=1
pidfile={run}/supervisord.pid
childlogdir={run}
directory={run}
[supervisorctl]
serverurl=unix://{socket}
[include]
files={run}/conf.d/*.ini
"""


def socket_path(run: Path) -> Path:
    """The control socket: in the stack's run folder, or in the temporary folder when that path is too long."""
    wanted = run / "supervisor.sock"
    if len(str(wanted).encode()) <= SOCKET_PATH_LIMIT:
        return wanted
    digest = hashlib.sha256(str(run).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"agent-telemetry-{digest}.sock"


def wait_for(condition: Callable[[], T | None], seconds: float, interval: float = 0.05) -> T | None:
    """What `condition` returns once it is neither None nor False; None when `seconds` have passed."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found is not None and found is not False:
            return found
        if time.monotonic() > deadline:
            return None
        time.sleep(interval)


class Control:
    """supervisord's own XML-RPC interface, over the stack's socket."""

    def __init__(self, run: Path):
        self.run = run

    @property
    def _server(self) -> Any:
        # A new connection for each call: the transport can't be used again once a call failed on it.
        transport = SupervisorTransport(None, None, f"unix://{socket_path(self.run)}")
        return xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport).supervisor

    def alive(self) -> bool:
        """Whether supervisord answers."""
        try:
            return self._server.getState()["statename"] == "RUNNING"
        except (OSError, xmlrpc.client.Error):
            return False

    def processes(self) -> dict[str, dict[str, Any]]:
        """supervisord's view of each process by name; empty when supervisord does not answer."""
        try:
            return {info["name"]: info for info in self._server.getAllProcessInfo()}
        except (OSError, xmlrpc.client.Error):
            return {}

    def add(self, name: str) -> None:
        """Take the process from conf.d/NAME.ini and start it."""
        self._server.reloadConfig()
        self._server.addProcessGroup(name)

    def remove(self, name: str) -> None:
        """Stop the process and forget it; nothing happens when it is not there."""
        if name not in self.processes():
            return
        try:
            self._server.stopProcess(name, True)
        except xmlrpc.client.Fault as fault:
            if "NOT_RUNNING" not in fault.faultString:
                raise
        self._server.removeProcessGroup(name)

    def shutdown(self) -> None:
        """Stop every process and supervisord itself; returns when it is gone."""
        pid = daemon_pid(self.run)
        try:
            self._server.shutdown()
        except (OSError, xmlrpc.client.Error):
            return
        if pid is not None:
            wait_for(lambda: not is_running(pid), 60)


def is_running(pid: int) -> bool:
    """Whether the process runs. One that has ended and waits to be collected, perhaps for ever, does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def daemon_pid(run: Path) -> int | None:
    """The pid of this folder's supervisord, None when it is not running."""
    try:
        pid = int((run / "supervisord.pid").read_text())
        command = psutil.Process(pid).cmdline()
    except (OSError, ValueError, psutil.Error):
        return None
    return pid if str(run / "supervisord.conf") in command else None


def _children_left_behind(run: Path) -> list[psutil.Process]:
    """Processes that a killed supervisord of this folder left running, found by their environment's mark."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("AGENT_TELEMETRY_RUN") == str(run):
                found.append(process)
        except psutil.Error:
            continue
    return found


def stop_left_behind(run: Path) -> None:
    """Ends what a killed supervisord left: its parts hold the ports that the next start needs."""
    left = _children_left_behind(run)
    for process in left:
        process.terminate()
    _, stubborn = psutil.wait_procs(left, timeout=20)
    for process in stubborn:
        process.kill()
    psutil.wait_procs(stubborn, timeout=5)


def start_daemon(run: Path) -> None:
    """Starts supervisord for the folder, so that it outlives this command. Raises UserError."""
    control = Control(run)
    if control.alive():
        return
    stop_left_behind(run)
    (run / "conf.d").mkdir(parents=True, exist_ok=True)
    for leftover in (run / "conf.d").glob("*.ini"):
        leftover.unlink()
    socket_path(run).unlink(missing_ok=True)
    config = run / "supervisord.conf"
    config.write_text(CONFIG.format(run=run, socket=socket_path(run)))
    # A child in the caller's session would die with the provider plugin that started it.
    subprocess.run(
        [sys.executable, "-m", "supervisor.supervisord", "-c", str(config)],
        check=True,
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    if not wait_for(control.alive, 20):
        raise UserError(f"supervisord did not start; its log is {run / 'supervisord.log'}")


class SupervisorProvider(ResourceProvider):
    """Inputs: run (folder), running (True). Output: the same, `running` as found."""

    serialize_as_secret_always = False

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        moved = ["run"] if olds.get("run") != news["run"] else []
        return DiffResult(
            changes=bool(moved) or olds.get("running") is not True,
            replaces=moved,
            delete_before_replace=True,
        )

    def create(self, props: dict[str, Any]) -> CreateResult:
        start_daemon(Path(props["run"]))
        return CreateResult(props["run"], {"run": props["run"], "running": True})

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        running = Control(Path(props["run"])).alive()
        return ReadResult(id_, {"run": props["run"], "running": running})

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        start_daemon(Path(news["run"]))
        return UpdateResult({"run": news["run"], "running": True})

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        run = Path(props["run"])
        Control(run).shutdown()
        stop_left_behind(run)
        socket_path(run).unlink(missing_ok=True)


class Supervisor(Resource, module="local", name="Supervisor"):
    """The stack's supervisord, which keeps the other local processes."""

    run: pulumi.Output[str]

    def __init__(self, name: str, run: Path, opts: pulumi.ResourceOptions | None = None):
        super().__init__(SupervisorProvider(), name, {"run": str(run), "running": True}, opts)
