"""Grafana's own published models as a judge of calls, for tests only: a small Go program, built once into the tools' cache.

Each call that a test made is decoded strictly by grafana-openapi-client-go, which Grafana generates from its OpenAPI document:
method, path, names of the query and headers, body, and the answer that a stand-in gave. A newer one: in this folder
`go get github.com/grafana/grafana-openapi-client-go@latest && go mod tidy`.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.go_programs import GRAFANA, built


@dataclass(frozen=True)
class Verdict:
    """What Grafana's models say of one call."""

    operation: str
    """'' where the API has no such method and path."""
    request: list[str]
    """What is wrong with the path, the query's names, the headers or the body."""
    answer: list[str]
    """What is wrong with the answer, if the call came with one."""


def judge(calls: Iterable[Mapping[str, Any]]) -> list[Verdict]:
    """A verdict a call: method, path (with its query), and perhaps headers, body, status and answer."""
    lines = "".join(json.dumps(call) + "\n" for call in calls)
    done = subprocess.run([built(GRAFANA)], input=lines, capture_output=True, text=True, timeout=120)
    if done.returncode:
        raise AssertionError(f"the models did not read the calls: {done.stderr}")
    return [Verdict(**json.loads(line)) for line in done.stdout.splitlines()]
