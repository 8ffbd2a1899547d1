"""The policy pack around its rules: levels, exemptions, what is not known yet, and how an official Pulumi starts it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import grpc
import pytest
import yaml
from google.protobuf.empty_pb2 import Empty
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.struct_pb2 import Struct
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc
from pulumi_policy import (
    PolicyCustomTimeouts,
    PolicyResourceOptions,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationPolicy,
)
from pulumi_policy.proxy import unknown_checking_proxy

from infra.errors import UserError
from infra.paths import CONFIGS, ROOT
from infra.policies import PACK, is_prod, policy_options
from infra.settings import Settings
from policy.facts import Facts, facts
from policy.given import Exemption, ceilings, ceilings_of, exemptions_of
from policy.pack import Rules, of_policy, plain
from policy.rules import CONTROLS, POLICIES
from policy.rules.ceilings import rank, size_of
from policy.stack import UNKNOWN, Resource, Stack
from tests.unit.aws.controls.stacks import OUTPUTS, OWN, declared
from tests.unit.aws.mocks import Cloud
from tests.unit.aws.test_program import run_program

pytestmark = pytest.mark.xdist_group("controls")  # shares what is declared there
VOLUME = "aws:ebs/volume:Volume"
URN = "urn:pulumi:{stack}::agent-telemetry::" + VOLUME + "::data"
TAGS = {"Project": "agent-telemetry", "Stack": "prod", "Environment": "prod"}
REASON = "measured by hand, until the migration is over"


# --- policies and levels


def test_each_policy_has_rules_and_none_of_its_own_is_a_stack_s_and_a_resource_s() -> None:
    assert {control.policy for control in CONTROLS.values()} == set(POLICIES)
    made = Rules().policies()
    assert [policy.name for policy in made] == [*POLICIES], "each once, in this order"
    for policy in made:
        kind = StackValidationPolicy if POLICIES[policy.name].whole else ResourceValidationPolicy
        assert isinstance(policy, kind)


def test_a_rule_without_types_needs_the_whole_stack() -> None:
    for control in CONTROLS.values():
        assert control.types or POLICIES[control.policy].whole, control.id


def test_prod_is_what_is_called_so_or_protected() -> None:
    assert is_prod("prod", False) and is_prod("staging", True) and not is_prod("dev", False)
    wanted = {"prod": "prod.json", "dev": "dev.json"}
    for stack, file in wanted.items():
        settings = Settings.model_construct(platform="aws", env=stack, protect=False)
        options = policy_options(settings)
        assert options == {"policy_packs": [str(PACK)], "policy_pack_configs": [str(PACK / "levels" / file)]}
    assert policy_options(Settings.model_validate({"platform": "local"})) == {}


def test_levels_are_mandatory_in_prod_and_advisory_in_dev_but_for_ceilings() -> None:
    prod, dev = (json.loads((PACK / "levels" / f"{name}.json").read_text()) for name in ("prod", "dev"))
    assert prod == {"all": "mandatory"} and dev == {"all": "advisory", "ephemeral-ceilings": "mandatory"}
    assert set(dev) - {"all"} <= set(POLICIES)


def test_the_page_lists_every_policy_and_every_rule_of_ours() -> None:
    page = (ROOT / "docs" / "policy.md").read_text()
    assert re.findall(r"^\| `([a-z-]+)` \|", page, re.MULTILINE) == [*POLICIES]
    for name in POLICIES:
        (row,) = (line for line in page.splitlines() if line.startswith(f"| `{name}` |"))
        told = re.findall(r"(?:[A-Za-z0-9]+\.\d+|`[a-z-]+`)", row.split("|")[3])
        assert [rule.strip("`") for rule in told] == sorted((found.id for found in of_policy(name)), key=order), name


def order(id_: str) -> tuple[str, int]:
    service, _, number = id_.partition(".")
    return service, int(number or 0)


# --- exemptions and ceilings


def test_an_exemption_is_for_one_rule_and_resource_and_at_will_for_one_stack() -> None:
    one = Exemption("EC2.3", "data", REASON, "dev")
    assert one.holds("EC2.3", "data", "dev")
    assert not one.holds("EC2.8", "data", "dev")
    assert not one.holds("EC2.3", "other", "dev") and not one.holds("EC2.3", "data", "prod")
    assert Exemption("EC2.3", "data", REASON).holds("EC2.3", "data", "any")
    assert Exemption("EC2.3", "*", REASON, "dev").holds("EC2.3", "whatever", "dev")


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"control": "EC2.99", "resource": "data", "reason": REASON}, "there is no control EC2.99"),
        ({"control": "EC2.3", "resource": "data", "reason": "later"}, "the reason is missing"),
        ({"control": "EC2.3", "resource": "data"}, "control, resource, reason"),
        ({"control": "EC2.3", "resource": "data", "reason": REASON, "until": "x"}, "control, resource, reason"),
        ({"control": "EC2.3", "resource": "*", "reason": REASON}, "name the stack"),
    ],
)
def test_an_exemption_that_nobody_could_judge_is_refused(entry: dict[str, str], said: str) -> None:
    with pytest.raises(UserError, match=rf"configs/policy\.yaml: exemption 1: .*{re.escape(said)}"):
        exemptions_of([entry], list(CONTROLS))


def test_ceilings_name_what_is_missing_or_unknown() -> None:
    told = yaml.safe_load((CONFIGS / "policy.yaml").read_text())["ceilings"]
    assert ceilings() == ceilings_of(told)
    with pytest.raises(UserError, match="ceilings: brokers: missing or unknown"):
        ceilings_of({key: value for key, value in told.items() if key != "brokers"})
    with pytest.raises(UserError, match="ceilings: nodes: missing or unknown"):
        ceilings_of({**told, "nodes": 3})


def test_sizes_are_ordered() -> None:
    sizes = ["t4g.nano", "m7g.medium", "kafka.m7g.large", "r7g.xlarge", "r7g.2xlarge", "r7g.16xlarge", "m7g.metal"]
    ranks = [rank(size_of(size)) for size in sizes]
    assert ranks == sorted(ranks) and len(set(ranks)) == len(ranks)


@pytest.mark.parametrize("variant", ["ephemeral", "dear", "lasting"])
def test_dev_s_sizes_are_below_the_ceilings(variant: str) -> None:
    """Ephemeral stacks have dev's sizes: a ceiling below them would refuse every one."""
    cost = Decimal(601) if variant == "dear" else Decimal(100)
    stack = Stack(False, declared("dev").resources, ephemeral=variant != "lasting", monthly_usd=cost)
    found = [what for control in of_policy("ephemeral-ceilings") for _, what in control.check(stack)]
    assert len(found) == (1 if variant == "dear" else 0), found


def test_prod_can_be_taken_down_with_three_exemptions() -> None:
    """As `telemetry down` says: without `protect` these rules refuse the `up` that lifts the protection."""
    cloud = Cloud(outputs=OUTPUTS)
    found = run_program("prod", False, cloud, **{**OWN, "protect": False})
    assert not any(options.protect for options in found.options.values())
    resources = [
        Resource(item.type, item.name, item.inputs, cloud.urns[item.type, item.name], False, cloud.refers(item))
        for item in cloud.made
    ]
    stack = Stack(True, resources)
    against = {control.id for control in CONTROLS.values() if list(control.check(stack))}
    assert against == {"protected", "KMS.3", "ELB.6"}


# --- what the engine hands over


def test_what_is_not_known_yet_is_a_mark_and_no_error() -> None:
    inputs = {"size": 10.0, "tags": {"Project": UNKNOWN}, "list": [UNKNOWN, "b"], "kmsKeyId": UNKNOWN, "none": None}
    assert plain(unknown_checking_proxy(inputs)) == inputs


def test_facts_come_from_what_the_engine_hands_over(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"agent-telemetry:env": "dev", "agent-telemetry:protect": "false", "agent-telemetry:expiresAt": ""}
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps(told))
    assert facts(URN.format(stack="one")) == Facts(False, False, None)
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps({**told, "agent-telemetry:protect": "true"}))
    assert facts(URN.format(stack="two")).prod
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps({**told, "agent-telemetry:expiresAt": "2030-01-01T00:00:00Z"}))
    assert facts(URN.format(stack="three")).ephemeral


def test_without_it_they_come_from_the_stack_s_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PULUMI_CONFIG", raising=False)
    assert facts(URN.format(stack="prod")) == Facts(True, False, None)
    assert facts(URN.format(stack="dev")) == Facts(False, False, None)


def test_a_finding_names_its_control_and_an_exempted_resource_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PULUMI_CONFIG", raising=False)
    rules = Rules()
    args: Any = ResourceValidationArgs(VOLUME, {"encrypted": False}, URN.format(stack="dev"), "data", _options(), None)
    assert _reported(rules, args) == {"EC2.3: open", "tags: no tag Project, Stack, Environment"}
    rules.exempt = [Exemption("EC2.3", "data", REASON)]
    assert _reported(rules, args) == {"tags: no tag Project, Stack, Environment"}


def _options() -> PolicyResourceOptions:
    return PolicyResourceOptions(False, [], None, [], PolicyCustomTimeouts(0, 0, 0), [], None)


def _reported(rules: Rules, args: ResourceValidationArgs) -> set[str]:
    said: set[str] = set()
    for policy in rules.policies():
        if isinstance(policy, ResourceValidationPolicy):
            policy.validate(args, lambda message, urn=None: said.add(message))
    return said


@contextmanager
def started_by_a_language_host() -> Iterator[analyzer_pb2_grpc.AnalyzerStub]:
    """As the official Python language host does it: the folder, then the engine's address; no settings in the environment."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PULUMI_")}
    command = [sys.executable, str(PACK), "127.0.0.1:1"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=kept, cwd=ROOT / "infra")
    assert process.stdout
    try:
        port = process.stdout.readline().strip()
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield analyzer_pb2_grpc.AnalyzerStub(channel)
    finally:
        process.kill()
        process.wait()


def test_an_official_pulumi_can_start_it_and_everything_is_mandatory_unless_told() -> None:
    with started_by_a_language_host() as pack:
        told = pack.GetAnalyzerInfo(Empty())
        assert {policy.name for policy in told.policies} == set(POLICIES)
        assert {policy.enforcementLevel for policy in told.policies} == {analyzer_pb2.MANDATORY}
        properties = ParseDict({"encrypted": True, "kmsKeyId": "key", "tags": TAGS}, Struct())
        request = analyzer_pb2.AnalyzeRequest(
            urn=URN.format(stack="prod"),
            type=VOLUME,
            name="data",
            properties=properties,
            options=analyzer_pb2.AnalyzerResourceOptions(protect=False),
        )
        (found,) = MessageToDict(pack.Analyze(request))["diagnostics"]
    assert found["policyName"] == "protected" and "protect it" in found["message"]
