"""Rules of stacks that end by themselves (expiresAt) and of what one stack lends another (shareStack, shareParts)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from infra.settings.names import name_problems

if TYPE_CHECKING:
    from infra.settings import Settings

OF_PART = {
    "network": {
        *("networkVpcId", "networkPublicSubnetIds", "networkPrivateSubnetIds", "networkCidr", "networkZoneIds"),
        *("networkNat", "networkEndpoints", "networkFlowLogs"),
    },
    "kafka": {
        *("kafkaMode", "kafkaBootstrapServers", "kafkaClusterArn", "kafkaSecurityGroupId", "kafkaBrokerCidrs"),
        *("kafkaSecretArn", "kafkaSecretKeyArn"),
    },
    "grafana": {"grafanaMode", "grafanaUrl", "grafanaTokenSecretArn"},
}
"""Settings that say where a part comes from, and would contradict that another stack lends it."""


def lifetime_problems(s: Settings) -> Iterator[str]:
    """What is wrong with expiresAt."""
    if not s.expiresAt:
        return
    try:
        datetime.fromisoformat(s.expiresAt)
    except ValueError as error:
        yield f"expiresAt: {s.expiresAt} is no time: {error}"
    if s.platform == "aws" and s.protect:
        yield "expiresAt: not together with protect: true, which keeps what the stack's end should delete"


def sharing_problems(s: Settings) -> Iterator[str]:
    """What is wrong with shareStack and shareParts."""
    fields = type(s).model_fields
    if not s.shareStack:
        if s.shareParts and s.shareParts != fields["shareParts"].default:
            yield "shareParts: only counts together with shareStack"
        return
    if s.platform != "aws":
        yield f"shareStack: only on platform aws: on {s.platform} each stack has all of its own"
        return
    yield from (f"shareStack: {problem}" for problem in name_problems(s.shareStack, "aws"))
    if s.protect:
        yield "shareStack: not together with protect: true: what it uses goes with the stack that lends it"
    if not s.shareParts:
        yield "shareParts: names no part; leave shareStack empty for a stack that has all of its own"
    if len(set(s.shareParts)) != len(s.shareParts):
        yield "shareParts: a part stands in it twice"
    if s.shareParts and "network" not in s.shareParts:
        yield f"shareParts: {' and '.join(s.shareParts)} only together with network: from another VPC they are not reached"
    for part in s.shareParts:
        for key in sorted(OF_PART[part]):
            if getattr(s, key) != fields[key].default:
                yield f"{key}: contradicts shareStack: {s.shareStack} lends its {part}; leave {part} out of shareParts"
