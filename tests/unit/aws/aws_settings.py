"""Settings and a context for the tests of the AWS components."""

from __future__ import annotations

from typing import Any, cast

import pulumi_aws as aws

from infra.aws.context import Context
from infra.settings import Settings, parse_settings

SMALL: dict[str, Any] = {
    "platform": "aws",
    "env": "dev",
    "protect": False,
    "collectorAuth": "jwt",
    "collectorCertificateArn": "arn:aws:acm:eu-central-1:123456789012:certificate/1",
}
LARGE: dict[str, Any] = {
    **SMALL,
    "env": "prod",
    "protect": True,
    "networkZones": 3,
    "networkNat": "zone",
    "networkFlowLogs": True,
    "networkEndpoints": ["ssm", "ecr.api"],
    "kafkaReplication": 3,
    "kafkaMinInSync": 2,
    "clickhouseReplicas": 3,
}


def settings(base: dict[str, Any] = SMALL, **more: Any) -> Settings:
    """`base` with `more` over it."""
    return parse_settings({**base, **more}, "test")


def context(found: Settings) -> Context:
    """A context for components under mocks, which ask no provider."""
    return Context(found, "dev", cast(aws.Provider, None))
