"""Settings of collectors on Kubernetes (collectorPlatform kubernetes): the cluster, and how agents reach them there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, Field

if TYPE_CHECKING:
    from infra.settings import Settings

NAME = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
"""A DNS label, as Kubernetes' names of namespaces and Secrets are here."""


class KubernetesSettings(BaseModel):
    """Collectors in a cluster that exists; everything else stays on AWS."""

    kubernetesContext: str = Field(
        "", description="The cluster, as a context of the kubeconfig of whoever runs `up`. Or kubernetesEksCluster."
    )
    kubernetesEksCluster: str = Field(
        "",
        pattern=r"^([0-9A-Za-z][0-9A-Za-z_-]{0,99})?$",
        description="The cluster, as the name of an EKS cluster in awsAccount and awsRegion; asks for the AWS CLI. Or kubernetesContext.",
    )
    kubernetesOidcProviderArn: str = Field(
        "",
        pattern=r"^(arn:aws:iam::[0-9]{12}:oidc-provider/[A-Za-z0-9.-]+(/[A-Za-z0-9._/-]+)?)?$",
        description="IAM's OIDC provider for the cluster's service accounts: by it the pods get their role.",
    )
    kubernetesSecurityGroupId: str = Field(
        "",
        pattern=r"^(sg-[0-9a-f]+)?$",
        description="The security group that the pods have (EKS: the cluster's), which is let in to the brokers. Or kubernetesPodCidrs.",
    )
    kubernetesPodCidrs: list[str] = Field(
        [], description="The private addresses from which the pods reach the brokers, which are let in to them."
    )
    kubernetesNamespace: str = Field("agent-telemetry", pattern=NAME, description="The namespace of the collectors.")
    kubernetesNamespaceCreate: bool = Field(
        True, description="Make kubernetesNamespace, with Pod Security `restricted`. false: it exists."
    )
    kubernetesExpose: Literal["loadBalancer", "ingress"] = Field(
        "loadBalancer",
        description="A Service of type LoadBalancer, behind which collectors speak TLS themselves, or Ingresses.",
    )
    kubernetesTlsSecret: str = Field(
        "",
        pattern=r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)?$",
        description="The Secret in kubernetesNamespace (type kubernetes.io/tls) with the certificate for collectorDomain. Empty: only with annotations by which the Ingress has one.",
    )
    kubernetesServiceAnnotations: dict[str, str] = Field({}, description="Annotations of the Service.")
    kubernetesIngressClass: str = Field("", description="kubernetesExpose ingress: the class (nginx, alb, …).")
    kubernetesIngressAnnotations: dict[str, str] = Field({}, description="Annotations of both Ingresses.")
    kubernetesIngressGrpcAnnotations: dict[str, str] = Field(
        {},
        description="Annotations of the Ingress for gRPC only: how its controller is told that the collectors speak gRPC.",
    )
    kubernetesIngressNamespaces: list[str] = Field(
        [],
        description="Namespaces whose pods may reach the collectors: the Ingress controller's, agents'. Empty: every address may.",
    )
    kubernetesArchitecture: Literal["arm64", "amd64"] = Field("amd64", description="The nodes' architecture.")
    kubernetesNodeSelector: dict[str, str] = Field({}, description="Labels of the nodes that collectors run on.")
    kubernetesPullSecrets: list[str] = Field(
        [], description="Secrets in kubernetesNamespace for pulling images, where the nodes may not by themselves."
    )

    @property
    def kubernetes_cluster(self) -> str:
        """The cluster's name, as it was given."""
        return self.kubernetesContext or self.kubernetesEksCluster


ONLY_ECS = {
    "collectorSpot": "Fargate's",
    "collectorInternal": "the load balancer's; say it in kubernetesServiceAnnotations or kubernetesIngressAnnotations",
    "collectorCertificateArn": "the load balancer's; kubernetesTlsSecret, or an annotation of the Ingress, has the certificate",
}
ALB = "alb.ingress.kubernetes.io/"
"""What annotations for the AWS Load Balancer Controller begin with."""
ONLY_INGRESS = ("kubernetesIngressClass", "kubernetesIngressAnnotations", "kubernetesIngressGrpcAnnotations")


def problems(s: Settings) -> Iterator[str]:
    """Contradictions, as `key: what is wrong`."""
    if s.collectorPlatform == "ecs":
        defaults = KubernetesSettings.model_construct()
        for key in KubernetesSettings.model_fields:
            if getattr(s, key) != getattr(defaults, key):
                yield f"{key}: only counts with collectorPlatform kubernetes"
        return
    yield from _cluster(s)
    yield from _door(s)


def _cluster(s: Settings) -> Iterator[str]:
    if bool(s.kubernetesContext) == bool(s.kubernetesEksCluster):
        yield "kubernetesContext: this or kubernetesEksCluster is needed with collectorPlatform kubernetes, and not both"
    if not s.kubernetesOidcProviderArn:
        yield (
            "kubernetesOidcProviderArn: needed with collectorPlatform kubernetes: make an IAM OIDC provider for the "
            "cluster's issuer, with the audience sts.amazonaws.com"
        )
    ours_to_open = s.kafkaMode != "existing" or bool(s.kafkaSecurityGroupId)
    if ours_to_open and bool(s.kubernetesSecurityGroupId) == bool(s.kubernetesPodCidrs):
        yield (
            "kubernetesSecurityGroupId: this or kubernetesPodCidrs is needed with collectorPlatform kubernetes, and not "
            "both: from where the brokers are reached"
        )
    if not ours_to_open and (s.kubernetesSecurityGroupId or s.kubernetesPodCidrs):
        yield "kubernetesPodCidrs: with kafkaBrokerCidrs letting the pods in is yours: leave it and kubernetesSecurityGroupId empty"
    for key, whose in ONLY_ECS.items():
        if getattr(s, key):
            yield f"{key}: only counts with collectorPlatform ecs: it is {whose}"
    for key in ("kubernetesIngressNamespaces", "kubernetesPullSecrets"):
        for name in getattr(s, key):
            if not re.fullmatch(NAME, name):
                yield f"{key}: {name!r} is no name in Kubernetes"
    if s.kubernetesNodeSelector.get("kubernetes.io/arch", s.kubernetesArchitecture) != s.kubernetesArchitecture:
        yield "kubernetesNodeSelector: kubernetes.io/arch is another one than kubernetesArchitecture, for which images are made"


def _door(s: Settings) -> Iterator[str]:
    if s.kubernetesExpose == "loadBalancer":
        if not s.kubernetesTlsSecret:
            yield "kubernetesTlsSecret: needed with kubernetesExpose loadBalancer: the collectors speak TLS with agents"
        if s.kubernetesIngressNamespaces:
            yield "kubernetesIngressNamespaces: with kubernetesExpose loadBalancer agents come from outside: collectorAllowedCidrs says from where"
        for key in ONLY_INGRESS:
            if getattr(s, key):
                yield f"{key}: only counts with kubernetesExpose ingress"
        return
    if not s.kubernetesIngressClass:
        yield "kubernetesIngressClass: needed with kubernetesExpose ingress"
    if not s.kubernetesTlsSecret and not s.kubernetesIngressAnnotations:
        yield (
            "kubernetesTlsSecret: needed with kubernetesExpose ingress, unless kubernetesIngressAnnotations give the Ingress "
            "a certificate: tokens never travel in plain text"
        )
    if not s.kubernetesIngressGrpcAnnotations:
        yield "kubernetesIngressGrpcAnnotations: needed with kubernetesExpose ingress: no controller speaks gRPC with pods unasked"
    yield from _alb(s)
    if s.collectorAllowedCidrs != ["0.0.0.0/0"]:
        yield "collectorAllowedCidrs: an Ingress has no such setting; say it in kubernetesIngressAnnotations"


def _alb(s: Settings) -> Iterator[str]:
    """Health checks that fail whatever the collectors do: agents would get errors from a load balancer without a target."""
    http = s.kubernetesIngressAnnotations
    grpc = {**http, **s.kubernetesIngressGrpcAnnotations}
    if grpc.get(f"{ALB}backend-protocol-version") != "GRPC":
        return
    health = str(s.collectorHealthPort)
    if not {f"{ALB}healthcheck-port", f"{ALB}success-codes"} & http.keys():
        yield (
            f"kubernetesIngressAnnotations: {ALB}healthcheck-port: has to be {health!r}: the port for OTLP over HTTP answers a "
            "health check with 404"
        )
    if grpc.get(f"{ALB}healthcheck-port", "traffic-port") == health:
        yield (
            f"kubernetesIngressGrpcAnnotations: {ALB}healthcheck-port: {health}, which it has of kubernetesIngressAnnotations, "
            "speaks no gRPC, and a GRPC target group checks by gRPC: set it to traffic-port here"
        )
    if grpc.get(f"{ALB}success-codes", "12") == "12":  # the controller's own choice
        yield (
            f"kubernetesIngressGrpcAnnotations: {ALB}success-codes: has to be '12,16': a collector answers the check with 16, "
            "since it asks for a token first"
        )
