"""What a node runs by: its files rendered from configs/clickhouse, and the bundle that brings them with the program that
applies them (apply/). A bundle is one JSON object, path to text, so that a preview shows which line changes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.aws.clickhouse import names
from infra.guard import versions
from infra.paths import CONFIGS
from infra.schema import DATABASE
from infra.settings import Settings
from infra.settings.instances import memory_gib
from infra.shards import ALL, CLUSTER
from infra.templates import render
from infra.tenant_views import TENANT_DATABASE, VIEWS, definer
from infra.worker.statements import ROLLUPS

SHARED = CONFIGS / "clickhouse"
OURS = SHARED / "aws"
APPLY = Path(__file__).parent / "apply"
DASHBOARDS_SECONDS = 30
READY_PORT = 9182
EXPIRY = "/opt/agent-telemetry/expiry.py"
"""Where apply/ puts the program of that name."""
SERVER_UNIT, KEEPER_UNIT = "clickhouse-server", "clickhouse-keeper"


@dataclass(frozen=True)
class ServerValues:
    """What differs between a stack's servers, and what is known only once other parts are made."""

    node: str
    host: str
    networks: Sequence[str]
    data_bucket: str
    backup_bucket: str
    keepers: Sequence[str]
    """Their host names; none without replicas."""
    shard: int = 1
    cluster: Sequence[Sequence[str]] = ()
    """Every shard's servers by their host names."""


def package() -> dict[str, str]:
    """Where ClickHouse's program comes from: the archive of the pinned version, and its sha512 where it is pinned."""
    entry = versions()["deployed"]["clickhouse"]
    version = str(entry["version"])
    return {"package": entry["archive"].format(version=version), "version": version, "pin": entry["pin"]}


def query_memory_bytes(settings: Settings) -> int:
    """What one query may use: half of the smallest server's memory that a stack like this has."""
    return int(memory_gib(settings.clickhouseInstanceType) * 2**30 / 2)


def server_files(settings: Settings, values: ServerValues) -> dict[str, str]:
    """A server's configuration, path to text. Credentials are not among it: the node adds them."""
    shared = {
        "database": DATABASE,
        "data_dir": names.HOT,
        "schema_dir": names.SCHEMAS,
        "http_port": 8123,
        "server_logs": True,
        "memory_ratio": 0.85,
        "kafka_pool_size": 2 * settings.kafkaConsumers + 2,
        "max_query_memory_bytes": query_memory_bytes(settings),
        "dashboards_seconds": DASHBOARDS_SECONDS,
        "dashboards_password_sha256": "",
        "dashboards_networks": values.networks,
        "readers": settings.tenantReaders,
        "reader_views": VIEWS,
        "over_all_shards": [ALL] * (len(values.cluster) > 1),
    }
    region = settings.awsRegion
    ours = {
        "database": DATABASE,
        "node": values.node,
        "host": values.host,
        "keepers": values.keepers,
        "shard": values.shard,
        "cluster": CLUSTER,
        "shards": values.cluster,
        "over_all_shards": [ALL] * (len(values.cluster) > 1),
        "networks": values.networks,
        "rollups": list(ROLLUPS.values()),
        "definers": list(map(definer, settings.tenantReaders)),
        "fsync": settings.clickhouseFsync,
        "dashboards_seconds": DASHBOARDS_SECONDS,
        "secret_folder": f"{names.SERVER_CONFIG}/tls",
        "log_folder": names.LOGS,
        "hot_folder": names.HOT,
        "slow_folder": names.SLOW,
        "region": region,
        "cache_bytes": settings.clickhouseCacheGiB * 2**30,
        "data_endpoint": f"https://{values.data_bucket}.s3.{region}.amazonaws.com/{names.DATA_PREFIX}{values.node}/",
        "backup_endpoint": f"https://{values.backup_bucket}.s3.{region}.amazonaws.com/",
        "mechanism": "SCRAM-SHA-512" if settings.kafkaAuth == "scram" else "",
    }
    files = {f"{names.SERVER_CONFIG}/{name}": render(SHARED / name, shared) for name in ("config.xml", "users.xml")}
    for path in sorted([*SHARED.glob("*.d/*.xml"), *OURS.glob("*.d/*.xml")]):
        wanted = {"50-replication.xml": bool(values.keepers), "60-shards.xml": len(values.cluster) > 1}
        if wanted.get(path.name, True):
            files[f"{names.SERVER_CONFIG}/{path.parent.name}/{path.name}"] = render(path, ours)
    for path in sorted((CONFIGS / "otlp").glob("*.proto")):
        files[f"{names.SCHEMAS}/{path.name}"] = path.read_text()
    files |= _unit("server", SERVER_UNIT, f"{names.SERVER_CONFIG}/config.xml", [names.HOT, names.SLOW])
    return files


def keeper_files(number: int, keepers: Sequence[str]) -> dict[str, str]:
    """The `number`th Keeper's configuration."""
    values = {
        "data_folder": names.KEEPER,
        "log_folder": names.LOGS,
        "secret_folder": f"{names.KEEPER_CONFIG}/tls",
        "number": number,
        "ready_port": READY_PORT,
        "keepers": keepers,
    }
    files = {f"{names.KEEPER_CONFIG}/config.xml": render(OURS / "keeper.xml", values)}
    return files | _unit("keeper", KEEPER_UNIT, f"{names.KEEPER_CONFIG}/config.xml", [names.KEEPER])


def _unit(role: str, unit: str, config: str, folders: Sequence[str]) -> dict[str, str]:
    text = render(OURS / "clickhouse.service", {"role": role, "config": config, "data_folders": folders})
    return {f"/etc/systemd/system/{unit}.service": text}


def agent_config(region: str, node: str, log_group: str, mounts: Sequence[str], logs: Sequence[str]) -> str:
    """The CloudWatch agent's configuration."""
    values = {"region": region, "namespace": names.METRICS, "node": node, "log_group": log_group}
    return render(OURS / "cloudwatch-agent.json", {**values, "mounts": list(mounts), "logs": list(logs)})


def server_plan(node: str, host: str, replicated: bool, shard: int = 1, shards: int = 1) -> dict[str, Any]:
    """What apply/ does for a server beside writing its files."""
    databases = [DATABASE, TENANT_DATABASE, *([ALL] if shards > 1 else [])]
    return {
        **_plan("server", SERVER_UNIT, node, host, names.SERVER_CONFIG),
        "folders": [names.HOT, names.SLOW, names.LOGS],
        "owned_folders": [f"{names.SERVER_CONFIG}/config.d", f"{names.SERVER_CONFIG}/users.d"],
        "error_log": f"{names.LOGS}/clickhouse-server.err.log",
        "replicated": replicated,
        # All that is in them is on every node (docs/decisions/0008-replicas.md).
        "databases": databases if replicated else [],
        "shard": shard,
        "cluster": CLUSTER if shards > 1 else "",
        "https_port": names.HTTPS_PORT,
        "tls_port": names.HTTPS_PORT,
    }


def keeper_plan(node: str, host: str, peers: Sequence[str]) -> dict[str, Any]:
    """The same for a Keeper; `peers`: the others' host names."""
    return {
        **_plan("keeper", KEEPER_UNIT, node, host, names.KEEPER_CONFIG),
        "folders": [names.KEEPER, names.LOGS],
        "owned_folders": [],
        "error_log": f"{names.LOGS}/clickhouse-keeper.err.log",
        "peers": list(peers),
        "ready_port": READY_PORT,
        "tls_port": names.KEEPER_PORT,
    }


def _plan(role: str, unit: str, node: str, host: str, config: str) -> dict[str, Any]:
    return {"role": role, "unit": unit, "name": node, "host": host, "secret_folder": f"{config}/tls", **package()}


def expiry_files(plan: Mapping[str, Any]) -> dict[str, str]:
    """The systemd units that measure how long the node's certificates are still good for."""
    values = {
        "program": EXPIRY,
        "region": plan["region"],
        "namespace": names.METRICS,
        "folder": plan["secret_folder"],
        "host": plan["host"],
        "port": plan["tls_port"],
    }
    return {f"expiry/{kind}": render(OURS / f"expiry.{kind}", values) for kind in ("service", "timer")}


def bundle(plan: Mapping[str, Any], files: Mapping[str, str], agent: str) -> str:
    """Everything in one JSON object, path to text."""
    parts = {f"apply/{path.name}": path.read_text() for path in sorted(APPLY.glob("*.py"))}
    parts |= {f"files{path}": text for path, text in files.items()}
    parts |= expiry_files(plan)
    parts |= {"plan.json": json.dumps(plan, sort_keys=True, indent=1), "cloudwatch-agent.json": agent}
    return json.dumps(parts, sort_keys=True, indent=1)


def file_hashes(text: str) -> dict[str, str]:
    """Path to a short hash of everything in a bundle, as a preview names what changes."""
    return {path: hashlib.sha256(part.encode()).hexdigest()[:12] for path, part in json.loads(text).items()}
