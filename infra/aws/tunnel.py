"""An SSM port forwarding, open for one step: from a free port here to a port of an instance in a private network."""

from __future__ import annotations

import json
import os
import re
import selectors
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from infra.aws.api import as_user_error, client
from infra.errors import UserError

PLUGIN = "session-manager-plugin"
DOCUMENT = "AWS-StartPortForwardingSession"
RESPONSE_VARIABLE = "AWS_SSM_START_SESSION_RESPONSE"
"""The plugin (from 1.2.497 on) reads the session's token from the environment variable of this name, named as its
first argument: an argument could be read by everybody on the machine (AWS CLI, sessionmanager.py)."""
OPENED = re.compile(r"Port (\d+) opened for sessionId")
OPEN_SECONDS = 30.0


def plugin() -> str:
    """The session-manager plugin's path. Raises UserError when it is not installed."""
    found = shutil.which(PLUGIN)
    if not found:
        raise UserError(
            f"{PLUGIN} is not on PATH, and ClickHouse's network is private. Install it (AWS Systems Manager user guide, "
            "'Install the Session Manager plugin'; version 1.2.497 or newer), or set clickhouseReach: direct where this "
            "machine is in the network"
        )
    return found


@contextmanager
def tunnel(region: str, instance_id: str, port: int) -> Iterator[int]:
    """The port on 127.0.0.1 that leads to the instance's `port`. Raises UserError when it does not open."""
    program, ssm = plugin(), client("ssm", region)
    request = {
        "Target": instance_id,
        "DocumentName": DOCUMENT,
        "Parameters": {"portNumber": [str(port)], "localPortNumber": ["0"]},
    }
    with as_user_error(f"tunnel to {instance_id}"):
        session = ssm.start_session(**request)
    response = {key: session[key] for key in ("SessionId", "TokenValue", "StreamUrl")}
    process = subprocess.Popen(
        [program, RESPONSE_VARIABLE, region, "StartSession", "", json.dumps(request), ssm.meta.endpoint_url],
        env={**os.environ, RESPONSE_VARIABLE: json.dumps(response)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        # A Ctrl-C is this command's to handle: it ends the session after the step.
        start_new_session=True,
    )
    try:
        yield _opened(process, instance_id)
    finally:
        # Its Ctrl-C: it tells the instance's agent and removes its socket, which no other signal makes it do.
        process.send_signal(signal.SIGINT)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        _terminate(ssm, response["SessionId"])


def _opened(process: subprocess.Popen[bytes], instance_id: str) -> int:
    assert process.stdout is not None
    said, deadline = "", time.monotonic() + OPEN_SECONDS
    # Not select(): it takes no descriptor above 1023, and a worker that serves for long may have as many.
    with selectors.DefaultSelector() as waiting:
        waiting.register(process.stdout, selectors.EVENT_READ)
        while (left := deadline - time.monotonic()) > 0:
            if waiting.select(left):
                piece = os.read(process.stdout.fileno(), 4096)
                said += piece.decode(errors="replace")
                if opened := OPENED.search(said):
                    return int(opened.group(1))
                if not piece:
                    break
    raise UserError(
        f"the tunnel to {instance_id} did not open within {OPEN_SECONDS:g} s; {PLUGIN} said: {said.strip() or '(nothing)'}"
    )


def _terminate(ssm: Any, session_id: str) -> None:
    """Ends the session on AWS's side too; one that has gone by itself is no error."""
    try:
        with as_user_error(f"session {session_id}"):
            ssm.terminate_session(SessionId=session_id)
    except UserError:
        return
