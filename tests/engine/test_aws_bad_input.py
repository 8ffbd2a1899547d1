"""Bad input on AWS, under the real engine with the whole program: refused before the first resource, all of it at once.

That the same settings without it are taken is what every other test of these stacks begins with.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pulumi import automation

from infra.automation import explain, program
from infra.config import PROJECT
from tests.engine.aws_engine import committed
from tests.providers.cloud import Ran, StandInCloud

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def cloud(tmp_path: Path) -> StandInCloud:
    """One for each test: a stack keeps the settings that it was given."""
    return StandInCloud(tmp_path)


def run(cloud: StandInCloud, command: str, stack: str = "prod", **more: Any) -> Ran:
    """The committed stack with these settings, as text, the way Pulumi hands them on."""
    values = {**committed(stack), **more}
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in values.items()}
    config = {f"{PROJECT}:{key}": text for key, text in texts.items()}
    ran: Ran = getattr(cloud.stack(program, stack, PROJECT, config), command)()
    return ran


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown key": ({"kafkaBrokers": 3}, "kafkaBrokers: unknown setting"),
    "a size out of range": ({"clickhouseHotGiB": 5}, "clickhouseHotGiB: "),
    "more replicas than brokers": ({"kafkaReplication": 5}, "kafkaReplication: 5, and there are 3 brokers"),
    "overlapping ranges": ({"collectorAllowedCidrs": ["10.0.0.0/8", "10.1.0.0/16"]}, "10.1.0.0/16 overlaps 10.0.0.0/8"),
    "a retention that contradicts the tiers": (
        {"retentionSlowDays": 500},
        "retentionSlowDays: above retentionRawDays: rows would be deleted before they move",
    ),
    "a version in ZooKeeper mode": ({"kafkaVersion": "3.5.1"}, "kafkaVersion: 3.5.1 names no version in KRaft mode"),
    "a machine that is not arm64": ({"clickhouseInstanceType": "m7i.large"}, "clickhouseInstanceType: m7i.large"),
    "a payload that chooses its tenant": ({"collectorAuth": "none"}, "collectorAuth: only jwt on AWS"),
    "a certificate without its CA": ({"clickhouseTls": "given"}, "clickhouseCaPem: needed with clickhouseTls given"),
}


@pytest.mark.parametrize("command", ["preview", "up"])
def test_all_of_it_is_refused_in_one_message(cloud: StandInCloud, command: str) -> None:
    settings = {key: value for more, _ in BAD.values() for key, value in more.items()}
    ran = run(cloud, command, **settings)
    assert not ran.ok and cloud.operations() == [] and ran.changed == {}
    for what, (_, said) in BAD.items():
        assert said in ran.output, what
    assert "Traceback" not in ran.output


def test_a_certificate_that_can_not_be_read_is_refused_before_anything(cloud: StandInCloud) -> None:
    arn = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:key-AbCdEf"
    given: dict[str, Any] = {"clickhouseCertificates": {"*": "x"}, "clickhouseCertificateKeyArns": {"*": arn}}
    ran = run(cloud, "preview", clickhouseTls="given", clickhouseCaPem=Path(__file__).read_text(), **given)
    assert not ran.ok and cloud.operations() == [] and ran.changed == {}
    assert "clickhouseCaPem: is no PEM certificate" in ran.output
    assert "clickhouseCertificates: * is no PEM certificate" in ran.output


def test_a_lender_that_is_not_in_the_backend_is_named_and_nothing_is_made(cloud: StandInCloud) -> None:
    ran = run(cloud, "up", "dev", shareStack="other")
    assert not ran.ok and cloud.operations() == [] and "floors" not in ran.changed.get("create", []), ran.output
    assert 'unknown stack "organization/agent-telemetry/other"' in ran.output and "shareStack" in ran.output
    said = str(explain(automation.CommandError(automation.CommandResult(stdout=ran.output, stderr="", code=1))))
    assert said.startswith("shareStack: there is no stack other in this backend. `telemetry up --name other` makes it")
