"""What the containers read from the volume `configuration`: each part's own files, made from configs/ and the settings."""

from __future__ import annotations

from infra.collector_config import CollectorPlace, collector_config
from infra.compose.project import (
    CONFIGURATION,
    MEMORY_LIMIT_MIB,
    NATIVE_PORT,
    STACK,
    clickhouse_address,
    kafka_address,
    otlp_address,
)
from infra.config import PROJECT
from infra.dashboards.provisioning import FileSource, provisioning_files
from infra.endpoints import Direct, NoCredential, NoSignIn, OnePage, access_input
from infra.paths import CONFIGS
from infra.schema import DATABASE
from infra.settings import Settings
from infra.templates import render
from infra.worker.config import config_text

CLICKHOUSE = CONFIGS / "clickhouse"
CLICKHOUSE_DATA = "/var/lib/clickhouse"
MEMORY_RATIO = 0.5
"""Of the container's memory, for the whole server."""
QUERY_MEMORY_BYTES = 4 * 2**30
DASHBOARDS_SECONDS = 30
NETWORKS = ["127.0.0.1", "::1", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"]
"""From where ClickHouse's users come: loopback, and what Docker gives its networks (private addresses)."""
WORKER = "worker.json"


def files(settings: Settings) -> dict[str, str]:
    """Path below the volume to content. Raises UserError."""
    place = CollectorPlace("0.0.0.0", "", MEMORY_LIMIT_MIB)
    return {
        "collector/collector.yaml": collector_config(settings, kafka_address().bootstrap_servers, place),
        **{f"clickhouse/{path}": text for path, text in clickhouse_files(settings).items()},
        **{f"grafana/{path}": text for path, text in grafana_files(settings).items()},
        WORKER: worker_config(settings),
    }


def clickhouse_files(settings: Settings) -> dict[str, str]:
    """The server's configuration: the same as on a laptop, and what a container changes of it."""
    values = {
        "database": DATABASE,
        "data_dir": CLICKHOUSE_DATA,
        "schema_dir": f"{CONFIGURATION}/clickhouse/schemas",
        "http_port": settings.clickhousePort,
        "native_port": NATIVE_PORT,
        "server_logs": True,
        "memory_ratio": MEMORY_RATIO,
        "kafka_pool_size": 2 * settings.kafkaConsumers + 2,
        "max_query_memory_bytes": QUERY_MEMORY_BYTES,
        "dashboards_seconds": DASHBOARDS_SECONDS,
        "dashboards_password_sha256": "",
        "dashboards_networks": NETWORKS,
        "networks": NETWORKS,
        "readers": settings.tenantReaders,
    }
    made = {name: render(CLICKHOUSE / name, values) for name in ("config.xml", "users.xml")}
    for path in sorted([*CLICKHOUSE.glob("*.d/*.xml"), *(CLICKHOUSE / "compose").glob("*.d/*.xml")]):
        made[f"{path.parent.name}/{path.name}"] = render(path, values)
    schemas = {f"schemas/{path.name}": path.read_text() for path in sorted((CONFIGS / "otlp").glob("*.proto"))}
    return {**made, **schemas}


def grafana_files(settings: Settings) -> dict[str, str]:
    """Its ini, data source, dashboards and alert rules."""
    provisioning = f"{CONFIGURATION}/grafana/provisioning"
    address = clickhouse_address("dashboards")
    source = FileSource(address.host, address.port, address.user)
    values = {
        "written_by": "docker-compose.yml's `configure`",
        # The image takes its paths from variables alone.
        "paths": None,
        "provisioning": provisioning,
        "address": "0.0.0.0",
        "port": settings.dashboardsPort,
        "prefix": f"{PROJECT}-{STACK}",
        # With preinstall_disabled Grafana would not install the one that docker-compose.yml names either.
        "plugins_are_there": False,
    }
    found = provisioning_files(settings, STACK, source, provisioning)
    ini = render(CONFIGS / "grafana" / "grafana.ini", values)
    return {"grafana.ini": ini, **{f"provisioning/{path}": text for path, text in found.items()}}


def worker_config(settings: Settings) -> str:
    """What the worker reads."""
    kafka, clickhouse, otlp = kafka_address(), clickhouse_address(), otlp_address()
    metrics = f"http://collector:{settings.collectorMetricsPort}/metrics"
    return config_text(
        settings,
        {
            "bootstrap": kafka.bootstrap_servers,
            "protocol": kafka.security_protocol,
            "kafka_prefix": kafka.prefix,
            "clickhouse": {
                "host": clickhouse.host,
                "port": clickhouse.port,
                "user": clickhouse.user,
                "secure": clickhouse.secure,
            },
            "http": otlp.http_url,
            "grpc": otlp.grpc_target,
            "webhook_secret": None,
            "kafka_access": access_input(NoSignIn),
            "clickhouse_access": access_input(Direct),
            "otlp_access": access_input(NoCredential),
            "further_shards": [],
            "metrics_access": access_input(OnePage, name="collector", url=metrics),
        },
    )
