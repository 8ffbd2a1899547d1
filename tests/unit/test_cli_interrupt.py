"""What a person sees who presses ^C: `stopped`, and nobody's traceback."""

from __future__ import annotations

import threading

import pytest

from infra.cli.console import quiet_readers


@pytest.mark.parametrize(
    ("error", "shown"),
    [(ValueError("I/O operation on closed file."), False), (ValueError("wrong"), True), (OSError("closed file"), True)],
    ids=["the engine's output", "another value", "another error"],
)
def test_only_the_closed_output_of_the_engine_is_left_out(
    error: Exception, shown: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(threading, "excepthook", threading.__excepthook__)
    quiet_readers()
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    assert ("Traceback" in capsys.readouterr().err) is shown
