"""The stack's key: rotated, kept as long as the stack is protected, open to no service without a condition."""

from __future__ import annotations

import json

import pytest

from tests.unit.aws.aws_settings import LARGE, SMALL, settings
from tests.unit.aws.ground import ground
from tests.unit.aws.mocks import ACCOUNT

KEY = "aws:kms/key:Key"


@pytest.mark.parametrize(("base", "days", "kept"), [(SMALL, 7, False), (LARGE, 30, True)])
def test_the_key_is_rotated_and_kept_when_the_stack_is_protected(base: dict, days: int, kept: bool) -> None:
    cloud = ground(settings(base)).cloud
    key = cloud.one(KEY)
    assert key.inputs["enableKeyRotation"] is True
    assert key.inputs["deletionWindowInDays"] == days
    options = cloud.options(key)
    assert options.protect is kept and options.retain_on_delete is kept


def test_services_use_the_key_for_this_account_only() -> None:
    cloud = ground(settings()).cloud
    statements = json.loads(cloud.one(KEY).inputs["policy"])["Statement"]
    services = [item for item in statements if "Service" in item["Principal"]]
    assert services
    for item in services:
        if item["Action"] == "kms:DescribeKey":
            continue  # tells that the key is there, and nothing else
        assert ACCOUNT in json.dumps(item["Condition"]), item["Sid"]
    assert not any(item["Principal"] in ("*", {"AWS": "*"}) for item in statements)


def test_a_preview_shows_the_same() -> None:
    assert ground(settings(), preview=True).cloud.one(KEY).inputs["enableKeyRotation"] is True
