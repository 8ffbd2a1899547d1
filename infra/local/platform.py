"""The `local` platform's parts, in the order in which they stand on each other."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi

from infra.endpoints import Parts
from infra.local.clickhouse.component import ClickHouse, ClickHouseArgs
from infra.local.collector import Collector, CollectorArgs
from infra.local.folder import Folder
from infra.local.kafka import Kafka, KafkaArgs
from infra.local.keys import KeyList
from infra.local.layout import data_folder, key_list, run_folder
from infra.local.supervisor import Supervisor
from infra.local.toolchain import ensure
from infra.local.worker import Worker, WorkerArgs
from infra.settings import Settings


def local_parts(settings: Settings, stack: str) -> Parts:
    """Kafka, ClickHouse and the collector on this machine, kept by the stack's own supervisord."""
    tools = ensure(["collector", "kafka"])
    run = run_folder(stack)
    folder = Folder("run-folder", run)
    supervisor = Supervisor("supervisor", run, pulumi.ResourceOptions(depends_on=[folder]))
    kept = pulumi.ResourceOptions(depends_on=[supervisor])
    keys = KeyList("key-list", key_list(stack))
    kafka = Kafka("kafka", KafkaArgs(settings, tools, run, data_folder(stack, "kafka")), kept)
    clickhouse = ClickHouse("clickhouse", ClickHouseArgs(settings, run, data_folder(stack, "clickhouse")), kept)
    collector = Collector(
        "collector",
        CollectorArgs(settings, tools, kafka.endpoint, run, key_list(stack)),
        pulumi.ResourceOptions(depends_on=[supervisor, keys]),
    )
    return Parts(
        kafka=kafka.endpoint,
        clickhouse=clickhouse.endpoint,
        otlp=collector.endpoint,
        fingerprints={
            "kafka": kafka.fingerprint,
            "clickhouse": clickhouse.fingerprint,
            "collector": collector.fingerprint,
        },
        replication=1,
    )


def local_worker(settings: Settings, stack: str, parts: Parts, after: Sequence[pulumi.Resource]) -> None:
    """The worker beside the parts, started once the tables are there."""
    Worker("worker", WorkerArgs(settings, run_folder(stack), parts), pulumi.ResourceOptions(depends_on=list(after)))
