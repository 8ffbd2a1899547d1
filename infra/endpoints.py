"""The typed endpoints in which every part ends, and the access that opens one for a step."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:  # half a second of imports, and commands that only ask ClickHouse import this file
    import pulumi

AccessInput = dict[str, Any]
"""An access as a resource's input; steps make the object of it (access_from_dict). Ids and ARNs only."""


@dataclass(frozen=True)
class Reached:
    """Where a part answers while its access is open, and what it asks for. Lives in memory only."""

    host: str
    port: int
    password: str = field(default="", repr=False)
    ca_file: str = ""
    """The CA that its certificate must come from (a PEM file); '': the system's."""
    server_name: str = ""
    """The name that its certificate must hold; '': host. Another one behind a tunnel."""


class Access(Protocol):
    """Opens an address for one step and closes it again. Holds ids and ARNs, never secrets."""

    def open(self, host: str, port: int) -> AbstractContextManager[Reached]:
        """Where to connect to while the context is open."""
        ...


@dataclass(frozen=True)
class Direct:
    """The address can be reached as it stands, without a password."""

    @contextmanager
    def open(self, host: str, port: int) -> Iterator[Reached]:
        yield Reached(host, port)


class KafkaAccess(Protocol):
    """Lets a step in the cluster's network talk to the brokers."""

    def open(self) -> AbstractContextManager[dict[str, Any]]:
        """librdkafka's properties that sign in (text, or a function that makes a token), valid while it is open."""
        ...


@dataclass(frozen=True)
class NoSignIn:
    """The brokers ask for nothing."""

    @contextmanager
    def open(self) -> Iterator[dict[str, str]]:
        yield {}


class OtlpAccess(Protocol):
    """Opens the collector for one step: yields the request headers that identify it as `tenant`."""

    def open(self, tenant: str) -> AbstractContextManager[dict[str, str]]:
        """HTTP headers, valid while the context is open."""
        ...


@dataclass(frozen=True)
class NoCredential:
    """The collector takes the tenant from the payload (collectorAuth none)."""

    @contextmanager
    def open(self, tenant: str) -> Iterator[dict[str, str]]:
        yield {}


class MetricsAccess(Protocol):
    """Finds the collectors that run now."""

    def open(self) -> AbstractContextManager[Mapping[str, str]]:
        """A name for each, and the URL of its own metrics (Prometheus text)."""
        ...


@dataclass(frozen=True)
class OnePage:
    """One collector, always at the same address."""

    name: str
    url: str

    @contextmanager
    def open(self) -> Iterator[dict[str, str]]:
        yield {self.name: self.url}


class GrafanaAccess(Protocol):
    """Signs a step in to Grafana's HTTP API."""

    def open(self) -> AbstractContextManager[str]:
        """The bearer token, valid while the context is open."""
        ...


def access_input(kind: type, **args: pulumi.Input[Any]) -> AccessInput:
    """The access `kind(**args)` as a resource's input: ids that are not known yet are known when a step opens it."""
    return {"class": f"{kind.__module__}:{kind.__qualname__}", "args": args}


def access_from_dict(value: Mapping[str, Any]) -> Any:
    """The access that `access_input` describes. Raises ValueError for a class outside of this package."""
    module, _, name = str(value["class"]).partition(":")
    if not module.startswith("infra."):
        raise ValueError(f"access class {value['class']} is not one of ours")
    return getattr(importlib.import_module(module), name)(**value["args"])


NO_CREDENTIAL: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class KafkaAddress:
    """A Kafka cluster as a step sees it: plain values, no outputs."""

    bootstrap_servers: str
    """host:port, comma-separated."""
    security_protocol: str = "PLAINTEXT"
    prefix: str = ""
    """What the names of our topics and consumer groups begin with, on brokers that several stacks share."""

    def topic(self, name: str) -> str:
        """What the brokers call one of our topics."""
        return f"{self.prefix}{name}"

    def client_properties(self, credential: Mapping[str, Any]) -> dict[str, Any]:
        """librdkafka's properties for this cluster; `credential`: what its KafkaAccess yields."""
        return {
            "bootstrap.servers": self.bootstrap_servers,
            "security.protocol": self.security_protocol.lower(),
            **credential,
        }


@dataclass(frozen=True)
class ClickHouseAddress:
    """A ClickHouse HTTP interface as a step sees it: plain values, no outputs."""

    host: str
    port: int
    user: str = "default"
    secure: bool = False


@dataclass(frozen=True)
class OtlpAddress:
    """The collector's doors as a step sees them: plain values, no outputs."""

    http_url: str
    """http://host:port, without /v1/traces."""
    grpc_target: str
    """host:port."""


@dataclass(frozen=True)
class KafkaEndpoint:
    """Where Kafka listens."""

    bootstrap_servers: pulumi.Output[str]
    security_protocol: pulumi.Output[str]
    access: AccessInput
    """A KafkaAccess."""
    prefix: str = ""
    """What the names of our topics and consumer groups begin with, on brokers that several stacks share."""


@dataclass(frozen=True)
class ClickHouseEndpoint:
    """Where ClickHouse's HTTP interface listens."""

    host: pulumi.Output[str]
    port: pulumi.Output[int]
    user: pulumi.Output[str]
    secure: pulumi.Output[bool]
    schema_folder: pulumi.Output[str]
    """Where the engine finds the .proto files of configs/otlp."""
    access: AccessInput
    """An Access."""

    def address_inputs(self) -> dict[str, pulumi.Output[Any]]:
        """The fields of ClickHouseAddress, as a resource's inputs."""
        return {"host": self.host, "port": self.port, "user": self.user, "secure": self.secure}


@dataclass(frozen=True)
class OtlpEndpoint:
    """Where the collector takes OTLP."""

    http_url: pulumi.Output[str]
    grpc_target: pulumi.Output[str]
    access: AccessInput
    """An OtlpAccess."""
    metrics: AccessInput
    """A MetricsAccess: what the collectors say of themselves, for who is in their network."""


@dataclass(frozen=True)
class GrafanaEndpoint:
    """Where Grafana's HTTP API listens."""

    url: pulumi.Output[str]
    access: AccessInput
    """A GrafanaAccess."""


@dataclass(frozen=True)
class PartCost:
    """What one part of the stack costs, as far as it is known."""

    part: str
    usd_a_month: Decimal | None
    """Whatever the traffic."""
    usd_a_million_spans: Decimal | None
    """What each million spans adds."""
    reading: str
    """What it is, or why it is not known."""


@dataclass(frozen=True)
class Parts:
    """What a platform provides: the endpoints, and what tells that a part has changed."""

    kafka: KafkaEndpoint
    clickhouse: ClickHouseEndpoint
    otlp: OtlpEndpoint
    fingerprints: Mapping[str, pulumi.Output[str]]
    """Part to its version and configuration's hash: the canary runs again when one changes."""
    topics: Sequence[pulumi.Resource]
    """The Kafka topics: reading begins when they are there."""
    grafana: GrafanaEndpoint | None = None
    dashboards: ClickHouseEndpoint | None = None
    """ClickHouse as Grafana reaches it, by the user who can only read; there where grafana is."""
    readers: Mapping[str, ClickHouseEndpoint] = field(default_factory=dict)
    """The same by each tenant's own reader, who sees that tenant's rows alone."""
    further_shards: Sequence[ClickHouseEndpoint] = ()
    """ClickHouse's shards from the second on: each with tables, rows and steps of its own."""
    costs: Sequence[PartCost] = ()
    """What the stack itself costs."""


class Platform(Protocol):
    """Who provides the parts."""

    @property
    def parts(self) -> Parts:
        """What the platform provides."""
        ...

    @property
    def outputs(self) -> Mapping[str, pulumi.Input[Any]]:
        """What the stack says beside the endpoints."""
        ...

    def worker(self, after: Sequence[pulumi.Resource]) -> Sequence[pulumi.Resource]:
        """The worker (infra/worker) beside the parts, started once `after` is there. Returns what is there when it runs."""
        ...

    def guard(self, after: Sequence[pulumi.Resource]) -> None:
        """What keeps the parts from being destroyed while others use them, declared last: a destroy begins with it."""
        ...
