"""The platform `aws`, top to bottom: what stands on what, endpoints out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pulumi

from infra.aws import reach
from infra.aws.access import KeptKeyBucketCredential
from infra.aws.alarms import Alarms, AlarmsArgs
from infra.aws.clickhouse.component import ClickHouse, ClickHouseArgs
from infra.aws.clickhouse.given import check as check_given
from infra.aws.collector import Collector, CollectorArgs
from infra.aws.context import Context, iam_path, make_provider, tagging
from infra.aws.costs import estimate, part_costs
from infra.aws.ecs import TaskCluster
from infra.aws.encryption import Encryption, EncryptionArgs
from infra.aws.firewall import Firewall, FirewallArgs
from infra.aws.floors import stack_floors, trust_reached
from infra.aws.grafana import Grafana, GrafanaArgs
from infra.aws.image import WorkerImage, WorkerImageArgs
from infra.aws.jobs import Jobs, JobsArgs
from infra.aws.kafka import Kafka, KafkaArgs
from infra.aws.load_balancer import LoadBalancer, LoadBalancerArgs
from infra.aws.network import Network, NetworkArgs
from infra.aws.rollout import Rollout
from infra.aws.vpc_endpoints import InterfaceEndpoints, InterfaceEndpointsArgs
from infra.aws.webhook_secret import StoredSecret
from infra.aws.worker import Worker, WorkerArgs
from infra.endpoints import Parts, access_input
from infra.settings import Settings
from infra.worker.config import written_config


class AwsPlatform(pulumi.ComponentResource):
    """Everything in one account and region. Its children get the explicit provider and the tags from here."""

    parts: Parts
    outputs: dict[str, pulumi.Input[Any]]

    def __init__(self, settings: Settings, stack: str):
        # What may never become smaller is checked before anything else is made: all else needs the provider.
        given = check_given(settings, stack)
        floors = stack_floors(settings, given)
        provider = make_provider(settings, pulumi.ResourceOptions(depends_on=[floors]))
        super().__init__(
            "agent-telemetry:aws:Platform",
            "aws",
            None,
            pulumi.ResourceOptions(providers=[provider], transformations=[tagging(settings, stack), iam_path]),
        )
        self._context = context = Context(settings, stack, provider)
        options = context.options(self)

        self._key = Encryption("encryption", EncryptionArgs(context), options).key_arn
        self._network = Network("network", NetworkArgs(context, self._key), options)
        self._firewall = Firewall(
            "firewall", FirewallArgs(context, self._network.vpc_id, self._network.nat_addresses), options
        )
        reachable: list[pulumi.Resource] = [self._firewall]
        if settings.networkEndpoints and not settings.networkVpcId:
            endpoints = InterfaceEndpointsArgs(context, self._network, self._firewall.endpoints)
            reachable.append(InterfaceEndpoints("endpoints", endpoints, options))
        after_network = context.options(self, depends_on=reachable)

        self._kafka = Kafka("kafka", KafkaArgs(context, self._network, self._firewall, self._key), after_network)
        self._clickhouse = ClickHouse(
            "clickhouse",
            ClickHouseArgs(context, self._network, self._firewall, self._kafka, self._key),
            after_network,
        )
        trust_reached(settings, given, [machine.applied for machine in self._clickhouse.machines], options)
        self._cluster = TaskCluster("tasks", context, self._key, options)
        self._image = WorkerImage("worker-image", WorkerImageArgs(context, self._key), options)
        self._balancer = LoadBalancer("load-balancer", self._balancer_args(), options)
        self._collector = Collector("collector", self._collector_args(), after_network)
        rollout = self._rollout("collector-rollout", self._collector)
        self._grafana = (
            None
            if settings.grafanaMode == "none"
            else Grafana("grafana", GrafanaArgs(context, self._network, self._firewall), options)
        )
        self.parts = self._parts(rollout)
        self.outputs = self._outputs()
        self.register_outputs({})

    def worker(self, after: Sequence[pulumi.Resource]) -> Sequence[pulumi.Resource]:
        """The worker as a service, started once the tables are there."""
        context, kafka, clickhouse = self._context, self._kafka, self._clickhouse
        settings = context.settings
        scram = settings.kafkaAuth == "scram"
        own = [arn for arn in [settings.budgetWebhookSecretArn] if arn]
        own_keys = [arn for arn in [settings.budgetWebhookSecretKeyArn] if arn]
        webhook = access_input(StoredSecret, region=settings.awsRegion, secret_arn=own[0]) if own else None
        worker = Worker(
            "worker",
            WorkerArgs(
                context,
                self._cluster,
                self._image,
                self._network.private_subnet_ids,
                self._firewall.worker,
                self._key,
                config=written_config(context.settings, self._worker_parts(), webhook),
                key_list=self._collector.key_list,
                secrets=[clickhouse.users["worker"], *([kafka.credentials["worker"]] if scram else []), *own],
                secret_keys=[self._key, *([kafka.credentials_key_arn] if scram else []), *own_keys],
                statements=kafka.client_policy("worker"),
                after=after,
            ),
            context.options(self),
        )
        running = self._rollout("worker-rollout", worker)
        self._watch(running)
        return [running]

    def _watch(self, worker: pulumi.Resource) -> None:
        """Jobs and alarms. Silence is an alarm too, so they come once the worker speaks."""
        context, settings, key = self._context, self._context.settings, self._key
        after = context.options(self, depends_on=[worker])
        scheduled = self._clickhouse.backup_jobs()
        subnets, group = self._network.private_subnet_ids, self._firewall.worker
        jobs = Jobs("jobs", JobsArgs(context, self._cluster, self._image, subnets, group, key, scheduled), after)
        own_brokers = settings.kafkaMode == "provisioned"
        Alarms(
            "alarms",
            AlarmsArgs(
                context,
                key,
                self._cluster.arn,
                self._balancer,
                kafka_cluster=self._kafka.cluster_name,
                broker_count=settings.kafkaBrokersPerZone * settings.broker_zones if own_brokers else 0,
                lag_known=own_brokers or bool(settings.kafkaClusterArn),
                machines=self._clickhouse.machines,
                jobs=jobs,
                scheduled=scheduled,
            ),
            after,
        )

    def _balancer_args(self) -> LoadBalancerArgs:
        network, internal = self._network, self._context.settings.collectorInternal
        return LoadBalancerArgs(
            self._context,
            network.vpc_id,
            network.private_subnet_ids if internal else network.public_subnet_ids,
            self._firewall.load_balancer,
        )

    def _collector_args(self) -> CollectorArgs:
        kafka = self._kafka
        scram = self._context.settings.kafkaAuth == "scram"
        return CollectorArgs(
            self._context,
            self._cluster,
            self._balancer,
            self._network.private_subnet_ids,
            self._firewall.collector,
            self._key,
            brokers=kafka.endpoint.bootstrap_servers,
            kafka_secret_arn=kafka.credentials["collector"] if scram else "",
            kafka_secret_version=kafka.credential_versions.get("collector", ""),
            kafka_secret_key_arn=kafka.credentials_key_arn,
            kafka_statements=kafka.client_policy("collector"),
            sidecar_image=self._image.image,
            repository_arn=self._image.repository_arn,
            after=kafka.topics,
        )

    def _rollout(self, name: str, part: Collector | Worker) -> Rollout:
        return Rollout(
            name,
            self._context.settings.awsRegion,
            self._cluster.name,
            part.service.name,
            part.task.arn,
            self._context.options(self, depends_on=[part.service]),
        )

    def _parts(self, rollout: Rollout) -> Parts:
        otlp = self._collector.endpoint
        # Steps send to a collector that is known to run what was asked for.
        url = pulumi.Output.all(otlp.http_url, rollout.running).apply(lambda found: found[0])
        return Parts(
            kafka=self._kafka.endpoint,
            clickhouse=self._clickhouse.endpoints[0],
            further_shards=self._clickhouse.endpoints[1:],
            otlp=replace(otlp, http_url=url),
            fingerprints={
                "kafka": self._kafka.fingerprint,
                "clickhouse": self._clickhouse.fingerprint,
                "collector": self._collector.fingerprint,
            },
            topics=self._kafka.topics,
            costs=part_costs(self._context.settings),
            grafana=self._grafana.endpoint if self._grafana else None,
            dashboards=replace(
                self._clickhouse.endpoints[0],
                user=pulumi.Output.from_input("dashboards"),
                # Grafana is in the network; the step only reads what it needs to know.
                access=self._clickhouse.access_of("dashboards"),
            ),
        )

    def _worker_parts(self) -> Parts:
        """The same endpoints as the worker sees them: inside of the network, as a user of its own."""
        keys, region = self._collector.key_list, self._context.settings.awsRegion
        inside = [
            replace(
                shard,
                user=pulumi.Output.from_input("worker"),
                access=self._clickhouse.access_of("worker", shard=number),
            )
            for number, shard in enumerate(self._clickhouse.endpoints, 1)
        ]
        canary = access_input(KeptKeyBucketCredential, region=region, bucket=keys.bucket_name, key=keys.key)
        return replace(
            self.parts, clickhouse=inside[0], further_shards=inside[1:], otlp=replace(self.parts.otlp, access=canary)
        )

    def _outputs(self) -> dict[str, pulumi.Input[Any]]:
        settings, clickhouse = self._context.settings, self._clickhouse
        outputs: dict[str, pulumi.Input[Any]] = {
            "loadBalancer": self._balancer.dns_name,
            "clickhouseNodes": pulumi.Output.all(*clickhouse.instance_ids),
            "clickhouseCa": clickhouse.ca_pem,
            "clickhouseBackups": clickhouse.backup_bucket,
            "clickhouseUsers": pulumi.Output.all(**clickhouse.users),
            "readPassword": "aws secretsmanager get-secret-value --secret-id <an ARN of clickhouseUsers>",
            "tenantTokens": f"telemetry tenants add TENANT --name {self._context.stack}",
            reach.OUTPUT: reach.output(clickhouse.endpoints, self._kafka.endpoint),
            "estimatedMonthlyCost": estimate(settings).as_output(),
        }
        if self._grafana is not None:
            outputs["grafana"] = self._grafana.endpoint.url
        return outputs
