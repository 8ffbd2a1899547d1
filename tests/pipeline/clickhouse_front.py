"""The front as its tests use it: a process of its own on a free port, with the shipped configuration."""

from __future__ import annotations

import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

import pytest
import urllib3

from infra.local.clickhouse import command
from infra.paths import CONFIGS
from infra.templates import render
from infra.tenant_views import VIEWS
from tests.ports import free_port


@dataclass
class Answer:
    """An HTTP answer, its body decompressed."""

    status: int
    headers: urllib3.HTTPHeaderDict
    data: bytes

    @property
    def text(self) -> str:
        return self.data.decode()


@dataclass
class Front:
    """A running front; `post` and `get` speak plain HTTP to it, as curl does."""

    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    readers: tuple[str, ...] = ()
    pool: urllib3.PoolManager = field(default_factory=lambda: urllib3.PoolManager(maxsize=16))

    def start(self) -> float:
        """Starts it on its folder and returns the seconds until it answered."""
        data, config = self.folder / "data", self.folder / "config.xml"
        values = {
            "data_dir": str(data),
            "schema_dir": str(CONFIGS / "otlp"),
            "http_port": self.port,
            "memory_ratio": 0.4,
            "max_query_memory_bytes": 1 << 30,
            "kafka_pool_size": 2,
            "server_logs": False,
            "dashboards_seconds": 30,
            "dashboards_networks": ["127.0.0.1", "::1"],
            "readers": self.readers,
            "reader_views": VIEWS,
            "dashboards_password_sha256": "",
            "database": "telemetry",
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        for name in ("config.xml", "users.xml"):
            (self.folder / name).write_text(render(CONFIGS / "clickhouse" / name, values))
        started = time.monotonic()
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command("chdb", data, config, self.port), stdout=log, stderr=log)
        while not self.answers():
            assert self.process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() - started < 60
            time.sleep(0.02)
        return time.monotonic() - started

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Ends it and returns its exit code."""
        assert self.process
        self.process.send_signal(how)
        return self.process.wait(60)

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/ping", timeout=1) as response:
                return response.read() == b"Ok.\n"
        except OSError:
            return False

    def request(
        self, method: str, body: bytes | str | None = None, headers: dict[str, str] | None = None, **query: str
    ) -> Answer:
        url = f"http://127.0.0.1:{self.port}/?{urlencode(query)}"
        response = self.pool.request(method, url, body=body, headers=headers, retries=False, timeout=60)
        return Answer(response.status, response.headers, response.data)

    def post(self, body: bytes | str, **query: str) -> Answer:
        return self.request("POST", body, None, **query)

    def get(self, **query: str) -> Answer:
        return self.request("GET", None, None, **query)

    def sql(self, statement: str | bytes, **query: str) -> str:
        """The answer's text of a statement that must succeed."""
        answer = self.post(statement, **query)
        assert answer.status == 200, answer.data
        return answer.text


@pytest.fixture(scope="module", name="front")
def running_front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    front = Front(tmp_path_factory.mktemp("front"))
    front.start()
    front.sql("CREATE DATABASE telemetry")
    yield front
    assert front.stop() == 0, (front.folder / "log").read_text()
