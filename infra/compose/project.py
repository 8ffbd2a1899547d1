"""docker-compose.yml, made from configs/compose/docker-compose.yml, the pinned versions and the settings of Pulumi.local.yaml."""

from __future__ import annotations

import configparser
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infra.config import file_settings, stack_file
from infra.endpoints import ClickHouseAddress, KafkaAddress, OtlpAddress
from infra.errors import UserError
from infra.guard import versions
from infra.kafka import message_max_bytes
from infra.paths import CONFIGS, ROOT
from infra.postdeploy.grafana_api import PLUGIN
from infra.settings import PORTS, Settings
from infra.templates import render

FILE = ROOT / "docker-compose.yml"
TEMPLATE = CONFIGS / "compose" / "docker-compose.yml"
STACK = "compose"
"""In the dashboards' titles and uids."""
SETTINGS_OF = "local"
"""The stack whose settings it takes, ports aside."""
KAFKA_HOST_PORT = 29092
NATIVE_PORT = 9000
CONFIGURATION = "/configuration"
"""Where each container finds the volume with the files of infra/compose/files.py."""
MEMORY_LIMIT_MIB = 1024
"""Above this the collector answers with a retryable refusal."""
MINIMUM = "2.17.0"
"""Of Docker Compose: depends_on's `restart` (compose specification, "depends_on")."""
IMAGES = {
    "kafka": "kafka-image",
    "clickhouse": "clickhouse-image",
    "grafana": "grafana-image",
    "collector": "collector-image",
    "python": "worker-base-image",
    "busybox": "busybox-image",
    "uv": "uv-image",
}
"""A word of the template to the entry of configs/versions.yaml, in `compose` or `deployed`."""


@dataclass(frozen=True)
class Door:
    """A port that is open on the host's loopback address."""

    inside: int
    """The container's."""
    variable: str
    """Of the environment or .env: the host's port."""
    host: int
    """The host's without that variable."""

    @property
    def port(self) -> str:
        """The host's port as Compose fills it in."""
        return f"${{{self.variable}:-{self.host}}}"

    def __str__(self) -> str:
        return f"127.0.0.1:{self.port}:{self.inside}"


def well_known(setting: str) -> int:
    """The port of a setting where nobody has set one."""
    return PORTS[setting][0]


def doors() -> dict[str, Door]:
    """Every open port by its name in the template."""
    same = {
        "otlp_grpc": ("TELEMETRY_OTLP_GRPC_PORT", well_known("otlpGrpcPort")),
        "otlp_http": ("TELEMETRY_OTLP_HTTP_PORT", well_known("otlpHttpPort")),
        "clickhouse_http": ("TELEMETRY_CLICKHOUSE_HTTP_PORT", well_known("clickhousePort")),
        "clickhouse_native": ("TELEMETRY_CLICKHOUSE_NATIVE_PORT", NATIVE_PORT),
        "grafana": ("TELEMETRY_GRAFANA_PORT", well_known("dashboardsPort")),
    }
    found = {name: Door(port, variable, port) for name, (variable, port) in same.items()}
    return {"kafka": Door(KAFKA_HOST_PORT, "TELEMETRY_KAFKA_PORT", KAFKA_HOST_PORT), **found}


def compose_settings() -> Settings:
    """Those of Pulumi.local.yaml with the well-known ports: each container has an address of its own. Raises UserError."""
    found = file_settings(SETTINGS_OF)
    outside = not (ROOT / found.budgetsFile).is_relative_to(CONFIGS)
    wrong = {
        "platform": found.platform != "local" and "only local",
        "collectorAuth": found.collectorAuth != "none" and "only none: there is no key list in a container",
        "tenantReaders": found.tenantReaders and "has to be empty: a server alone does not fence a reader",
        "budgetWebhookUrl": found.budgetWebhookUrl and "has to be empty: there is no signing secret in a container",
        "budgetsFile": outside and "has to lie below configs/, of which the image has a copy",
    }
    lines = [f"{stack_file(SETTINGS_OF)}: {key}: docker-compose.yml: {why}" for key, why in wrong.items() if why]
    if lines:
        raise UserError("\n".join(lines))
    return found.model_copy(update={"portBase": 0, **{key: known for key, (known, _) in PORTS.items()}})


def kafka_address() -> KafkaAddress:
    """Kafka as other containers see it."""
    return KafkaAddress(f"kafka:{well_known('kafkaPort')}")


def clickhouse_address(user: str = "default") -> ClickHouseAddress:
    """ClickHouse as other containers see it."""
    return ClickHouseAddress("clickhouse", well_known("clickhousePort"), user)


def otlp_address() -> OtlpAddress:
    """The collector as other containers see it."""
    http, grpc = well_known("otlpHttpPort"), well_known("otlpGrpcPort")
    return OtlpAddress(f"http://collector:{http}", f"collector:{grpc}")


def image(name: str) -> str:
    """An image by digest where one is pinned, else by tag."""
    known = versions()
    entry = {**known["deployed"], **known["compose"]}[name]
    tagged = f"{entry['image']}:{entry['version']}"
    return f"{tagged}@{entry['pin']}" if entry["pin"] else tagged


def kafka_environment(settings: Settings) -> dict[str, str]:
    """configs/kafka/server.properties as the image takes it (its "Docker Image Usage Guide", "Using Environment Variables"),
    with a listener for the other containers and one for the host."""
    port, controller = settings.kafkaPort, settings.kafkaControllerPort
    values = {
        "port": port,
        "controller_port": controller,
        "data": "/var/lib/kafka/data",
        "message_max_bytes": message_max_bytes(settings),
    }
    found = properties(render(CONFIGS / "kafka" / "server.properties", values))
    host = doors()["kafka"]
    here = {
        "listeners": f"PLAINTEXT://0.0.0.0:{port},HOST://0.0.0.0:{host.inside},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": f"PLAINTEXT://{kafka_address().bootstrap_servers},HOST://127.0.0.1:{host.port}",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,HOST:PLAINTEXT",
    }
    return {variable(key): value for key, value in {**found, **here}.items()}


def properties(text: str) -> dict[str, str]:
    """A .properties file's, comments left out."""
    parser = configparser.RawConfigParser(delimiters="=", comment_prefixes="#")
    parser.optionxform = str  # type: ignore[assignment]
    parser.read_string(f"[all]\n{text}")
    return dict(parser["all"])


def variable(key: str) -> str:
    """The variable for a property of Kafka's."""
    return "KAFKA_" + key.replace("_", "__").replace("-", "___").replace(".", "_").upper()


def project_text() -> str:
    """docker-compose.yml. Raises UserError."""
    settings = compose_settings()
    plugin = f"{PLUGIN}@{versions()['compose']['grafana-clickhouse-plugin']['version']}"
    values: Mapping[str, Any] = {
        "minimum": MINIMUM,
        "images": {word: image(name) for word, name in IMAGES.items()},
        "doors": doors(),
        "kafka_environment": kafka_environment(settings),
        "kafka_heap_mib": settings.kafkaHeapMiB,
        "kafka_port": settings.kafkaPort,
        "clickhouse_port": settings.clickhousePort,
        "grafana_port": settings.dashboardsPort,
        "health_port": settings.collectorHealthPort,
        "collector_memory_mib": MEMORY_LIMIT_MIB,
        "grafana_plugin": plugin,
        "configuration": CONFIGURATION,
    }
    return render(TEMPLATE, values)
