"""The collectors in a Kubernetes cluster: everything that is made there, an OtlpEndpoint out."""

from __future__ import annotations

from typing import Any

import pulumi

from infra.collector import (
    CPU_PERCENT,
    IMAGE,
    JWKS_FILE,
    MEMORY_PERCENT,
    CollectorNeeds,
    config_hash,
    memory_limit_mib,
    workload_name,
)
from infra.collector_config import CollectorPlace, collector_config
from infra.endpoints import OtlpEndpoint
from infra.images import image_reference
from infra.kubernetes import doors
from infra.kubernetes.cluster import checked, make_provider
from infra.kubernetes.labels import labels, selector
from infra.kubernetes.pods import CONFIG_FILE, TLS_FOLDER, Manifest, deployment, speaks_tls

CONNECTION_SECONDS = 300
"""Behind a load balancer of connections, in which a gRPC client is one for as long as it lives."""
POD_SECURITY = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")}


def place(needs: CollectorNeeds) -> CollectorPlace:
    """What Kubernetes decides about the collector's configuration."""
    settings = needs.settings
    balanced = speaks_tls(needs)
    files = needs.kafka_files
    return CollectorPlace(
        bind="0.0.0.0",
        # The program beside it reads them; nobody outside of the pod has to.
        metrics_bind="127.0.0.1",
        jwks_file=JWKS_FILE,
        memory_limit_mib=memory_limit_mib(settings.collectorMemoryMiB),
        sasl="SCRAM-SHA-512" if files else "AWS_MSK_IAM_OAUTHBEARER",
        username=f"${{file:{files['username']}}}" if files else "",
        password=f"${{file:{files['password']}}}" if files else "",
        topic_prefix=needs.topic_prefix,
        region=settings.awsRegion,
        tls_folder=TLS_FOLDER if balanced else "",
        connection_seconds=CONNECTION_SECONDS if balanced else 0,
    )


class Collector(pulumi.ComponentResource):
    """`endpoint`: where agents send, once the Deployment has rolled out; `fingerprint` changes with the image or the
    configuration; `address`: what collectorDomain has to lead to."""

    endpoint: OtlpEndpoint
    fingerprint: pulumi.Output[str]
    address: pulumi.Output[str]

    def __init__(self, name: str, needs: CollectorNeeds, opts: pulumi.ResourceOptions | None = None):
        settings = needs.settings
        super().__init__("agent-telemetry:kubernetes:Collector", name, None, opts)
        kubeconfig = checked(settings, needs.kubeconfig, needs.version)
        self._provider = make_provider(f"{name}-cluster", settings, kubeconfig, pulumi.ResourceOptions(parent=self))
        config = pulumi.Output.from_input(needs.brokers).apply(
            lambda brokers: collector_config(settings, brokers, place(needs))
        )
        ready = self._ground(name, needs, config)
        running = self._pods(name, needs, ready)
        reached = self._doors(name, needs, running)
        http, grpc = doors.urls(settings)
        self.endpoint = OtlpEndpoint(
            http_url=reached.apply(lambda _: http),
            grpc_target=reached.apply(lambda _: grpc),
            access=needs.access,
            metrics=needs.metrics,
        )
        self.fingerprint = config.apply(lambda text: config_hash(image_reference(IMAGE), text))
        self.register_outputs({"httpUrl": self.endpoint.http_url, "grpcTarget": self.endpoint.grpc_target})

    def _options(self, **more: Any) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self, provider=self._provider, **more)

    def _ground(self, name: str, needs: CollectorNeeds, config: pulumi.Output[str]) -> list[pulumi.Resource]:
        """Namespace, service account, configuration, network policy: what pods need before they start."""
        from pulumi_kubernetes.core.v1 import ConfigMap, Namespace, ServiceAccount
        from pulumi_kubernetes.networking.v1 import NetworkPolicy

        settings = needs.settings
        self._namespace: list[pulumi.Resource] = []
        if settings.kubernetesNamespaceCreate:
            meta: Any = {"name": settings.kubernetesNamespace, "labels": {**labels(needs.prefix), **POD_SECURITY}}
            self._namespace = [Namespace(f"{name}-namespace", metadata=meta, opts=self._options())]
        options = self._options(depends_on=self._namespace)
        account = ServiceAccount(f"{name}-account", **named(needs), automount_service_account_token=False, opts=options)
        # Without a name: each configuration is an object of its own, there before a pod wants it and gone after the last
        # one that had it. So a rollout that fails goes on with the old one.
        unnamed: Any = {"namespace": settings.kubernetesNamespace, "labels": labels(needs.prefix)}
        self._config = ConfigMap(
            f"{name}-config", metadata=unnamed, data={CONFIG_FILE: config}, immutable=True, opts=options
        )
        policy = NetworkPolicy(f"{name}-network-policy", **doors.network_policy(needs), opts=options)
        return [account, self._config, policy]

    def _pods(self, name: str, needs: CollectorNeeds, ready: list[pulumi.Resource]) -> pulumi.Output[Any]:
        from pulumi_kubernetes.apps.v1 import Deployment
        from pulumi_kubernetes.autoscaling.v2 import HorizontalPodAutoscaler
        from pulumi_kubernetes.policy.v1 import PodDisruptionBudget

        config_map = self._config.metadata["name"]
        made = Deployment(
            f"{name}-deployment",
            **deployment(needs, config_map),
            opts=self._options(
                depends_on=[*ready, *needs.after],
                custom_timeouts=pulumi.CustomTimeouts(create="15m", update="30m", delete="10m"),
            ),
        )
        options = self._options(depends_on=[made])
        HorizontalPodAutoscaler(f"{name}-autoscaler", **autoscaler(needs), opts=options)
        PodDisruptionBudget(f"{name}-budget", **budget(needs), opts=options)
        self._deployment = made
        return made.id

    def _doors(self, name: str, needs: CollectorNeeds, running: pulumi.Output[Any]) -> pulumi.Output[Any]:
        from pulumi_kubernetes.core.v1 import Service
        from pulumi_kubernetes.networking.v1 import Ingress

        # After the pods: until then the service has no endpoint, and Pulumi would wait for one.
        service = Service(f"{name}-service", **doors.service(needs), opts=self._options(depends_on=[self._deployment]))
        made = [
            Ingress(f"{name}-ingress-{kind}", **manifest, opts=self._options(depends_on=[service]))
            for kind, manifest in doors.ingresses(needs).items()
        ]
        self.address = (made[0] if made else service).status.apply(doors.address_of)
        return pulumi.Output.all(running, service.id, *[ingress.id for ingress in made])


def named(needs: CollectorNeeds) -> dict[str, Any]:
    """The metadata of an object that has nothing else."""
    return {"metadata": doors.metadata(needs)}


def autoscaler(needs: CollectorNeeds) -> Manifest:
    """As many collectors as the CPU and the memory of the collector's own container ask for: one that is at its memory's
    limit refuses requests, however little it computes."""
    settings = needs.settings
    metrics = [
        {
            "type": "ContainerResource",
            "containerResource": {
                "container": "collector",
                "name": name,
                "target": {"type": "Utilization", "averageUtilization": percent},
            },
        }
        for name, percent in (("cpu", CPU_PERCENT), ("memory", MEMORY_PERCENT))
    ]
    return {
        **named(needs),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": workload_name(needs.prefix)},
            "minReplicas": settings.collectorMinTasks,
            "maxReplicas": settings.collectorMaxTasks,
            "metrics": metrics,
            "behavior": {
                "scaleUp": {
                    "stabilizationWindowSeconds": 0,
                    "policies": [{"type": "Percent", "value": 100, "periodSeconds": 60}],
                },
                "scaleDown": {
                    "stabilizationWindowSeconds": 300,
                    "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}],
                },
            },
        },
    }


def budget(needs: CollectorNeeds) -> Manifest:
    """Nodes are drained of one collector at a time. A collector that doesn't work anyway holds nobody up."""
    return {
        **named(needs),
        "spec": {
            "maxUnavailable": 1,
            "selector": {"matchLabels": selector(needs.prefix)},
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }
