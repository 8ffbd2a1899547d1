"""A ^C while the engine works: the engine comes to its end, then the command does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from infra.paths import ROOT

ENGINE = """#!{python}
import pathlib, signal, time
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
print("ready", flush=True)
signal.sigwait([signal.SIGINT])
end = time.monotonic() + 1
while time.monotonic() < end:  # as an engine that finishes a step
    print("cancelling", flush=True)
pathlib.Path(__file__).with_name("saved").touch()
raise SystemExit(255)
"""
COMMAND = """
import sys, types
from infra.automation import KnownCommand
tools = types.SimpleNamespace(pulumi_root=__import__("pathlib").Path(sys.argv[1]), pulumi_version="3.250.0")
try:
    KnownCommand(tools).run(["up"], sys.argv[1], {}, on_output=lambda line: print(line, flush=True))
except KeyboardInterrupt:
    print("stopped", flush=True)
    sys.exit(130)
"""


def test_an_interrupted_engine_saves_what_it_has_done_before_the_command_ends(tmp_path: Path) -> None:
    engine = tmp_path / "bin" / "pulumi"
    engine.parent.mkdir()
    engine.write_text(ENGINE.format(python=sys.executable))
    engine.chmod(0o755)
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, str(tmp_path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        # A terminal's ^C goes to the group. A shell's background job, as a test run may be one, ignores it.
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout and process.stdout.readline() == "ready\n"
    os.killpg(process.pid, signal.SIGINT)
    *_, before, last = process.stdout.read().splitlines()
    assert (before, last) == ("cancelling", "stopped") and process.wait(60) == 130
    assert (engine.parent / "saved").exists()
