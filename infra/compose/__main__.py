"""`python -m infra.compose …`: what docker-compose.yml's own containers run beside the worker.

configure   writes the parts' configuration files
migrate     topics, tables, prices, retention, ingest, and one trace through all of it; the second time nothing is left to do
healthy     exits with 0 when the worker has said something lately
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from infra.errors import UserError


def main(arguments: list[str] | None = None) -> int:
    """Runs one of them; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m infra.compose", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True)
    configure = commands.add_parser("configure")
    configure.add_argument("--out", type=Path, required=True, help="the folder to write to")
    configure.set_defaults(run=_configure)
    migrate = commands.add_parser("migrate")
    migrate.add_argument("--kafka", help="Kafka's host:port as ClickHouse and this program reach it")
    migrate.add_argument("--clickhouse", help="its HTTP interface's host:port")
    migrate.add_argument("--otlp", help="the collector's http://host:port")
    migrate.add_argument(
        "--schema-folder", default="", help="where ClickHouse finds the .proto files; a server: its own"
    )
    migrate.set_defaults(run=_migrate)
    healthy = commands.add_parser("healthy")
    healthy.add_argument("--config", type=Path, required=True, help="the worker's configuration file")
    healthy.set_defaults(run=_healthy)
    args = parser.parse_args(arguments)
    try:
        return args.run(args)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _configure(args: argparse.Namespace) -> int:
    from infra.compose.files import files
    from infra.compose.project import compose_settings
    from infra.dashboards.provisioning import write_files

    made = files(compose_settings())
    try:
        write_files(args.out, made)
    except OSError as error:
        raise UserError(f"--out {args.out}: {error.strerror}; name a folder that you may write to") from None
    print(f"{len(made)} files in {args.out}")
    return 0


def _migrate(args: argparse.Namespace) -> int:
    from dataclasses import replace

    from infra.compose.project import clickhouse_address, compose_settings, kafka_address, otlp_address
    from infra.endpoints import KafkaAddress, OtlpAddress
    from infra.postdeploy.apply import Addresses, apply
    from infra.postdeploy.stack_costs import THIS_MACHINE

    clickhouse = clickhouse_address()
    if args.clickhouse:
        host, _, port = args.clickhouse.rpartition(":")
        if not host or not port.isdecimal():
            raise UserError(f"--clickhouse {args.clickhouse}: has to be host:port")
        clickhouse = replace(clickhouse, host=host, port=int(port))
    at = Addresses(
        KafkaAddress(args.kafka) if args.kafka else kafka_address(),
        clickhouse,
        OtlpAddress(args.otlp, "") if args.otlp else otlp_address(),
        args.schema_folder,
    )
    changed = apply(compose_settings(), at, [THIS_MACHINE], lambda line: print(line, flush=True))
    print(f"{changed} changed" if changed else "nothing changed")
    return 0


def _healthy(args: argparse.Namespace) -> int:
    from infra.compose.health import check

    check(args.config)
    return 0


if __name__ == "__main__":
    sys.exit(main())
