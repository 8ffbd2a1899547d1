"""ClickHouse under Pulumi mocks, with the parts around it as far as it looks at them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pulumi

from infra.aws.clickhouse.component import ClickHouse, ClickHouseArgs
from infra.aws.context import Context, make_provider, tagging
from infra.settings import Settings, parse_settings
from tests.unit.aws.mocks import ACCOUNT, REGION, Cloud, program

KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/11111111-2222-3333-4444-555555555555"
SSM_PARAMETER = {"value": "ami-0123456789abcdef0"}


def settings(**more: Any) -> Settings:
    """A stack's settings on AWS, without what ClickHouse does not look at."""
    given = {
        "platform": "aws",
        "env": "dev",
        "collectorAuth": "jwt",
        "grafanaMode": "none",
        "collectorZoneId": "Z123",
        "protect": False,
        **more,
    }
    return parse_settings(given, "test")


def declare(preview: bool = False, **more: Any) -> tuple[Cloud, ClickHouse]:
    """Everything that ClickHouse registers, and the component."""
    chosen = settings(**more)
    with program(preview) as cloud:
        pulumi.runtime.register_stack_transformation(tagging(chosen, "dev"))
        context = Context(chosen, "dev", make_provider(chosen))
        known = [pulumi.Output.from_input(f"eu-central-1{letter}") for letter in "abc"[: chosen.networkZones]]
        network = SimpleNamespace(
            vpc_id=pulumi.Output.from_input("vpc-1"),
            cidr=pulumi.Output.from_input("10.80.0.0/16"),
            zones=known,
            private_subnet_ids=[pulumi.Output.from_input(f"subnet-{index}") for index in range(chosen.networkZones)],
        )
        firewall = SimpleNamespace(
            clickhouse=pulumi.Output.from_input("sg-clickhouse"), keeper=pulumi.Output.from_input("sg-keeper")
        )
        arn = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:AmazonMSK_clickhouse"
        kafka = SimpleNamespace(
            credentials={"clickhouse": pulumi.Output.from_input(arn)},
            credential_versions={"clickhouse": pulumi.Output.from_input("kafka-1")},
            credentials_key_arn=pulumi.Output.from_input(KEY),
            client_policy=lambda kind: [
                {"Effect": "Allow", "Action": "kafka-cluster:Connect", "Resource": f"arn:{kind}"}
            ],
        )
        args = ClickHouseArgs(context, cast(Any, network), cast(Any, firewall), cast(Any, kafka), KEY)
        made = ClickHouse("clickhouse", args, pulumi.ResourceOptions(providers=[context.provider]))
    return cloud, made
