"""The program in infra/__main__.py under mocks, in preview, with the committed stack files as they stand."""

from __future__ import annotations

import json
import runpy
from collections.abc import Iterator
from typing import Any

import pulumi
import pytest
import yaml
from pulumi.runtime import config, set_mocks
from pulumi.runtime.stack import wait_for_rpcs
from pulumi.runtime.sync_await import _sync_await

from infra.paths import ROOT
from tests.unit.aws.mocks import Cloud

ENVIRONMENTS = ("dev", "prod")


def as_text(item: Any) -> str:
    """A configuration value as the engine hands it over."""
    return item if isinstance(item, str) else json.dumps(item)


def run_program(stack: str, preview: bool = True) -> Cloud:
    """Runs infra/__main__.py as the engine would."""
    values = yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text())["config"]
    config.set_all_config({key: as_text(item) for key, item in values.items()})
    cloud = Cloud()
    set_mocks(cloud, project="agent-telemetry", stack=stack, preview=preview)
    runpy.run_path(str(ROOT / "infra" / "__main__.py"), run_name="__main__")
    _sync_await(wait_for_rpcs())
    return cloud


@pytest.fixture(scope="module", params=ENVIRONMENTS)
def cloud(request: pytest.FixtureRequest) -> Iterator[Cloud]:
    yield run_program(request.param)


def test_x(cloud):
    from collections import Counter

    for t, n in sorted(Counter(i.type for i in cloud.made).items()):
        print(n, t)
    print(len(cloud.made))
