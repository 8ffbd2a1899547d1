"""Names, ports and places that the parts of ClickHouse on EC2 share."""

from __future__ import annotations

import re

from infra.aws.context import Context
from infra.config import PROJECT

HTTPS_PORT = 8443
KEEPERS = 3
USERS = ("migrator", "worker", "dashboards")
"""Who signs in from the network, with the tenants' readers. Others: `default` and `operator` on a node's loopback."""

HOT = "/var/lib/clickhouse"
SLOW = "/var/lib/clickhouse-slow"
KEEPER = "/var/lib/clickhouse-keeper"
SCHEMAS = f"{HOT}/format_schemas"
LOGS = "/var/log/clickhouse-server"
SERVER_CONFIG = "/etc/clickhouse-server"
KEEPER_CONFIG = "/etc/clickhouse-keeper"

DATA_PREFIX = "disk/"
FULL, INCREMENT = "full/", "increment/"
GIB_PER_CORE = {"c": 2, "m": 4, "r": 8, "t": 4, "x": 16}
BURSTABLE_GIB = {"nano": 0.5, "micro": 1.0, "small": 2.0, "medium": 4.0, "large": 8.0}
METRICS = "AgentTelemetry"
"""CloudWatch's namespace for what the nodes' agents measure: mem_used_percent and disk_used_percent by InstanceId, path."""


def zone(context: Context) -> str:
    """The private DNS zone."""
    return f"{context.stack}.{PROJECT}.internal"


def users(context: Context) -> list[str]:
    """Everybody who signs in from the network."""
    return [*USERS, *(f"reader-{tenant}" for tenant in context.settings.tenantReaders)]


def servers(context: Context) -> list[str]:
    """The ClickHouse nodes' short names."""
    return [f"clickhouse-{number}" for number in range(1, context.settings.clickhouseReplicas + 1)]


def keepers(context: Context) -> list[str]:
    """The Keepers' short names: none with a single node."""
    return [f"keeper-{number}" for number in range(1, KEEPERS + 1)] if context.settings.clickhouseReplicas > 1 else []


def memory_gib(instance_type: str) -> float:
    """An arm64 instance type's memory. Raises ValueError for another processor, and for a type that it does not know."""
    found = re.fullmatch(r"([cmrtx])\d+g[a-z]*\.(\w+)", instance_type)
    if not found:
        raise ValueError(f"{instance_type}: not an arm64 type of the families c, m, r, t or x (m7g.large)")
    family, size = found.groups()
    if family == "t" and size in BURSTABLE_GIB:
        return BURSTABLE_GIB[size]
    times = {"medium": 1, "large": 2, "xlarge": 4}.get(size)
    if times is None:
        many = re.fullmatch(r"(\d+)xlarge", size)
        times = 4 * int(many[1]) if many else 0
    if not times:
        raise ValueError(f"{instance_type}: {size} is no size of the family {family}")
    return float(times * GIB_PER_CORE[family])
