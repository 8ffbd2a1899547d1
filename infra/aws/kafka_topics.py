"""The topics on MSK, through AWS's API: no way to the brokers is needed. Made one after the other, as MSK works."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pulumi
import pulumi_aws as aws

from infra.aws.context import Context
from infra.kafka import name_prefix, topics
from infra.settings import Settings


def topic_configs(settings: Settings, topic: dict[str, Any]) -> str:
    """A topic's configuration, all values as text: the server answers in text, and a number would differ for ever.

    Beside configs/kafka/topics.yaml what the brokers say too: a cluster that was made elsewhere may say otherwise.
    """
    configs = {
        **topic["config"],
        "min.insync.replicas": str(settings.kafkaMinInSync),
        "unclean.leader.election.enable": "false",
    }
    return json.dumps(configs, sort_keys=True)


def msk_topics(
    context: Context,
    parent: pulumi.Resource,
    cluster_arn: pulumi.Input[str],
    after: Sequence[pulumi.Resource],
    cluster: aws.msk.Cluster | None,
) -> list[pulumi.Resource]:
    """Every topic, each after the one before it and the first after `after`.

    `cluster`: goes together with the topics, so that a destroy need not delete them first; None: one that is not ours.
    """
    made: list[pulumi.Resource] = []
    prefix = name_prefix(context.settings, context.stack)
    for topic in topics(context.settings):
        made.append(
            aws.msk.Topic(
                topic["name"],
                name=f"{prefix}{topic['name']}",
                cluster_arn=cluster_arn,
                partition_count=topic["partitions"],
                replication_factor=context.settings.kafkaReplication,
                configs=topic_configs(context.settings, topic),
                # A name can't be there twice: whatever replaces a topic (and loses its messages) deletes it first.
                opts=context.stateful(
                    parent, depends_on=[*after, *made[-1:]], delete_before_replace=True, deleted_with=cluster
                ),
            )
        )
    return made


def by_hand(settings: Settings) -> str:
    """What must exist on a cluster whose ARN is not given, and can't be made from here."""
    lines = [
        f"  {topic['name']}: {topic['partitions']} partitions, {settings.kafkaReplication} replicas, "
        f"{topic_configs(settings, topic)}"
        for topic in topics(settings)
    ]
    return (
        "kafkaMode existing without kafkaClusterArn: make these topics on the cluster before the first `up`, and change "
        "them there when these settings change:\n" + "\n".join(lines)
    )
