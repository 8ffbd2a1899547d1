"""A node's rendered configuration in an engine of its own, with an S3 that answers: for tests."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import boto3
from moto.server import ThreadedMotoServer

from infra.aws.clickhouse import names
from infra.aws.clickhouse.configuration import ServerValues, server_files
from infra.settings import Settings, parse_settings
from infra.tenant_views import reader

REGION = "eu-central-1"
DATA, BACKUPS = "data-bucket", "backup-bucket"
KEEPERS = ["keeper-1.test", "keeper-2.test", "keeper-3.test"]


def settings(**more: Any) -> Settings:
    given = {"platform": "aws", "env": "dev", "collectorAuth": "jwt", "grafanaMode": "none", "collectorZoneId": "Z1"}
    return parse_settings({**given, **more}, "test")


def files(keepers: list[str] | None = None, **more: Any) -> dict[str, str]:
    values = ServerValues("clickhouse-1", "clickhouse-1.test", ["10.80.0.0/16"], DATA, BACKUPS, keepers or [])
    return server_files(settings(**more), values)


GRAFANA = f"{names.SERVER_CONFIG}/users.d/20-grafana.xml"


class EngineError(Exception):
    """What the engine said."""


class Engine:
    """A node's configuration in an engine of its own, below a folder, its S3 elsewhere."""

    def __init__(
        self,
        folder: Path,
        s3: str,
        site: Path | None = None,
        changed: Callable[[dict[str, str]], dict[str, str]] = dict,
        **more: Any,
    ) -> None:
        places = {names.SLOW: "slow", names.HOT: "hot", names.SERVER_CONFIG: "etc", names.LOGS: "log"}
        for place in places.values():
            (folder / place).mkdir(parents=True)

        def moved(text: str) -> str:
            for path, place in places.items():
                text = text.replace(path, str(folder / place))
            return re.sub(rf"https://([a-z-]+)\.s3\.{REGION}\.amazonaws\.com", rf"{s3}/\1", text)

        given = {path: text for path, text in files(**more).items() if path.startswith(names.SERVER_CONFIG)}
        # chdb reads its users before the switch that this one needs; a server does not.
        del given[GRAFANA]
        given = changed(given)
        users = ["operator", *names.USERS, *map(reader, more.get("tenantReaders", []))]
        digest = hashlib.sha256(b"x").hexdigest()
        hidden = "".join(
            f'<{user}><password remove="1"/><password_sha256_hex>{digest}</password_sha256_hex></{user}>'
            for user in users
        )
        written = {
            **given,
            f"{names.SERVER_CONFIG}/users.d/90-passwords.xml": f"<clickhouse><users>{hidden}</users></clickhouse>",
            f"{names.SERVER_CONFIG}/config.d/90-kafka.xml": (
                "<clickhouse><kafka><sasl_username>u</sasl_username><sasl_password>p</sasl_password></kafka></clickhouse>"
            ),
            # The engine's only user here is `default`: it may everything, and be the others.
            f"{names.SERVER_CONFIG}/config.d/99-test.xml": (
                '<clickhouse><allow_impersonate_user replace="1">1</allow_impersonate_user></clickhouse>'
            ),
            f"{names.SERVER_CONFIG}/users.d/99-test.xml": (
                '<clickhouse><users><default><grants replace="1"><query>GRANT ALL ON *.* WITH GRANT OPTION</query></grants>'
                "</default></users></clickhouse>"
            ),
        }
        for path, text in written.items():
            target = Path(moved(path))
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(moved(text))
        self._folder, self._site = folder, site
        self.start()

    def start(self) -> None:
        """Once more, after `stop`."""
        folder = self._folder
        self.process = subprocess.Popen(
            [sys.executable, Path(__file__).parent / "engine_process.py", folder / "hot", folder / "etc/config.xml"],
            env={
                **os.environ,
                **({"PYTHONPATH": str(self._site)} if self._site else {}),
                "AWS_ACCESS_KEY_ID": "x",
                "AWS_SECRET_ACCESS_KEY": "x",
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def become(self, user: str) -> None:
        """From now on who asks is this user, with its grants and settings: without EXECUTE AS, which newer engines have
        only where access_control_improvements is read."""
        self.stop()
        found = ElementTree.parse(self._folder / "etc/users.xml").find(f"users/{user}")
        assert found is not None
        for name in ("password", "networks", "quota"):
            for child in found.findall(name):
                found.remove(child)
        found.tag = "default"
        found.set("replace", "1")
        found.append(ElementTree.fromstring("<no_password/>"))
        text = ElementTree.tostring(found, "unicode")
        (self._folder / "etc/users.d/99-test.xml").write_text(f"<clickhouse><users>{text}</users></clickhouse>")
        self.start()

    def rows(self, sql: str) -> list[dict[str, Any]]:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps({"sql": sql}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, "the engine ended"
        answer = json.loads(line)
        if "error" in answer:
            raise EngineError(answer["error"])
        return answer["rows"]

    def one(self, sql: str) -> Any:
        (row,) = self.rows(sql)
        (value,) = row.values()
        return value

    def query(self, sql: str) -> Any:
        """As clickhouse-connect's client, for the backup job."""
        return type("Result", (), {"result_rows": [list(row.values()) for row in self.rows(sql)]})

    def stop(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        try:
            self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()


@contextmanager
def s3_that_answers() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    # What a server of this process before it held is still there.
    urllib.request.urlopen(urllib.request.Request(f"{url}/moto-api/reset", method="POST"), timeout=30).close()
    yield url
    server.stop()


def buckets_of(s3: str) -> Any:
    made = boto3.client("s3", endpoint_url=s3, region_name=REGION, aws_access_key_id="x", aws_secret_access_key="x")
    for bucket in (DATA, BACKUPS):
        made.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    return made
