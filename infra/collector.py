"""The collector in a container, whoever runs it: its memory, files, times, and what a platform gives and gets for it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from infra.endpoints import AccessInput, OtlpEndpoint

if TYPE_CHECKING:  # the key list's program shares this file and needs no Pulumi
    import pulumi

    from infra.settings import Settings

IMAGE = "collector-image"
"""In configs/versions.yaml."""
USER_ID = 10001
"""User and group of the collector's own image, and of the worker's."""
KEYS_FOLDER = "keys"
"""A folder in memory or on the task's disk that the program beside the collector fills."""
JWKS_FILE = f"/{KEYS_FOLDER}/jwks.json"
SIDE_MIB = 160
"""The program beside the collector; the rest of the memory is the collector's."""
LIMIT_SHARE = 0.8
"""Of the collector's memory: above it requests are refused, retryably. The rest is for what comes before the check."""
GO_SHARE = 0.8
"""Of that limit: from here on Go's collector works harder (GOMEMLIMIT)."""
DRAIN_SECONDS = 30
"""Until whoever balances the load sends nothing more to a collector that is to stop. Requests end within an SDK's timeout
of 10 s."""
STOP_SECONDS = 60
"""For what is in flight after that: three tries of one export take 13 s."""
SYNC_SECONDS = 20
CPU_PERCENT = 60
"""Of what is asked for; from here on collectors are added."""
MEMORY_PERCENT = 65
"""The same for memory, of the container's: above what Go's collector holds it at (LIMIT_SHARE times GO_SHARE, 64), below
where requests are refused."""


def memory_limit_mib(memory: int) -> int:
    """Where the collector refuses, when it and the program beside it have so many MiB."""
    return int((memory - SIDE_MIB) * LIMIT_SHARE)


def go_memory_limit(memory: int) -> str:
    """GOMEMLIMIT for the same."""
    return f"{int(memory_limit_mib(memory) * GO_SHARE)}MiB"


def config_hash(image: str, config: str) -> str:
    """Names one image with one configuration."""
    return hashlib.sha256(f"{image}\0{config}".encode()).hexdigest()[:16]


def workload_name(prefix: str) -> str:
    """Of the collectors in a cluster, and of their service account, which the cloud's trust names:
    agent-telemetry-dev-collector."""
    return f"{prefix}-collector"


@dataclass(frozen=True)
class SideProgram:
    """What runs beside each collector and fills KEYS_FOLDER; it is there once JWKS_FILE is."""

    image: pulumi.Input[str]
    command: Sequence[pulumi.Input[str]]
    environment: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Identity:
    """How pods prove who they are to the cloud that the other parts are in: a token of their service account."""

    audience: str
    token_variable: str
    """The environment variable that names the token's file."""
    environment: Mapping[str, pulumi.Input[str]]
    """What a program needs besides to be let in by it. No secret."""


@dataclass(frozen=True)
class CollectorNeeds:
    """What a platform gives to collectors that run elsewhere."""

    settings: Settings
    prefix: str
    """Leads every fixed name: agent-telemetry-dev."""
    brokers: pulumi.Input[str]
    """host:port, comma-separated."""
    kafka_ports: Sequence[int]
    kafka_cidrs: Sequence[str]
    """Where the brokers are, as far as that is known; empty: anywhere."""
    side: SideProgram
    identity: Identity
    kafka_files: Mapping[str, str]
    """username and password to the files in which the side program writes them; empty: the identity signs in itself."""
    kafka_version: pulumi.Input[str]
    """Changes with the password, for a running collector keeps the one that it started with."""
    access: AccessInput
    """How a step sends to them."""
    metrics: AccessInput
    """How the worker reads what they say of themselves."""
    topic_prefix: str = ""
    """What the topics' names begin with on brokers that several stacks share."""
    callers: pulumi.Input[Sequence[str]] = ()
    """Ranges of addresses from which our own canary comes, beside collectorAllowedCidrs."""
    kubeconfig: pulumi.Input[str] | None = None
    """None: the kubeconfig of whoever runs `up`, at the context of the settings."""
    version: pulumi.Input[str] = ""
    """The cluster's Kubernetes version, where it is known without asking the cluster."""
    after: Sequence[pulumi.Resource] = ()
    """What must be there before the first of them runs."""


class CollectorParts(Protocol):
    """Collectors that run."""

    endpoint: OtlpEndpoint
    fingerprint: pulumi.Output[str]
    """Changes with the image or the configuration."""
    address: pulumi.Output[str]
    """The host name or address that the domain has to lead to; '' while the cluster has none."""


class Elsewhere(Protocol):
    """Runs the collectors on another platform than the one that the other parts are on."""

    def __call__(self, name: str, needs: CollectorNeeds, opts: pulumi.ResourceOptions) -> CollectorParts:
        """Declares them."""
        ...
