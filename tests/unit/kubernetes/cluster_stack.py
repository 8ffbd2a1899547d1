"""The collectors in a cluster under Pulumi mocks: what is declared there for several settings."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

import pulumi

from infra.collector import CollectorNeeds, Identity, SideProgram
from infra.endpoints import NoCredential, OnePage, access_input
from infra.kubernetes import cluster
from infra.kubernetes.cluster import NEEDED, Served
from infra.kubernetes.collector import Collector
from infra.settings import Settings, parse_settings
from tests.unit.aws.mocks import Cloud, Made, program

SIDE_IMAGE = f"123456789012.dkr.ecr.eu-central-1.amazonaws.com/agent-telemetry-dev/worker@sha256:{'1' * 64}"
FILES = {"username": "/keys/kafka-username", "password": "/keys/kafka-password"}
BASE: dict[str, Any] = {
    "platform": "aws",
    "env": "dev",
    "collectorAuth": "jwt",
    "collectorPlatform": "kubernetes",
    "collectorDomain": "otlp.telemetry.test",
    "kubernetesContext": "cluster",
    "kubernetesOidcProviderArn": "arn:aws:iam::123456789012:oidc-provider/oidc.eks.eu-central-1.amazonaws.com/id/ABC",
    "kubernetesPodCidrs": ["10.9.0.0/16"],
    "kubernetesTlsSecret": "otlp-tls",
}
INGRESS: dict[str, Any] = {
    "kubernetesExpose": "ingress",
    "kubernetesIngressClass": "nginx",
    "kubernetesIngressGrpcAnnotations": {"nginx.ingress.kubernetes.io/backend-protocol": "GRPC"},
}
VARIANTS: dict[str, dict[str, Any]] = {
    "balanced": {
        "kubernetesServiceAnnotations": {"service.beta.kubernetes.io/aws-load-balancer-scheme": "internal"},
        "collectorAllowedCidrs": ["10.0.0.0/8"],
    },
    "ingress": {
        **INGRESS,
        "kafkaAuth": "iam",
        "kubernetesIngressNamespaces": ["ingress-nginx", "agents"],
        "kubernetesArchitecture": "arm64",
    },
    "alb": {
        **INGRESS,
        "kubernetesIngressClass": "alb",
        "kubernetesTlsSecret": "",
        "kubernetesIngressAnnotations": {
            "alb.ingress.kubernetes.io/group.name": "otlp",
            "alb.ingress.kubernetes.io/certificate-arn": "arn:aws:acm:eu-central-1:123456789012:certificate/1",
            "alb.ingress.kubernetes.io/healthcheck-port": "13133",
        },
        "kubernetesIngressGrpcAnnotations": {
            "alb.ingress.kubernetes.io/backend-protocol-version": "GRPC",
            "alb.ingress.kubernetes.io/healthcheck-port": "traffic-port",
            "alb.ingress.kubernetes.io/success-codes": "12,16",
        },
    },
    "given": {
        "kubernetesNamespaceCreate": False,
        "kubernetesNamespace": "telemetry",
        "kubernetesNodeSelector": {"nodes": "collectors"},
        "kubernetesPullSecrets": ["registry"],
        "collectorCpu": 4096,
        "collectorMemoryMiB": 30720,
        "collectorMinTasks": 3,
        "collectorMaxTasks": 30,
    },
}
"""Name to what is set over BASE."""
SERVED = Served("1.34", frozenset(NEEDED))
STATUS = {"loadBalancer": {"ingress": [{"hostname": "lb.telemetry.test"}]}}


@dataclass(frozen=True)
class Declared:
    """One variant."""

    cloud: Cloud
    settings: Settings
    collector: Collector

    @property
    def objects(self) -> list[Made]:
        """What is made in the cluster."""
        return [item for item in self.cloud.made if item.type.startswith("kubernetes:")]

    def one(self, kind: str, name: str = "") -> dict[str, Any]:
        """The only object of a kind, as its API server would get it."""
        found = [item for item in self.objects if item.type.endswith(f":{kind}") and item.name.endswith(name)]
        assert len(found) == 1, f"{kind}: {[item.name for item in found]}"
        return manifest(found[0])

    @property
    def pod(self) -> dict[str, Any]:
        return self.one("Deployment")["spec"]["template"]["spec"]

    def container(self, name: str) -> dict[str, Any]:
        return next(item for item in [*self.pod["initContainers"], *self.pod["containers"]] if item["name"] == name)


def manifest(made: Made) -> dict[str, Any]:
    """The object, named as the provider would name it; whole numbers as numbers, for the wire has only one kind."""
    found = json.loads(json.dumps(made.inputs), parse_float=_whole)
    found["metadata"].setdefault("name", f"{made.name}-0a1b2c3d")
    return found


def _whole(text: str) -> int | float:
    number = float(text)
    return int(number) if number.is_integer() else number


def settings(**more: Any) -> Settings:
    """A stack's settings with collectors in a cluster."""
    return parse_settings({**BASE, **more}, "test")


def needs(chosen: Settings) -> CollectorNeeds:
    """What AWS gives to them."""
    scram = chosen.kafkaAuth == "scram"
    return CollectorNeeds(
        chosen,
        "agent-telemetry-dev",
        "b-1.msk:9096,b-2.msk:9096",
        [9096],
        ["10.80.0.0/16"],
        SideProgram(pulumi.Output.from_input(SIDE_IMAGE), ["-m", "infra.aws.pod_side", "--region", "eu-central-1"]),
        Identity("sts.amazonaws.com", "AWS_WEB_IDENTITY_TOKEN_FILE", {"AWS_ROLE_ARN": "arn:aws:iam::1:role/pod"}),
        FILES if scram else {},
        "version-1" if scram else "",
        access=access_input(NoCredential),
        metrics=access_input(OnePage, name="x", url="http://x"),
        callers=["203.0.113.10/32"],
    )


@contextmanager
def answering(served: Served = SERVED) -> Iterator[None]:
    """The cluster's API server says this of itself."""
    with mock.patch.object(cluster, "ask", lambda *_: served):
        yield


@functools.cache
def declared(variant: str) -> Declared:
    """The variant as an `up` declares it. Not to be changed."""
    chosen = settings(**VARIANTS[variant])
    with answering(), program() as cloud:
        cloud.outputs.update(
            {
                "kubernetes:core/v1:ConfigMap": {"metadata": {"name": "collector-config-0a1b2c3d"}},
                "kubernetes:core/v1:Service": {"status": STATUS},
                "kubernetes:networking.k8s.io/v1:Ingress": {"status": STATUS},
            }
        )
        collector = Collector("collector", needs(chosen))
    return Declared(cloud, chosen, collector)
