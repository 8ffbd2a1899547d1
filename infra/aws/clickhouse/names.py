"""Names, ports and places that the parts of ClickHouse on EC2 share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.config import PROJECT
from infra.tenant_views import reader

if TYPE_CHECKING:
    from infra.aws.context import Context

HTTPS_PORT = 8443
KEEPER_PORT = 9281
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
FULL_EVERY_DAYS = 30
"""Between two full backups; the ones between hold what is new since the full one before them."""
METRICS = "AgentTelemetry"
"""CloudWatch's namespace for what the nodes' agents measure: mem_used_percent and disk_used_percent by InstanceId, path."""


def zone(context: Context) -> str:
    """The private DNS zone."""
    return f"{context.stack}.{PROJECT}.internal"


def users(context: Context) -> list[str]:
    """Everybody who signs in from the network."""
    return [*USERS, *map(reader, context.settings.tenantReaders)]


def shards(context: Context) -> list[list[str]]:
    """The ClickHouse nodes' short names by shard. The first shard's are called as if there were no other."""
    replicas = range(1, context.settings.clickhouseReplicas + 1)
    return [
        [f"clickhouse-{number}" if shard == 1 else f"clickhouse-s{shard}-{number}" for number in replicas]
        for shard in range(1, context.settings.clickhouseShards + 1)
    ]


def servers(context: Context) -> list[str]:
    """The same of all shards, in the order in which they are changed."""
    return [node for nodes in shards(context) for node in nodes]


def keepers(context: Context) -> list[str]:
    """The Keepers' short names: none with a single node."""
    return [f"keeper-{number}" for number in range(1, KEEPERS + 1)] if context.settings.clickhouseReplicas > 1 else []


def host(context: Context) -> str:
    """The name that leads to all ClickHouse nodes."""
    return f"clickhouse.{zone(context)}"


def certificate_names(context: Context) -> dict[str, list[str]]:
    """Every node and Keeper to the names that its certificate is for."""
    domain = zone(context)
    return {
        **{node: [f"{node}.{domain}", host(context)] for node in servers(context)},
        **{keeper: [f"{keeper}.{domain}"] for keeper in keepers(context)},
    }
