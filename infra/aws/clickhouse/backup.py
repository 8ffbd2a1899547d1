"""`python -m infra.aws.clickhouse.backup --config-env VARIABLE`: one backup of ClickHouse to S3, as a scheduled job.

A full one every 30 days, between them what is new since the last full one, so that a restore never needs more than
two. Objects expire by the bucket's lifecycle (storage.py).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from infra.aws.access import InVpc
from infra.aws.api import as_user_error, client
from infra.aws.clickhouse.names import FULL, FULL_EVERY_DAYS, INCREMENT
from infra.clickhouse import connect, first_line
from infra.endpoints import ClickHouseAddress
from infra.errors import UserError
from infra.paths import SQL
from infra.schema import DATABASE
from infra.templates import render, sql_string

DATABASES = (DATABASE, f"{DATABASE}_tenant")
STAMP = "%Y-%m-%dT%H-%M-%SZ"
POLL_SECONDS = 5.0
LONGEST_SECONDS = 12 * 3600
DONE = ".backup"
"""The file that ClickHouse writes last."""


@dataclass(frozen=True)
class BackupConfig:
    """What the job is told. Holds no secret."""

    region: str
    hosts: list[str]
    """The nodes' names: the first that answers makes the backup, and is asked how far it is."""
    port: int
    secret_arn: str
    ca_pem: str
    bucket: str
    folder: str = ""
    """Below full/ and increment/: of a further shard."""


@dataclass(frozen=True)
class Backup:
    """A backup that is complete."""

    name: str
    base: str
    """The full one that it needs; '': it is one."""
    files: int
    bytes: int
    seconds: int


def config_from(variable: str) -> BackupConfig:
    """The configuration in an environment variable. Raises UserError."""
    try:
        return BackupConfig(**json.loads(os.environ[variable]))
    except (KeyError, ValueError, TypeError) as error:
        raise UserError(f"{variable}: no backup configuration ({error!r}); the next `up` sets it") from None


def complete(s3: Any, bucket: str, prefix: str) -> list[str]:
    """The backups below the prefix that were finished, oldest first."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, Delimiter="/")
    with as_user_error(f"backups in {bucket}"):
        names = [item["Prefix"].rstrip("/") for page in pages for item in page.get("CommonPrefixes", [])]
        return sorted(name for name in names if finished(s3, bucket, name))


def finished(s3: Any, bucket: str, name: str) -> bool:
    """Whether all of the backup is there."""
    found = s3.list_objects_v2(Bucket=bucket, Prefix=f"{name}/{DONE}", MaxKeys=1)
    return any(item["Key"] == f"{name}/{DONE}" for item in found.get("Contents", []))


def choose(full: Sequence[str], now: datetime, folder: str = "") -> tuple[str, str]:
    """The new backup's name, and the full one that it is based on ('': it becomes one itself)."""
    stamp = now.strftime(STAMP)
    for name in reversed(full):
        made = datetime.strptime(name.removeprefix(FULL + folder), STAMP).replace(tzinfo=UTC)
        if now - made < timedelta(days=FULL_EVERY_DAYS):
            return f"{INCREMENT}{folder}{stamp}", name
    return f"{FULL}{folder}{stamp}", ""


def make(ch: Client, s3: Any, bucket: str, now: datetime, folder: str = "") -> Backup:
    """Makes one backup and returns when it is complete. Raises UserError when it is not."""
    name, base = choose(complete(s3, bucket, FULL + folder), now, folder)
    quoted = ", ".join(sql_string(database) for database in DATABASES)
    try:
        databases = [row[0] for row in ch.query(_sql("databases", databases=quoted)).result_rows]
        left_out = {database: [] for database in databases}
        for database, table in ch.query(_sql("left_out", databases=quoted)).result_rows:
            left_out[database].append(table)
        # A list of tables ends only with the statement's: the database that has one comes last.
        databases.sort(key=lambda database: bool(left_out[database]))
        statement = _sql("backup", databases=databases, left_out=left_out, name=name, base=base)
        id_ = str(ch.query(statement).result_rows[0][0])
        files, size, seconds = _wait(ch, id_, name)
    except ClickHouseError as error:
        raise UserError(f"backup {name}: {first_line(error)}") from error
    with as_user_error(f"backup {name}"):
        if not finished(s3, bucket, name):
            raise UserError(f"backup {name}: ClickHouse calls it complete, and s3://{bucket}/{name}/{DONE} is missing")
    return Backup(name, base, files, size, seconds)


def _wait(ch: Client, id_: str, name: str) -> tuple[int, int, int]:
    deadline = time.monotonic() + LONGEST_SECONDS
    while True:
        rows = ch.query(_sql("status", id=id_)).result_rows
        if not rows:
            raise UserError(
                f"backup {name}: the node does not know it any more (it was restarted?); the next one counts"
            )
        status, error, files, _, size, seconds = rows[0]
        if status == "BACKUP_CREATED":
            return int(files), int(size), int(seconds)
        if status != "CREATING_BACKUP":
            raise UserError(f"backup {name}: {status}: {str(error).partition('Stack trace')[0][:1000]}")
        if time.monotonic() > deadline:
            raise UserError(f"backup {name}: not done after {LONGEST_SECONDS // 3600} hours")
        time.sleep(POLL_SECONDS)


def _sql(file: str, /, **values: Any) -> str:
    return render(SQL / "backup" / f"{file}.sql", values)


def run(config: BackupConfig, now: datetime) -> Backup:
    """One backup by the first node that answers. Raises UserError with what each of them said."""
    access = InVpc(config.region, config.secret_arn, config.ca_pem)
    said = []
    for host in config.hosts:
        opened = connect(ClickHouseAddress(host, config.port, "worker", True), access)
        try:
            ch = opened.__enter__()
        except UserError as error:
            said.append(f"{host}: {error}")
            continue
        try:
            return make(ch, client("s3", config.region), config.bucket, now, config.folder)
        finally:
            opened.__exit__(None, None, None)
    raise UserError("no node makes a backup:\n" + "\n".join(said))


def main(arguments: Sequence[str] | None = None) -> int:
    """One backup; its figures as a line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m infra.aws.clickhouse.backup", description=__doc__)
    parser.add_argument("--config-env", required=True, help="the variable that holds the configuration")
    try:
        made = run(config_from(parser.parse_args(arguments).config_env), datetime.now(UTC))
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    report: Mapping[str, Any] = asdict(made)
    print(json.dumps(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
