"""Key, network, firewall and Kafka declared together, as the platform does, for their tests."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from infra.aws.context import Context
from infra.aws.encryption import Encryption, EncryptionArgs
from infra.aws.firewall import Firewall, FirewallArgs
from infra.aws.kafka import Kafka, KafkaArgs
from infra.aws.network import Network, NetworkArgs
from infra.aws.vpc_endpoints import InterfaceEndpoints, InterfaceEndpointsArgs
from infra.settings import Settings
from tests.unit.aws.aws_settings import context
from tests.unit.aws.mocks import Cloud, program


@dataclass(frozen=True)
class Ground:
    """What was declared."""

    cloud: Cloud
    network: Network
    firewall: Firewall
    kafka: Kafka


def declare(found: Context, opts: pulumi.ResourceOptions | None = None) -> tuple[Network, Firewall, Kafka]:
    """The four parts, wired as the platform wires them."""
    key = Encryption("encryption", EncryptionArgs(found), opts).key_arn
    network = Network("network", NetworkArgs(found, key), opts)
    firewall = Firewall("firewall", FirewallArgs(found, network.vpc_id, network.nat_addresses), opts)
    InterfaceEndpoints("endpoints", InterfaceEndpointsArgs(found, network, firewall.endpoints), opts)
    return network, firewall, Kafka("kafka", KafkaArgs(found, network, firewall, key), opts)


def ground(settings: Settings, preview: bool = False) -> Ground:
    """The four parts under mocks."""
    with program(preview) as cloud:
        network, firewall, kafka = declare(context(settings))
    return Ground(cloud, network, firewall, kafka)
