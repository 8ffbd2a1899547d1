"""docker-compose.yml's containers without Docker: each part's real program with what its container would be given, the names and
ports of the containers' network moved to free ones of loopback.

Two parts are not the container's own: the engine in place of clickhouse-server is chdb behind its front, and Kafka is started from
its jars by the class that the image's entry point runs (kafka.docker.KafkaDockerWrapper).
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from infra.compose.files import CLICKHOUSE_DATA
from infra.compose.project import CONFIGURATION
from infra.local.clickhouse import command as clickhouse_command
from infra.local.toolchain import ensure
from infra.paths import CONFIGS
from tests.compose_project import load
from tests.dockerfile import Program
from tests.ports import free_port

CLUSTER_ID = "5L6g3nShT-eMCtK--X86sw"
"""The image's own, where nobody gives another."""
CHDB = {
    # chdb reads its users before the switch that this one needs; a server does not.
    "users.d/20-grafana.xml": "<clickhouse/>",
    # Its front has one user and is the others.
    "config.d/99-test.xml": '<clickhouse><allow_impersonate_user replace="1">1</allow_impersonate_user></clickhouse>',
}
READY_SECONDS = 90
PYTHON = (sys.executable, "-S")
"""Without the packages that lie beside it: the program has to do with the image's own."""


@dataclass
class World:
    """The parts of one docker-compose.yml, each started by a test when it needs it."""

    folder: Path
    program: Program
    project: dict[str, Any] = field(default_factory=load)
    processes: dict[str, subprocess.Popen[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        inside = [9092, 29092, 9093, 8123, 9000, 4317, 4318, 13133, 8888]
        self.ports = {port: free_port() for port in inside}

    @property
    def configuration(self) -> Path:
        return self.folder / "configuration"

    def moved(self, text: str) -> str:
        """The text with loopback's ports and this world's folders."""

        def here(found: re.Match[str]) -> str:
            now = self.ports.get(int(found[2]))
            return f"127.0.0.1{found[1]}{now}" if now else found[0]

        text = re.sub(r"(?:kafka|clickhouse|collector|127\.0\.0\.1|0\.0\.0\.0)([:/])(\d+)\b", here, text)
        return text.replace(CONFIGURATION, str(self.configuration))

    def python(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Runs the image's entry point with a container's command."""
        return subprocess.run(
            [*PYTHON, *words],
            cwd=self.program.app,
            env={**self.program.environment(), **more},
            capture_output=True,
            text=True,
            timeout=180,
        )

    def words(self, service: str) -> list[str]:
        """A container's command."""
        return [self.moved(word) for word in self.project["services"][service]["command"]]

    def configure(self) -> None:
        """Runs `configure`, then moves what it wrote."""
        done = self.python(*self.words("configure"))
        assert done.returncode == 0, done.stderr
        for path in self.configuration.rglob("*"):
            if path.suffix in (".yaml", ".json", ".xml", ".ini"):
                path.write_text(self.moved(path.read_text()))
        worker = self.configuration / "worker.json"
        told = json.loads(worker.read_text())
        told["clickhouse"] |= {"host": "127.0.0.1", "port": self.ports[told["clickhouse"]["port"]]}
        worker.write_text(json.dumps(told))

    def migrate_words(self) -> list[str]:
        """`migrate` at this world's addresses; chdb finds the schema by an absolute path."""
        kafka, clickhouse = self.moved("kafka:9092"), self.moved("clickhouse:8123")
        where = ["--kafka", kafka, "--clickhouse", clickhouse, "--otlp", f"http://{self.moved('collector:4318')}"]
        return [*self.words("migrate"), *where, "--schema-folder", str(CONFIGS / "otlp")]

    def migrate(self) -> subprocess.CompletedProcess[str]:
        return self.python(*self.migrate_words())

    def kafka_properties(self) -> Path:
        """What the image's entry point makes of the container's environment; formats the storage as well."""
        tools = ensure(["kafka"])
        mounted, final = self.folder / "mounted", self.folder / "final"
        defaults = self.folder / "defaults"
        for made in (mounted, final, defaults):
            made.mkdir(exist_ok=True)
        for name in ("server.properties", "log4j2.yaml", "tools-log4j2.yaml"):
            (defaults / name).write_text("")
        given = self.project["services"]["kafka"]["environment"]
        environment = {name: self.moved(value) for name, value in given.items()}
        environment["KAFKA_LOG_DIRS"] = str(self.folder / "kafka")
        wrapper = [str(tools.java), "-cp", tools.kafka_classpath, "kafka.docker.KafkaDockerWrapper", "setup"]
        folders = ["-D", str(defaults), "-M", str(mounted), "-F", str(final)]
        done = subprocess.run(
            [*wrapper, *folders],
            env={"PATH": os.environ["PATH"], "CLUSTER_ID": CLUSTER_ID, **environment},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0 or "already formatted" in done.stdout + done.stderr, done.stdout + done.stderr
        return final / "server.properties"

    def start_kafka(self) -> None:
        properties = self.kafka_properties()
        tools = ensure(["kafka"])
        heap = self.project["services"]["kafka"]["environment"]["KAFKA_HEAP_OPTS"]
        log = f"-Dlog4j2.configurationFile={tools.kafka_log_config}"
        self._start("kafka", [str(tools.java), heap, log, "-cp", tools.kafka_classpath, "kafka.Kafka", str(properties)])
        self.until(lambda: self.health("kafka") == 0, "kafka's health check")

    def start_clickhouse(self) -> None:
        """chdb by the server's configuration."""
        etc, data = self.configuration / "clickhouse", self.folder / "clickhouse"
        for path in etc.rglob("*.xml"):
            path.write_text(path.read_text().replace(CLICKHOUSE_DATA, str(data)))
        for name, text in CHDB.items():
            (etc / name).write_text(text)
        port = self.ports[8123]
        config = (etc / "config.xml").read_text().replace("<http_port>8123<", f"<http_port>{port}<")
        (etc / "config.xml").write_text(config)
        self._start("clickhouse", clickhouse_command("chdb", data, etc / "config.xml", port))
        self.until(lambda: self.get(f"http://127.0.0.1:{port}/ping") == 200, "clickhouse's /ping")

    def start_collector(self) -> None:
        config = self.configuration / "collector" / "collector.yaml"
        text = yaml.safe_load(config.read_text())
        # A host and a port apart.
        reader = text["service"]["telemetry"]["metrics"]["readers"][0]["pull"]["exporter"]["prometheus"]
        reader["port"] = self.ports[8888]
        config.write_text(yaml.safe_dump(text))
        service = self.project["services"]["collector"]
        self._start(
            "collector", [str(ensure(["collector"]).collector), *self.words("collector")], service["environment"]
        )
        url = self.moved(service["healthcheck"]["test"][-1])
        self.until(lambda: self.get(url) == 200, "the collector's health check")

    def start_worker(self) -> None:
        self._start("worker", [*PYTHON, *self.words("worker")], self.program.environment(), self.program.app)

    def health(self, service: str) -> int:
        """The exit code of a container's health check."""
        test = [self.moved(word) for word in self.project["services"][service]["healthcheck"]["test"][1:]]
        if test[0] == "python":
            return self.python(*test[1:]).returncode
        return subprocess.run(test, capture_output=True, timeout=30).returncode

    def get(self, url: str) -> int:
        with suppress(OSError), urllib.request.urlopen(url, timeout=2) as answer:
            return answer.status
        return 0

    def until(self, condition: Callable[[], Any], what: str, seconds: float = READY_SECONDS) -> None:
        began = time.monotonic()
        while not condition():
            for name, process in self.processes.items():
                assert process.poll() is None, f"{name} ended: {self.log(name)}"
            assert time.monotonic() - began < seconds, (
                f"{what}: not in {seconds} s; {list(map(self.log, self.processes))}"
            )
            time.sleep(0.1)

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")[-3000:]

    def _start(
        self, name: str, command: list[str], environment: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> None:
        with (self.folder / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen(
                command, env={**os.environ, **(environment or {})}, cwd=cwd, stdout=log, stderr=log
            )

    def stop(self) -> None:
        for name in reversed(list(self.processes)):
            self.processes[name].send_signal(signal.SIGTERM)
            try:
                self.processes[name].wait(30)
            except subprocess.TimeoutExpired:
                self.processes[name].kill()
                self.processes[name].wait(10)


@contextmanager
def compose_world(folder: Path, program: Program) -> Iterator[World]:
    """A world whose processes end with it."""
    made = World(folder, program)
    try:
        yield made
    finally:
        made.stop()
