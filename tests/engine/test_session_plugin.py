"""AWS's own session-manager-plugin takes the arguments that tunnel.py gives it; the stand-in for it does the same.

Nearly every test runs on both programs: what the engine tests believe of the stand-in is what the real one does.
The stand-in opens no data channel, so what is said on it is looked at with the real one alone.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from infra.aws import tunnel as tunnels
from infra.errors import UserError
from infra.local.toolchain import ensure
from infra.local.toolchain.versions import version_of
from infra.paths import ROOT
from tests.engine.aws_plugin import NODES
from tests.engine.aws_world import PLUGIN
from tests.engine.ssm_channel import AGENT, Channel
from tests.forks import STANDIN, command
from tests.ports import free_port
from tests.providers.api.systems import SESSION
from tests.providers.standin.cloud import FOLDER, Cloud, Resource

pytestmark = pytest.mark.timeout(300)
REGION, INSTANCE, PORT = "eu-central-1", "i-0123456789abcdef0", 8443
TOKEN = "AAEAAbk7canaryToken0123456789"
SAYS = re.compile(
    r"\nStarting session with SessionId: (\S+)\nPort (\d+) opened for sessionId (\S+)\.\nWaiting for connections\.\.\.\n"
)


class Echo:
    """A port that answers each line with it in upper case, and a big answer to `big`."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rwb") as stream:
            for line in stream:
                stream.write(b"x" * 300_000 + b"\n" if line == b"big\n" else line.upper())
                stream.flush()


@dataclass
class World:
    """What lies behind the plugin, real or not."""

    program: Path
    channel: Channel
    cloud: Cloud
    ports_file: Path
    client: Any
    stub: Stubber
    temporary: Path

    def expect(self, session: str, token: str = TOKEN, given: str = TOKEN) -> None:
        """AWS answers one StartSession; `given`: the token that the service knows."""
        parameters = {"portNumber": [str(PORT)], "localPortNumber": ["0"]}
        request = {"Target": INSTANCE, "DocumentName": "AWS-StartPortForwardingSession", "Parameters": parameters}
        answer = {"SessionId": session, "TokenValue": token, "StreamUrl": self.channel.url(session)}
        self.stub.add_response("start_session", answer, request)
        self.stub.add_response("terminate_session", {"SessionId": session}, {"SessionId": session})
        self.channel.tokens[given] = {key: value[0] for key, value in parameters.items()}
        self.cloud.put(Resource(SESSION, session, outputs={"target": INSTANCE, "parameters": parameters}))

    def leads_to(self, port: int) -> None:
        """Where the instance's port is."""
        self.channel.target_port = port
        self.ports_file.write_text(json.dumps({INSTANCE: {str(PORT): port}}))


@pytest.fixture(scope="module")
def real() -> Path:
    """AWS's program: built once, from its own sources."""
    return ensure(["session-manager-plugin"]).session_manager_plugin


@pytest.fixture(params=["real", "stand-in"])
def world(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, real: Path
) -> Iterator[World]:
    # It makes a Unix socket there, whose path may have 107 characters.
    short = Path(tempfile.mkdtemp(prefix="ssm-"))
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / tunnels.PLUGIN
    if request.param == "real":
        program.symlink_to(real)
    else:
        program.write_text(PLUGIN.format(root=ROOT, plugin=command(STANDIN, "tests.engine.aws_plugin")))
        program.chmod(0o755)
    environment = {
        "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
        "TMPDIR": str(short),
        "HOME": str(tmp_path),
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_EC2_METADATA_DISABLED": "true",
        NODES: str(tmp_path / "ports.json"),
        FOLDER: str(tmp_path / "cloud"),
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    client = boto3.client("ssm", region_name=REGION)
    monkeypatch.setattr(tunnels, "client", lambda *_: client)
    channel = Channel(0)
    with Stubber(client) as stub:
        yield World(program, channel, Cloud(tmp_path / "cloud"), tmp_path / "ports.json", client, stub, short)
    channel.close()
    shutil.rmtree(short)


@contextmanager
def spoken(port: int) -> Iterator[Callable[[bytes], bytes]]:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection, connection.makefile("rwb") as stream:

        def say(line: bytes) -> bytes:
            stream.write(line)
            stream.flush()
            return stream.readline()

        yield say


def opened() -> AbstractContextManager[int]:
    return tunnels.tunnel(REGION, INSTANCE, PORT)


def test_it_opens_a_port_that_leads_to_the_instances(world: World) -> None:
    world.leads_to(Echo().port)
    world.expect("session-1")
    with opened() as port, spoken(port) as one, spoken(port) as two:
        assert one(b"hello\n") == b"HELLO\n"
        # A client that keeps its connection must not hold up the next one.
        assert two(b"there\n") == b"THERE\n" and one(b"again\n") == b"AGAIN\n"
        assert len(two(b"big\n")) == 300_001
    world.stub.assert_no_pending_responses()


@pytest.mark.parametrize("world", ["real"], indirect=True)
def test_the_real_one_has_understood_every_argument(world: World) -> None:
    world.leads_to(Echo().port)
    world.expect("session-2")
    with opened() as port, spoken(port) as say:
        assert say(b"x\n") == b"X\n"
        (session,) = world.channel.sessions
        # From the environment variable that the first argument names: token, address, id.
        assert session.opening["TokenValue"] == TOKEN and len(session.opening["ClientId"]) == 36
        assert session.opening["ClientVersion"] == version_of("session-manager-plugin")
        # From the second: in which region the request is signed. AWS refuses one that is not.
        assert f"/{REGION}/ssmmessages/aws4_request" in session.authorization
        assert session.answered["Errors"] is None
        assert [action["ActionStatus"] for action in session.answered["ProcessedClientActions"]] == [1]
    # Ended as a person's Ctrl-C ends it: its own socket is not left behind.
    assert session.ended.wait(30)
    assert list(world.temporary.iterdir()) == []


def arguments(world: World, session: str) -> tuple[list[str], dict[str, str]]:
    """What tunnel.py hands over, as the program gets it: taken down by a program in its place."""
    taken = world.ports_file.parent / "taken"
    spy = world.ports_file.parent / "spy"
    spy.mkdir()
    program = spy / tunnels.PLUGIN
    program.write_text(
        f"#!{sys.executable}\nimport json, os, sys\n"
        f"json.dump([sys.argv[1:], dict(os.environ)], open({str(taken)!r}, 'w'))\n"
    )
    program.chmod(0o755)
    world.expect(session)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{spy}{os.pathsep}{os.environ['PATH']}")
        with pytest.raises(UserError, match="did not open"), opened():
            pass
    given, environment = json.loads(taken.read_text())
    return given, environment | {"PATH": os.environ["PATH"]}


def run(
    world: World, given: list[str], environment: dict[str, str], seconds: float = 20
) -> subprocess.CompletedProcess[str]:
    """The program with these arguments, until it ends by itself."""
    command = [str(world.program), *given]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=seconds, check=False)


def test_no_secret_is_among_the_arguments_and_both_say_the_same(world: World) -> None:
    world.leads_to(Echo().port)
    given, environment = arguments(world, "session-3")
    assert TOKEN not in " ".join(given) and TOKEN in environment[given[0]]
    process = subprocess.Popen([str(world.program), *given], env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = ""
    while "Waiting" not in said:
        line = process.stdout.readline()
        assert line, said
        said += line
    process.send_signal(signal.SIGINT)
    ending, _ = process.communicate(timeout=30)
    assert ending.strip().startswith("Terminate signal received, exiting.") and process.returncode == 0
    found = SAYS.fullmatch(said)
    assert found and found[1] == found[3] == "session-3", said


def test_bad_arguments_end_it_with_a_word_and_no_port(world: World) -> None:
    world.leads_to(Echo().port)
    given, environment = arguments(world, "session-4")
    without = {key: value for key, value in environment.items() if key != given[0]}
    bad = {
        "the answer is in no variable of its name": (given, without),
        "another variable": (["SESSION", *given[1:]], environment),
        "another operation": ([*given[:2], "ResumeSession", *given[3:]], environment),
        "a request without its target": ([*given[:4], "{}", *given[5:]], environment),
        "too few": (given[:2], environment),
    }
    for what, (wrong, known) in bad.items():
        done = run(world, wrong, known)
        assert "opened" not in done.stdout and (done.stdout + done.stderr).strip(), what
    assert world.channel.sessions == []


def test_what_it_says_reaches_the_person(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tunnels, "RESPONSE_VARIABLE", "SESSION")
    world.leads_to(Echo().port)
    world.expect("session-5")
    with pytest.raises(UserError) as caught, opened():
        pass
    assert f"the tunnel to {INSTANCE} did not open" in str(caught.value)
    assert "Cannot perform start session" in str(caught.value)
    world.stub.assert_no_pending_responses()


def test_a_port_that_nobody_listens_on_closes_the_connection(world: World) -> None:
    world.leads_to(free_port())
    world.expect("session-6")
    with opened() as local, spoken(local) as say:
        assert say(b"x\n") == b""


@pytest.mark.parametrize("world", ["real"], indirect=True)
def test_a_token_that_the_service_does_not_know(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real one tries again for minutes: our own limit ends it."""
    monkeypatch.setattr(tunnels, "OPEN_SECONDS", 0.5)
    # The time is over once the service has refused it, which takes a busy machine seconds.
    clock = SimpleNamespace(monotonic=lambda: 1.0 if world.channel.refused else 0.0)
    monkeypatch.setattr(tunnels, "time", clock)
    world.expect("session-7", token="another", given=TOKEN)
    with pytest.raises(UserError, match=r"did not open within 0\.5 s"), opened():
        pass
    assert set(world.channel.refused) == {"another"} and world.channel.sessions == []
    world.stub.assert_no_pending_responses()


def test_agents_of_today_carry_many_connections_at_once() -> None:
    """The model speaks smux, as they do: an older one would hide what a second connection meets."""
    assert tuple(map(int, AGENT.split("."))) > (3, 1, 1511, 0)
