"""Bad input to `up`: one message that says what to do, exit code 1, nothing half-started, and the next `up` continues."""

from __future__ import annotations

import os
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local.ports import port_holder
from infra.local.supervisor import Control
from tests.stack import Stack, local_stack

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """One stack that the tests of this file, in order, fail to bring up until the last one does."""
    with local_stack(up=False) as made:
        yield made


def refused(stack: Stack, **environment: str) -> str:
    """What `up` says on stderr when it ends with an error."""
    done = stack.telemetry("up", check=False, env={**stack.process_options["env"], **environment})
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert done.stderr.count("error:") == 1, done.stderr
    return done.stderr


def test_a_tool_that_is_too_old_is_named_with_the_way_out(stack: Stack, tmp_path: Path) -> None:
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\" 2019-01-15'\n")
    java.chmod(0o755)
    said = refused(stack, PATH=f"{tmp_path}{os.pathsep}{os.environ['PATH']}", JAVA_HOME="")
    assert f"java 17 or newer is needed; {java} is 11.0.2" in said
    assert "install a JDK 17" in said and "JAVA_HOME" in said
    assert not stack.folder.exists()


def test_tools_that_are_missing_are_listed_in_one_message(stack: Stack, tmp_path: Path) -> None:
    said = refused(stack, PATH=str(tmp_path), JAVA_HOME="", AGENT_TELEMETRY_CACHE=str(tmp_path / "cache"))
    assert "These tools are missing or too old" in said
    for name in ("go", "java", "maven"):
        assert f"{name} " in said and "not found" in said
    assert not stack.folder.exists() and not (tmp_path / "cache").exists()


def test_a_cache_that_can_not_be_written_is_named(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = refused(stack, AGENT_TELEMETRY_CACHE=str(tmp_path / "file" / "cache"))
    assert f"The cache folder {tmp_path / 'file' / 'cache'} can't be written" in said
    assert "AGENT_TELEMETRY_CACHE" in said
    assert not stack.folder.exists()


def test_a_taken_port_is_named_with_its_setting_and_the_way_out(stack: Stack) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", stack.settings.otlpHttpPort))
        taken.listen()
        began = time.monotonic()
        said = refused(stack)
    assert f"port {stack.settings.otlpHttpPort} (setting otlpHttpPort) is taken by" in said
    assert f"(pid {os.getpid()})" in said
    assert "make up NAME=two PORT_BASE=14000" in said
    assert time.monotonic() - began < 30
    assert not stack.folder.exists()


def test_a_broker_that_does_not_come_up_is_told_with_its_own_words_and_is_not_left_behind(stack: Stack) -> None:
    data = stack.folder / "data" / "kafka"
    data.mkdir(parents=True)
    # The folder of another broker: it is formatted, so it is not formatted again.
    (data / "meta.properties").write_text("version=1\nnode.id=99\ncluster.id=Aanothercluster0000000\n")
    done = stack.telemetry("up", check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 1 and "Traceback" not in said
    # A virtual machine lives long enough for supervisor to start it again and again.
    assert "kafka gave up." in said
    assert f"The end of {stack.run / 'kafka.log'}" in said
    assert "the next `up` continues" in done.stderr
    assert "kafka" not in Control(stack.run).processes()
    assert not (stack.run / "conf.d" / "kafka.ini").exists()
    assert port_holder(stack.settings.kafkaPort) is None


def test_the_next_up_continues(stack: Stack) -> None:
    shutil.rmtree(stack.folder / "data" / "kafka")
    stack.telemetry("up")
    assert {info["statename"] for info in Control(stack.run).processes().values()} == {"RUNNING"}
    assert len(Control(stack.run).processes()) == 5
