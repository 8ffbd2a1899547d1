"""Facts about our Kafka topics that the broker, the producer and the topics step must agree on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from infra.paths import CONFIGS
from infra.templates import render

if TYPE_CHECKING:  # pydantic: the dynamic provider, which imports this file, has no use for it
    from infra.settings import Settings

MIB = 1024 * 1024
PRODUCER_BATCH_BYTES = 400_000
"""The collector's exporter sends a batch once it holds this much (before compression)."""


def message_max_bytes(settings: Settings) -> int:
    """The topics' message limit: one batch plus one whole request and headroom for framing.

    The exporter never splits (`batch.max_size` refuses whole requests), so a message is at most what was gathered
    before the last request came plus that request.
    """
    return PRODUCER_BATCH_BYTES + settings.collectorBodyLimitMiB * MIB + MIB


def name_prefix(settings: Settings, stack: str) -> str:
    """What the names of the stack's topics, consumer groups and users begin with: nothing where the brokers are its own.

    Tables and queries know a topic by its name without it.
    """
    return f"{stack}." if settings.shares("kafka") else ""


def topics(settings: Settings) -> list[dict[str, Any]]:
    """configs/kafka/topics.yaml with the settings filled in: name, partitions (int), config (str to str)."""
    text = render(
        CONFIGS / "kafka" / "topics.yaml",
        {
            "partitions": settings.kafkaPartitions,
            "retention_ms": settings.kafkaRetentionHours * 3_600_000,
            "message_max_bytes": message_max_bytes(settings),
        },
    )
    return [{**topic, "partitions": int(topic["partitions"])} for topic in yaml.safe_load(text)["topics"]]
