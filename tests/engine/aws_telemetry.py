"""`telemetry` as a process on a stand-in account: the steps' interpreter is the one that the account's folder has."""

from __future__ import annotations

import os

from infra import backend
from infra.cli import main

STEPS = {key: os.environ[key] for key in ("PATH", "AGENT_TELEMETRY_PYTHON", "PULUMI_PYTHON_CMD")}
engine_environment = backend.engine_environment
backend.engine_environment = lambda root: engine_environment(root) | STEPS
main()
