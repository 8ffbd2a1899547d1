"""What a stack on AWS tells whoever uses it, beside what every platform's stack does."""

from __future__ import annotations

from typing import Any

import pulumi

from infra.aws import lent, reach
from infra.aws.clickhouse.component import ClickHouse
from infra.aws.context import Context
from infra.aws.costs import estimate
from infra.aws.firewall import Firewall
from infra.aws.grafana import Grafana
from infra.aws.kafka import Kafka
from infra.aws.network import Network
from infra.aws.sharing import shared


def outputs(
    context: Context,
    door: pulumi.Input[str],
    network: Network,
    firewall: Firewall,
    kafka: Kafka,
    clickhouse: ClickHouse,
    grafana: Grafana | None,
) -> dict[str, pulumi.Input[Any]]:
    """The stack's outputs. `door`: the address that the collectors' domain has to lead to."""
    settings = context.settings
    told: dict[str, pulumi.Input[Any]] = {
        "loadBalancer": door,
        "clickhouseNodes": pulumi.Output.all(*clickhouse.instance_ids),
        "clickhouseCa": clickhouse.ca_pem,
        "clickhouseBackups": clickhouse.backup_bucket,
        "clickhouseUsers": pulumi.Output.all(**clickhouse.users),
        "readPassword": "aws secretsmanager get-secret-value --secret-id <an ARN of clickhouseUsers>",
        "tenantTokens": f"telemetry tenants add TENANT --name {context.stack}",
        reach.OUTPUT: reach.output(clickhouse.endpoints, kafka.endpoint),
        "estimatedMonthlyCost": estimate(settings).as_output(),
    }
    if grafana is not None:
        told["grafana"] = grafana.endpoint.url
    told[lent.OUTPUT] = shared(settings, network, firewall, kafka, grafana)
    return told
