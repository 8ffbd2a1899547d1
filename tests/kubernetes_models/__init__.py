"""The Kubernetes API server's own judgement of manifests, for tests only: a small Go program, built once into the tools' cache.

Each object is decoded strictly into k8s.io/api's types; then come the API server's defaults and validation, its warnings, and
Pod Security's level `restricted`, all from the modules that the server itself is built of. A newer one: see go.mod.
"""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def program() -> Path:
    """The judge, built when it is not there yet."""
    from tests.go_programs import KUBERNETES, built

    return built(KUBERNETES)


class Judge:
    """A running judge; one question at a time."""

    def __init__(self, program: Path) -> None:
        self._process = subprocess.Popen(
            [str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self._turn = threading.Lock()

    def problems(
        self, manifest: Mapping[str, Any], old: Mapping[str, Any] | None = None, partial: bool = False
    ) -> list[str]:
        """What the API server would say; empty: it takes it. `old`: what is there already. `partial`: some values are
        left out, so that only names and types count."""
        question = {"manifest": manifest, "partial": partial} | ({"old": old} if old else {})
        assert self._process.stdin and self._process.stdout
        with self._turn:
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        assert answer, "the judge has ended"
        return json.loads(answer)

    def close(self) -> None:
        """Ends it."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(timeout=10)
