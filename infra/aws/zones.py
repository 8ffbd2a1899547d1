"""Which availability zones the stack is in."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from infra.aws.context import Context
from infra.errors import UserError
from infra.settings.rules import NO_BROKERS


def zone_ids(context: Context, parent: pulumi.Resource) -> list[pulumi.Output[str]]:
    """networkZoneIds, else the region's first zones by id: names mean another zone in every account, ids do not.

    A region gets new zones with higher ids, so the first ones stay the first. A zone that is impaired for an hour is
    missing from the answer and would shift them: subnets that stand ignore what is said here (network.py).
    """
    settings = context.settings
    if settings.networkZoneIds:
        return [pulumi.Output.from_input(zone) for zone in settings.networkZoneIds[: settings.networkZones]]
    found = aws.get_availability_zones_output(
        state="available",
        # No local zones: they have neither brokers nor NAT gateways.
        filters=[{"name": "opt-in-status", "values": ["opt-in-not-required"]}],
        exclude_zone_ids=[NO_BROKERS],
        opts=pulumi.InvokeOptions(parent=parent),
    ).zone_ids
    chosen = found.apply(lambda ids: first(ids, settings.networkZones, settings.awsRegion))
    return [chosen[index] for index in range(settings.networkZones)]


def first(ids: Sequence[str], count: int, region: str) -> list[str]:
    """The first `count` zones. Raises UserError when the region has fewer."""
    if len(ids) < count:
        raise UserError(f"networkZones: {count}, and {region} has {len(ids)} usable zones: {', '.join(sorted(ids))}")
    return sorted(ids)[:count]
