"""What each part's role may do on the cluster (kafkaAuth iam): sign in, and its own share of our topics."""

from __future__ import annotations

from typing import Any

GROUPS = "clickhouse-*"
"""The consumer groups of sql/macros/kafka.sql, after the stack's prefix."""
ON_CLUSTER = {
    # Idempotent producers need the second one.
    "collector": ["Connect", "WriteDataIdempotently"],
    "clickhouse": ["Connect"],
    "worker": ["Connect", "DescribeCluster"],
}
ON_TOPICS = {
    "collector": ["DescribeTopic", "WriteData"],
    "clickhouse": ["DescribeTopic", "ReadData"],
    # The audit reads again what ClickHouse stored no row of: requests without a span.
    "worker": ["DescribeTopic", "ReadData"],
}
ON_GROUPS = {"clickhouse": ["AlterGroup", "DescribeGroup"], "worker": ["DescribeGroup"]}


def client_statements(user: str, cluster_arn: str, topics: list[str], prefix: str = "") -> list[dict[str, Any]]:
    """IAM statements for the role of `user` (collector, clickhouse, worker).

    `prefix`: what our topics' and groups' names begin with on brokers that several stacks share: the others' are not ours.
    """
    found = [
        _allow(ON_CLUSTER[user], [cluster_arn]),
        _allow(ON_TOPICS[user], [child(cluster_arn, "topic", f"{prefix}{topic}") for topic in topics]),
    ]
    if user in ON_GROUPS:
        found.append(_allow(ON_GROUPS[user], [child(cluster_arn, "group", f"{prefix}{GROUPS}")]))
    return found


def child(cluster_arn: str, kind: str, name: str) -> str:
    """arn:…:cluster/name/uuid as arn:…:topic/name/uuid/otel-spans."""
    return f"{cluster_arn.replace(':cluster/', f':{kind}/', 1)}/{name}"


def _allow(actions: list[str], resources: list[str]) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": [f"kafka-cluster:{action}" for action in actions], "Resource": resources}
