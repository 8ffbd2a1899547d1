"""What an ephemeral stack's name becomes: the longest one fits everywhere, and two stacks' names never meet."""

from __future__ import annotations

import json
from typing import Any

import pulumi
import pytest

from infra.postdeploy.grafana_api import PLUGIN
from infra.settings.names import LONGEST
from tests.providers.standin.data import row
from tests.providers.standin.names import check_form
from tests.unit.aws.controls.stacks import ACCOUNT, LENT
from tests.unit.aws.mocks import Cloud, Made
from tests.unit.aws.test_program import Stack, run_program

RULES = "pulumi-python:dynamic/postdeploy:GrafanaRuleGroup"
REFERENCE = "pulumi:pulumi:StackReference"
UID_LENGTH = 40
LONG = "pr-123456-" + "a" * (LONGEST - 10)


def ephemeral(name: str) -> Stack:
    """The whole program as dev's template would have it, on what dev lends."""
    cloud = Cloud(outputs={REFERENCE: {"outputs": {"shared": LENT}, "secretOutputNames": []}})
    return run_program(name, preview=True, cloud=cloud, file="dev", shareStack="dev", env="pr", awsAccount=ACCOUNT)


@pytest.fixture(scope="module")
def long() -> Stack:
    return ephemeral(LONG)


def fixed(item: Made) -> str:
    """A name that the program gives, where AWS wants it unique."""
    rule: dict[str, Any] = row("names", item.type)
    return str(item.inputs.get(rule.get("property", "name"), "")) if rule.get("unique") else ""


def test_the_longest_name_fits_everywhere(long: Stack) -> None:
    wrong = {item.name: found for item in long.cloud.made if (found := check_form(item.type, item.inputs))}
    assert not wrong
    uids = [str(item.inputs["uid"]) for item in long.cloud.made if "uid" in item.inputs and item.type != RULES]
    uids += [rule["uid"] for group in long.of(RULES) for rule in json.loads(group.inputs["group"])["rules"]]
    assert len(uids) > 6 and [uid for uid in uids if len(uid) > UID_LENGTH] == []
    assert any(f"agent-telemetry-{LONG}" == uid for uid in uids)


def test_two_stacks_whose_names_begin_alike_meet_nowhere(long: Stack) -> None:
    def names(stack: Stack) -> set[str]:
        uids = {str(item.inputs["uid"]) for item in stack.cloud.made if "uid" in item.inputs} - {PLUGIN}
        return uids | {f"{item.type} {name}" for item in stack.cloud.made if (name := fixed(item))}

    one, other = names(long), names(ephemeral(f"{LONG[:-1]}b"))
    assert len(one) > 16 and not one & other, one & other


def test_a_name_that_some_service_refuses_ends_the_program_before_anything() -> None:
    for name, said in {f"{LONG}-x": "room for 24", "dev": "shareStack: dev is this stack itself"}.items():
        cloud = Cloud()
        with pytest.raises(pulumi.RunError, match=said):
            run_program(name, preview=True, cloud=cloud, file="dev", shareStack="dev")
        assert cloud.made == []


def test_nothing_is_kept_and_no_secret_waits(long: Stack) -> None:
    for secret in long.of("aws:secretsmanager/secret:Secret"):
        assert secret.inputs["recoveryWindowInDays"] == 0, secret.name
    for bucket in long.of("aws:s3/bucket:Bucket"):
        assert bucket.inputs["forceDestroy"] is True, bucket.name
    assert not [name for (_, name), options in long.options.items() if options.protect or options.retain_on_delete]
