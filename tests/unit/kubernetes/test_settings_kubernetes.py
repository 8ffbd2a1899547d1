"""Settings of collectors in a cluster: what is refused, each by its key."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from infra.config import PROJECT
from infra.errors import UserError
from infra.paths import ROOT
from tests.unit.kubernetes.cluster_stack import INGRESS, VARIANTS, settings


def alb(place: str, **annotations: str | None) -> dict[str, Any]:
    """An Ingress of the AWS Load Balancer Controller with other annotations; None: without it."""
    found = dict(VARIANTS["alb"])
    changed = {f"alb.ingress.kubernetes.io/{key.replace('_', '-')}": value for key, value in annotations.items()}
    found[place] = {key: value for key, value in {**found[place], **changed}.items() if value is not None}
    return found


HTTP, GRPC = "kubernetesIngressAnnotations", "kubernetesIngressGrpcAnnotations"
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no cluster": ({"kubernetesContext": ""}, "kubernetesContext: this or kubernetesEksCluster is needed"),
    "two clusters": ({"kubernetesEksCluster": "theirs"}, "kubernetesContext: this or kubernetesEksCluster is needed"),
    "no identity": ({"kubernetesOidcProviderArn": ""}, "kubernetesOidcProviderArn: needed"),
    "no identity provider": ({"kubernetesOidcProviderArn": "arn:aws:iam::1:role/x"}, "kubernetesOidcProviderArn: "),
    "no way to the brokers": ({"kubernetesPodCidrs": []}, "kubernetesSecurityGroupId: this or kubernetesPodCidrs"),
    "two ways": ({"kubernetesSecurityGroupId": "sg-0a"}, "kubernetesSecurityGroupId: this or kubernetesPodCidrs"),
    "pods of the world": ({"kubernetesPodCidrs": ["8.8.0.0/16"]}, "kubernetesPodCidrs: 8.8.0.0/16 is not private"),
    "overlap": ({"kubernetesPodCidrs": ["10.9.0.0/16", "10.9.1.0/24"]}, "kubernetesPodCidrs: 10.9.1.0/24 overlaps"),
    "no certificate": ({"kubernetesTlsSecret": ""}, "kubernetesTlsSecret: needed with kubernetesExpose loadBalancer"),
    "class without ingress": ({"kubernetesIngressClass": "nginx"}, "kubernetesIngressClass: only counts with"),
    "namespaces": ({"kubernetesIngressNamespaces": ["a"]}, "kubernetesIngressNamespaces: with kubernetesExpose loadB"),
    "no class": ({**INGRESS, "kubernetesIngressClass": ""}, "kubernetesIngressClass: needed"),
    "plain text": ({**INGRESS, "kubernetesTlsSecret": ""}, "kubernetesTlsSecret: needed with kubernetesExpose ingress"),
    "no gRPC": ({**INGRESS, "kubernetesIngressGrpcAnnotations": {}}, "kubernetesIngressGrpcAnnotations: needed"),
    "ranges": ({**INGRESS, "collectorAllowedCidrs": ["10.0.0.0/8"]}, "collectorAllowedCidrs: an Ingress has no such"),
    "404 is no health": (
        alb(HTTP, healthcheck_port=None),
        f"{HTTP}: alb.ingress.kubernetes.io/healthcheck-port: has to be '13133'",
    ),
    "no gRPC on the health port": (
        alb(GRPC, healthcheck_port=None),
        f"{GRPC}: alb.ingress.kubernetes.io/healthcheck-port: 13133",
    ),
    "a token is asked for": (
        alb(GRPC, success_codes=None),
        f"{GRPC}: alb.ingress.kubernetes.io/success-codes: has to be '12,16'",
    ),
    "spot": ({"collectorSpot": True}, "collectorSpot: only counts with collectorPlatform ecs"),
    "internal": ({"collectorInternal": True}, "collectorInternal: only counts with collectorPlatform ecs"),
    "acm": ({"collectorCertificateArn": "arn:x"}, "collectorCertificateArn: only counts with collectorPlatform ecs"),
    "namespace's name": ({"kubernetesNamespace": "Telemetry"}, "kubernetesNamespace: "),
    "secret's name": ({"kubernetesPullSecrets": ["a b"]}, "kubernetesPullSecrets: 'a b' is no name"),
    "nodes": (
        {"kubernetesNodeSelector": {"kubernetes.io/arch": "arm64"}},
        "kubernetesNodeSelector: kubernetes.io/arch is another one",
    ),
    "on ecs": (
        {"collectorPlatform": "ecs", "collectorZoneId": "Z1", "kubernetesContext": "x"},
        "kubernetesContext: only counts with collectorPlatform kubernetes",
    ),
    "their brokers": (
        {
            "kafkaMode": "existing",
            "kafkaBootstrapServers": "b-1.kafka.test:9096",
            "kafkaBrokerCidrs": ["10.1.0.0/16"],
            "kafkaSecretArn": "arn:secret",
            "kafkaSecretKeyArn": "arn:key",
        },
        "kubernetesPodCidrs: with kafkaBrokerCidrs letting the pods in is yours",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_it_is_refused(what: str) -> None:
    given, said = WRONG[what]
    with pytest.raises(UserError) as caught:
        settings(**given)
    assert f"test: {said}" in str(caught.value)


def test_pods_may_have_the_addresses_that_eks_gives_where_others_are_short() -> None:
    assert settings(kubernetesPodCidrs=["100.64.0.0/16"]).kubernetesPodCidrs == ["100.64.0.0/16"]


def test_a_size_that_fargate_has_not_is_fine() -> None:
    assert settings(collectorCpu=256, collectorMemoryMiB=30720).collectorMemoryMiB == 30720


def examples() -> list[dict[str, Any]]:
    """The blocks of settings in docs/kubernetes.md."""
    text = (ROOT / "docs" / "kubernetes.md").read_text()
    blocks = [block for block in text.split("\n\n") if block.startswith(f"    {PROJECT}:")]
    return [
        {key.removeprefix(f"{PROJECT}:"): value for key, value in yaml.safe_load(block).items()} for block in blocks
    ]


@pytest.mark.parametrize("number", range(4))
def test_the_document_s_examples_are_taken(number: int) -> None:
    found = examples()
    assert len(found) == 4
    # The values that a reader fills in.
    given = {key: value for key, value in found[number].items() if "…" not in str(value) or isinstance(value, dict)}
    ingress = INGRESS if "kubernetesIngressClass" in given else {}
    own = (
        {"kubernetesContext": "", "kubernetesPodCidrs": [], "kubernetesSecurityGroupId": "sg-0a"} if number == 0 else {}
    )
    assert settings(**{**ingress, **own, **given}).collectorPlatform == "kubernetes"
