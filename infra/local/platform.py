"""The `local` platform's parts, in the order in which they stand on each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pulumi

from infra.endpoints import Parts
from infra.kafka import topics
from infra.local.clickhouse.component import ClickHouse, ClickHouseArgs
from infra.local.collector import Collector, CollectorArgs
from infra.local.dashboards import Dashboards, DashboardsArgs
from infra.local.folder import Folder
from infra.local.kafka import Kafka, KafkaArgs
from infra.local.keys import KeyList
from infra.local.layout import data_folder, key_list, run_folder, webhook_secret
from infra.local.supervisor import Supervisor
from infra.local.toolchain import ensure
from infra.local.worker import Worker, WorkerArgs
from infra.postdeploy.stack_costs import THIS_MACHINE
from infra.postdeploy.topics import Topic
from infra.settings import Settings

REPLICATION = 1


class LocalPlatform:
    """Everything on this machine, kept by the stack's own supervisord."""

    def __init__(self, settings: Settings, stack: str):
        self._settings, self._stack, self._run = settings, stack, run_folder(stack)
        folder = Folder("run-folder", self._run)
        supervisor = Supervisor("supervisor", self._run, pulumi.ResourceOptions(depends_on=[folder]))
        self.parts = _parts(settings, stack, supervisor)
        # It asks ClickHouse when somebody looks: it needs not wait for it.
        page = Dashboards(
            "dashboards",
            DashboardsArgs(settings, stack, self._run),
            pulumi.ResourceOptions(depends_on=[supervisor]),
        )
        self.outputs: dict[str, pulumi.Input[Any]] = {"dashboards": page.url}

    def worker(self, after: Sequence[pulumi.Resource]) -> Sequence[pulumi.Resource]:
        """The worker beside the parts, started once the tables are there."""
        args = WorkerArgs(self._settings, self._run, self.parts, webhook_secret(self._stack))
        return [Worker("worker", args, pulumi.ResourceOptions(depends_on=list(after)))]

    def guard(self, after: Sequence[pulumi.Resource]) -> None:
        """Nobody else uses the parts of a stack on this machine."""


def _parts(settings: Settings, stack: str, supervisor: Supervisor) -> Parts:
    tools = ensure(["collector", "kafka"])
    run = run_folder(stack)
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
        costs=[THIS_MACHINE],
        fingerprints={
            "kafka": kafka.fingerprint,
            "clickhouse": clickhouse.fingerprint,
            "collector": collector.fingerprint,
        },
        topics=[Topic(topic["name"], kafka.endpoint, topic, REPLICATION) for topic in topics(settings)],
    )
