"""What collectors need to write to Kafka, wherever they run: brokers, the user that they sign in as, what it waits for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

from infra.aws.ecs import secret_statements
from infra.aws.kafka import Kafka
from infra.settings import Settings

USER = "collector"


@dataclass(frozen=True)
class KafkaProducer:
    """The user `collector` of a Kafka."""

    brokers: pulumi.Input[str]
    secret_arn: pulumi.Input[str]
    """Its name and password; only read with kafkaAuth scram."""
    secret_version: pulumi.Input[str]
    """Changes with the password: a running collector keeps the one that it started with. '': not known here."""
    secret_statements: Sequence[Mapping[str, Any]]
    """What lets a role read that; empty with kafkaAuth iam."""
    statements: pulumi.Input[Sequence[Mapping[str, Any]]]
    """What IAM allows it to do there; empty with kafkaAuth scram."""
    after: Sequence[pulumi.Resource] = ()
    """The topics and sign-ins that it writes with."""


def kafka_producer(kafka: Kafka, settings: Settings) -> KafkaProducer:
    """What the component `kafka` gives its collectors."""
    secrets = [kafka.credentials[USER]] if settings.kafkaAuth == "scram" else []
    return KafkaProducer(
        kafka.endpoint.bootstrap_servers,
        secrets[0] if secrets else "",
        kafka.credential_versions.get(USER, ""),
        secret_statements(settings.awsRegion, secrets, [kafka.credentials_key_arn]),
        kafka.client_policy(USER),
        kafka.topics,
    )
