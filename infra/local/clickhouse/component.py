"""ClickHouse on this machine: chdb-core behind the HTTP interface or a real server, a ClickHouseEndpoint out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pulumi

from infra.endpoints import ClickHouseEndpoint, Direct, access_input
from infra.local.clickhouse import command
from infra.local.folder import Folder
from infra.local.process import Process, ProcessArgs, digest
from infra.local.toolchain import find_clickhouse
from infra.local.toolchain.versions import version_of
from infra.paths import CONFIGS
from infra.schema import DATABASE
from infra.settings import Settings
from infra.templates import render
from infra.tenant_views import VIEWS

MEMORY_RATIO = 0.5
"""Of the machine's memory, for the whole server."""
QUERY_MEMORY_BYTES = 4 * 2**30
DASHBOARDS_SECONDS = 30


def schema_folder(server: bool) -> str:
    """Where the engine finds the .proto files: chdb only by an absolute path, which a server prohibits.

    A server looks in its own format_schema_path: ''.
    """
    return "" if server else str(CONFIGS / "otlp")


@dataclass(frozen=True)
class ClickHouseArgs:
    """What the local ClickHouse needs."""

    settings: Settings
    run: Path
    data: Path


def config_files(args: ClickHouseArgs, server: bool) -> dict[Path, str]:
    """config.xml and users.xml; `server`: for a real `clickhouse server` rather than chdb."""
    values = {
        "database": DATABASE,
        "data_dir": args.data,
        "schema_dir": str(CONFIGS / "otlp"),
        "http_port": args.settings.clickhousePort,
        "server_logs": server,
        "memory_ratio": MEMORY_RATIO,
        "kafka_pool_size": 2 * args.settings.kafkaConsumers + 2,
        "max_query_memory_bytes": QUERY_MEMORY_BYTES,
        "dashboards_seconds": DASHBOARDS_SECONDS,
        "dashboards_password_sha256": "",
        "dashboards_networks": ["127.0.0.1", "::1"],
        "readers": args.settings.tenantReaders,
        "reader_views": VIEWS,
    }
    folder = args.run / "clickhouse"
    return {folder / name: render(CONFIGS / "clickhouse" / name, values) for name in ("config.xml", "users.xml")}


class ClickHouse(pulumi.ComponentResource):
    """One ClickHouse on loopback. `endpoint` is its HTTP interface; `fingerprint` changes with its configuration."""

    endpoint: ClickHouseEndpoint
    fingerprint: pulumi.Output[str]

    def __init__(self, name: str, args: ClickHouseArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("agent-telemetry:local:ClickHouse", name, None, opts)
        found = find_clickhouse()
        engine, version = (found[0], found[1]) if found else ("chdb", version_of("chdb-core"))
        files = config_files(args, server=found is not None)
        port = args.settings.clickhousePort
        data = Folder(f"{name}-data", args.data, pulumi.ResourceOptions(parent=self))
        process = Process(
            f"{name}-process",
            "clickhouse",
            ProcessArgs(
                run=args.run,
                command=command(engine, args.data, args.run / "clickhouse" / "config.xml", port),
                ports={"clickhousePort": port},
                ready_url=f"http://127.0.0.1:{port}/ping",
                files={str(path): text for path, text in files.items()},
                # supervisor watches the server: a watchdog between them would be what it sees and signals.
                environment={"CLICKHOUSE_WATCHDOG_ENABLE": "0"} if found else {},
                version=version,
                stop_seconds=60,
            ),
            pulumi.ResourceOptions(parent=self, depends_on=[data]),
        )
        self.fingerprint = pulumi.Output.from_input(digest(version, *files.values()))
        self.endpoint = ClickHouseEndpoint(
            host=process.process.apply(lambda _: "127.0.0.1"),
            port=process.process.apply(lambda _: port),
            user=pulumi.Output.from_input("default"),
            secure=pulumi.Output.from_input(False),
            schema_folder=pulumi.Output.from_input(schema_folder(server=found is not None)),
            access=access_input(Direct),
        )
        self.register_outputs({"host": self.endpoint.host, "port": self.endpoint.port})
