"""The collector's configuration: one template for every platform, filled with what differs."""

from __future__ import annotations

from dataclasses import dataclass

from infra.kafka import MIB, PRODUCER_BATCH_BYTES, message_max_bytes
from infra.paths import CONFIGS
from infra.schema import structured_content
from infra.settings import Settings
from infra.templates import render
from infra.tenants import AUDIENCE, ISSUER


@dataclass(frozen=True)
class CollectorPlace:
    """What a platform decides about its collector."""

    bind: str
    """The address that OTLP, the health check and the collector's own metrics listen on."""
    jwks_file: str
    """The public keys of the live credentials; only read with collectorAuth jwt."""
    memory_limit_mib: int
    """Above this the collector answers with a retryable refusal."""
    sasl: str = ""
    """How to sign in to Kafka over TLS: SCRAM-SHA-512, AWS_MSK_IAM_OAUTHBEARER, or '' for plaintext without a sign-in."""
    username: str = "${env:KAFKA_USERNAME}"
    """Where the collector finds it, for SCRAM-SHA-512."""
    password: str = "${env:KAFKA_PASSWORD}"
    topic_prefix: str = ""
    """What the topics' names begin with on brokers that several stacks share."""
    region: str = ""
    """The AWS region, for AWS_MSK_IAM_OAUTHBEARER."""
    metrics_bind: str = ""
    """The address of its own metrics where that is another one than `bind`."""
    tls_folder: str = ""
    """Where it finds its certificate (tls.crt, tls.key) when agents speak TLS with the collector itself."""
    connection_seconds: int = 0
    """A gRPC connection is asked to come anew after so long, where connections and not requests are balanced; 0: never."""


def collector_config(settings: Settings, brokers: str, place: CollectorPlace) -> str:
    """The collector's configuration file for the brokers (host:port, comma-separated)."""
    return render(
        CONFIGS / "collector" / "collector.yaml",
        {
            "auth": settings.collectorAuth,
            "jwt_issuer": ISSUER,
            "jwt_audience": AUDIENCE,
            "jwks_file": place.jwks_file,
            "env": settings.env,
            "health_endpoint": f"{place.bind}:{settings.collectorHealthPort}",
            "grpc_endpoint": f"{place.bind}:{settings.otlpGrpcPort}",
            "http_endpoint": f"{place.bind}:{settings.otlpHttpPort}",
            "metrics_host": place.metrics_bind or place.bind,
            "metrics_port": settings.collectorMetricsPort,
            "body_limit_mib": settings.collectorBodyLimitMiB,
            "body_limit_bytes": settings.collectorBodyLimitMiB * MIB,
            "attribute_limit_bytes": settings.collectorAttributeLimitKiB * 1024,
            "memory_limit_mib": place.memory_limit_mib,
            "memory_spike_mib": place.memory_limit_mib // 4,
            "brokers": ", ".join(f'"{broker}"' for broker in brokers.split(",")),
            "sasl": place.sasl,
            "topic_prefix": place.topic_prefix,
            "region": place.region,
            "username": place.username,
            "password": place.password,
            "tls_folder": place.tls_folder,
            "connection_seconds": place.connection_seconds,
            "encoding": settings.kafkaEncoding,
            "message_max_bytes": message_max_bytes(settings),
            "queue_bytes": 16 * settings.collectorBodyLimitMiB * MIB,
            "batch_bytes": PRODUCER_BATCH_BYTES,
            "content_names": structured_content(),
        },
    )
