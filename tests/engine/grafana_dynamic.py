"""The engine's dynamic provider as it always is, but that a step may open the tests' own accesses: a known token, a known
password. Product code opens its own only."""

from __future__ import annotations

import os
import runpy
from pathlib import Path

import pytest

from tests.grafana_steps import known_accesses

known_accesses(pytest.MonkeyPatch(), Path(os.environ["GRAFANA_TEST_FOLDER"]))
runpy.run_module("pulumi.dynamic", run_name="__main__", alter_sys=True)
