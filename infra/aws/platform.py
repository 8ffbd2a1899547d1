"""The platform `aws`, top to bottom: what stands on what, endpoints out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pulumi

from infra.aws.access import KeptKeyBucketCredential
from infra.aws.alarms import Alarms, AlarmsArgs
from infra.aws.clickhouse.component import ClickHouse, ClickHouseArgs
from infra.aws.clickhouse.given import check as check_given
from infra.aws.collector import Collector, CollectorArgs
from infra.aws.context import Context, iam_path, make_provider, tagging
from infra.aws.costs import part_costs
from infra.aws.ecs import TaskCluster
from infra.aws.elsewhere import CollectorElsewhere, CollectorElsewhereArgs
from infra.aws.encryption import Encryption, EncryptionArgs
from infra.aws.firewall import Firewall, FirewallArgs
from infra.aws.floors import stack_floors, trust_reached
from infra.aws.grafana import Grafana, GrafanaArgs
from infra.aws.image import WorkerImage, WorkerImageArgs
from infra.aws.jobs import Jobs, JobsArgs
from infra.aws.kafka import Kafka, KafkaArgs
from infra.aws.kafka_producer import kafka_producer
from infra.aws.lender import Lender
from infra.aws.lent import borrowed
from infra.aws.load_balancer import LoadBalancer, LoadBalancerArgs
from infra.aws.network import Network, NetworkArgs
from infra.aws.oci import ARCHITECTURE
from infra.aws.outputs import outputs
from infra.aws.rollout import Rollout
from infra.aws.vpc_endpoints import InterfaceEndpoints, InterfaceEndpointsArgs
from infra.aws.webhook_secret import StoredSecret
from infra.aws.worker import Worker, WorkerArgs
from infra.collector import Elsewhere
from infra.endpoints import ClickHouseEndpoint, Parts, access_input
from infra.settings import Settings
from infra.tenant_views import reader
from infra.worker.config import written_config


class AwsPlatform(pulumi.ComponentResource):
    """Everything in one account and region. Its children get the explicit provider and the tags from here."""

    parts: Parts
    outputs: dict[str, pulumi.Input[Any]]

    def __init__(self, settings: Settings, stack: str, elsewhere: Elsewhere | None = None):
        """`elsewhere`: runs the collectors on another platform; None: they run here, on ECS."""
        # What may never become smaller is checked before anything else is made: all else needs the provider.
        given = check_given(settings, stack)
        self._declared: list[pulumi.Resource] = []
        pulumi.runtime.register_stack_transformation(self._note)
        lent = borrowed(settings)
        # Nothing is made unless what is lent fits: all waits for these two.
        first = pulumi.ResourceOptions(depends_on=lent.fits if lent else None)
        floors = stack_floors(settings, given, first)
        provider = make_provider(settings, pulumi.ResourceOptions(depends_on=[floors]))
        super().__init__(
            "agent-telemetry:aws:Platform",
            "aws",
            None,
            pulumi.ResourceOptions.merge(
                first,
                pulumi.ResourceOptions(providers=[provider], transformations=[tagging(settings, stack), iam_path]),
            ),
        )
        self._context = context = Context(settings, stack, provider, lent)
        options = context.options(self)

        self._key = Encryption("encryption", EncryptionArgs(context), options).key_arn
        self._network = Network("network", NetworkArgs(context, self._key), options)
        self._firewall = Firewall(
            "firewall", FirewallArgs(context, self._network.vpc_id, self._network.nat_addresses), options
        )
        reachable: list[pulumi.Resource] = [self._firewall]
        if settings.networkEndpoints and settings.owns_network:
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
        nodes = settings.kubernetesArchitecture if elsewhere else ARCHITECTURE
        self._image = WorkerImage("worker-image", WorkerImageArgs(context, self._key, nodes), options)
        self._balancer: LoadBalancer | None = None
        rollout: Rollout | None = None
        if elsewhere:
            self._collector = CollectorElsewhere("collector", self._elsewhere_args(elsewhere), after_network)
            door = self._collector.address
        else:
            self._balancer = LoadBalancer("load-balancer", self._balancer_args(), options)
            door = self._balancer.dns_name
            self._collector = Collector("collector", self._collector_args(self._balancer), after_network)
            rollout = self._rollout("collector-rollout", self._collector)
        self._grafana = (
            None
            if settings.grafanaMode == "none"
            else Grafana("grafana", GrafanaArgs(context, self._network, self._firewall), options)
        )
        self.parts = self._parts(rollout)
        self.outputs = outputs(
            context, door, self._network, self._firewall, self._kafka, self._clickhouse, self._grafana
        )
        self.register_outputs({})

    def _note(self, args: pulumi.ResourceTransformationArgs) -> None:
        """Keeps what is declared, the post-deploy steps too: nothing of it may go before the lender's guard was asked."""
        if isinstance(args.resource, pulumi.CustomResource):
            self._declared.append(args.resource)

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
                statements=self._worker_statements(),
                after=after,
            ),
            context.options(self),
        )
        running = self._rollout("worker-rollout", worker)
        self._watch(running)
        return [running]

    def guard(self, after: Sequence[pulumi.Resource]) -> None:
        """Whoever lends a network asks at its end who still uses it."""
        settings = self._context.settings
        if not settings.shares("network"):
            opts = self._context.options(self, depends_on=[*after, *self._declared])
            Lender("lender", settings.awsRegion, self._context.stack, opts)

    def _watch(self, worker: pulumi.Resource) -> None:
        """Jobs and alarms. Silence is an alarm too, so they come once the worker speaks."""
        context, settings, key = self._context, self._context.settings, self._key
        after = context.options(self, depends_on=[worker])
        scheduled = self._clickhouse.backup_jobs()
        subnets, group = self._network.private_subnet_ids, self._firewall.worker
        jobs = Jobs("jobs", JobsArgs(context, self._cluster, self._image, subnets, group, key, scheduled), after)
        own_brokers = settings.owns_brokers
        Alarms(
            "alarms",
            AlarmsArgs(
                context,
                key,
                self._cluster.arn,
                self._balancer,
                kafka_cluster=self._kafka.cluster_name,
                broker_count=settings.kafkaBrokersPerZone * settings.broker_zones if own_brokers else 0,
                lag_known=settings.kafkaMode == "provisioned" or bool(settings.kafkaClusterArn),
                machines=self._clickhouse.machines,
                jobs=jobs,
                scheduled=scheduled,
            ),
            after,
        )

    def _worker_statements(self) -> pulumi.Output[list[dict[str, Any]]]:
        """What the worker may do beside what every worker does: use Kafka, find the collectors."""
        found = (
            self._collector.worker_statements()
            if isinstance(self._collector, CollectorElsewhere)
            else self._cluster.task_statements()
        )
        return pulumi.Output.all(self._kafka.client_policy("worker"), found).apply(lambda both: [*both[0], *both[1]])

    def _balancer_args(self) -> LoadBalancerArgs:
        network, internal = self._network, self._context.settings.collectorInternal
        return LoadBalancerArgs(
            self._context,
            network.vpc_id,
            network.private_subnet_ids if internal else network.public_subnet_ids,
            self._firewall.load_balancer,
        )

    def _collector_args(self, balancer: LoadBalancer) -> CollectorArgs:
        return CollectorArgs(
            self._context,
            self._cluster,
            balancer,
            self._network.private_subnet_ids,
            self._firewall.collector,
            self._key,
            kafka_producer(self._kafka, self._context.settings),
            sidecar_image=self._image.image,
            repository_arn=self._image.repository_arn,
        )

    def _elsewhere_args(self, declare: Elsewhere) -> CollectorElsewhereArgs:
        return CollectorElsewhereArgs(
            self._context,
            declare,
            self._key,
            kafka_producer(self._kafka, self._context.settings),
            side_image=self._image.elsewhere,
            nat_addresses=self._network.nat_addresses,
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

    def _reading(self, user: str) -> ClickHouseEndpoint:
        """ClickHouse as Grafana reaches it: it is in the network, the step only reads what it needs to know."""
        endpoint, access = self._clickhouse.endpoints[0], self._clickhouse.access_of(user)
        return replace(endpoint, user=pulumi.Output.from_input(user), access=access)

    def _parts(self, rollout: Rollout | None) -> Parts:
        otlp = self._collector.endpoint
        # Steps send to a collector that is known to run what was asked for.
        known = [rollout.running] if rollout else []
        url = pulumi.Output.all(otlp.http_url, *known).apply(lambda found: found[0])
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
            dashboards=self._reading("dashboards"),
            readers={tenant: self._reading(reader(tenant)) for tenant in self._context.settings.tenantReaders},
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
