"""Settings: what a stack borrows from another one, when it ends, what it may be called."""

from __future__ import annotations

from typing import Any

import pytest

from infra.errors import UserError
from infra.settings import parse_settings
from infra.settings.names import name_problems
from tests.unit.aws.aws_settings import settings as aws_settings

SHARING: dict[str, Any] = {"shareStack": "dev"}


def test_by_default_a_stack_shares_nothing_and_never_ends() -> None:
    settings = aws_settings()
    assert (settings.shareStack, settings.expiresAt) == ("", "")
    assert not settings.shares("network")


def test_a_stack_that_names_another_one_shares_all_that_there_is_to_share() -> None:
    settings = aws_settings(**SHARING)
    assert [part for part in ("network", "kafka", "grafana") if settings.shares(part)] == settings.shareParts


def test_a_part_that_is_not_named_is_the_stacks_own() -> None:
    settings = aws_settings(**SHARING, shareParts=["network", "grafana"], kafkaInstanceType="kafka.m7g.xlarge")
    assert settings.shares("network") and not settings.shares("kafka")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"shareParts": ["network"]}, "shareParts: only counts together with shareStack"),
        ({"shareStack": "dev", "protect": True}, "shareStack: not together with protect: true"),
        ({**SHARING, "shareParts": []}, "shareParts: names no part"),
        ({**SHARING, "shareParts": ["network", "network"]}, "shareParts: a part stands in it twice"),
        ({**SHARING, "shareParts": ["kafka"]}, "shareParts: kafka only together with network"),
        ({**SHARING, "shareParts": ["clickhouse"]}, "'network', 'kafka' or 'grafana' (found 'clickhouse')"),
        ({**SHARING, "shareStack": "Dev"}, "shareStack: 'Dev' can't name a stack on AWS"),
        ({**SHARING, "networkCidr": "10.9.0.0/16"}, "networkCidr: contradicts shareStack: dev lends its network"),
        ({**SHARING, "kafkaMode": "serverless"}, "kafkaMode: contradicts shareStack: dev lends its kafka"),
        ({**SHARING, "grafanaMode": "none"}, "grafanaMode: contradicts shareStack: dev lends its grafana"),
        ({"expiresAt": "tomorrow"}, "expiresAt: String should match pattern"),
        ({"expiresAt": "2026-11-30T18:00:00+01:00"}, "expiresAt: String should match pattern"),
        ({"expiresAt": "2026-02-30T18:00Z"}, "expiresAt: 2026-02-30T18:00Z is no time"),
        ({"expiresAt": "2026-11-30T18:00Z", "protect": True}, "expiresAt: not together with protect: true"),
    ],
)
def test_what_contradicts_itself_is_named(values: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as caught:
        aws_settings(**values)
    assert message in str(caught.value)


def test_a_local_stack_may_end_but_borrows_nothing() -> None:
    assert parse_settings({"expiresAt": "2026-11-30T18:00:00Z"}, "x").expiresAt
    with pytest.raises(UserError, match="shareStack: only on platform aws"):
        parse_settings({"shareStack": "dev", "protect": False}, "x")


@pytest.mark.parametrize("name", ["dev", "prod", "pr-123", "pr-123456", "7", "a" * 24])
def test_names_that_every_service_takes(name: str) -> None:
    assert name_problems(name, "aws") == []


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("PR-123", "small letters"),
        ("pr_123", "small letters"),
        ("pr.123", "small letters"),
        ("pr--123", "one hyphen each"),
        ("pr-123-", "one hyphen each"),
        ("-pr", "one hyphen each"),
        ("", "small letters"),
        ("a" * 25, "has 25 characters, and Grafana's uids have room for 24"),
        ("bootstrap", "is taken"),
    ],
)
def test_names_that_a_service_refuses(name: str, why: str) -> None:
    assert why in "\n".join(name_problems(name, "aws"))


def test_a_local_stack_is_called_what_pulumi_takes() -> None:
    assert name_problems("Two_of.them", "local") == []
    assert name_problems("a/b", "local")
