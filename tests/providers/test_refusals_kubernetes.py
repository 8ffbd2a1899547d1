"""What the stand-in cluster refuses: each of these would be a Deployment that never gets ready, or an object that the API
server doesn't take."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kubernetes_models import program as judge
from tests.providers.standin.cloud import Cloud, Refused, Resource
from tests.providers.standin.kubernetes_provider import CLUSTER, JUDGE, Kubernetes
from tests.unit.kubernetes.cluster_stack import declared, manifest
from tests.unit.kubernetes.controls import POD, put

pytestmark = pytest.mark.xdist_group("kubernetes")
KINDS = {item.type.rsplit(":", 1)[-1]: item for item in declared("balanced").objects}
FIRST = ("Namespace", "ServiceAccount", "ConfigMap", "NetworkPolicy", "Deployment")


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[Kubernetes]:
    cloud = Cloud(tmp_path)
    (tmp_path / JUDGE).write_text(str(judge()))
    cloud.put(Resource(CLUSTER, "cluster"))
    metadata = {"name": "otlp-tls", "namespace": "agent-telemetry"}
    cloud.put(Resource("kubernetes:core/v1:Secret", "agent-telemetry/otlp-tls", outputs={"metadata": metadata}))
    made = Kubernetes(cloud)
    made.configure({"context": "cluster"})
    yield made
    made.judge.close()


def given(kind: str) -> dict[str, Any]:
    """The object as the program gives it; its configuration is named as the Deployment expects."""
    return copy.deepcopy(manifest(KINDS[kind]))


def make(provider: Kubernetes, kind: str, inputs: dict[str, Any]) -> str:
    urn = f"urn:pulumi:test::test::{KINDS[kind].type}::{KINDS[kind].name}"
    checked, failures = provider.check(KINDS[kind].type, urn, {}, inputs, b"seed")
    if failures:
        raise Refused("CheckFailed", "; ".join(reason for _, reason in failures))
    return provider.create(KINDS[kind].type, urn, checked)[0]


def ground(provider: Kubernetes, *kinds: str) -> None:
    for kind in kinds:
        make(provider, kind, given(kind))


def test_everything_is_taken_in_its_order(provider: Kubernetes) -> None:
    ground(provider, *FIRST, "HorizontalPodAutoscaler", "PodDisruptionBudget", "Service")


@pytest.mark.parametrize("missing", ["ServiceAccount", "ConfigMap", "NetworkPolicy"])
def test_a_deployment_needs(provider: Kubernetes, missing: str) -> None:
    ground(provider, *(kind for kind in FIRST[:-1] if kind != missing))
    with pytest.raises(Refused, match=missing):
        ground(provider, "Deployment")


def test_nothing_is_made_in_a_namespace_that_is_not_there(provider: Kubernetes) -> None:
    with pytest.raises(Refused, match="namespaces 'agent-telemetry' not found"):
        ground(provider, "ServiceAccount")


WRONG = {
    "a field that nobody knows": ("Deployment", "spec.paused2", True, "unknown field"),
    "a text in place of a number": ("Deployment", "spec.minReadySeconds", "x", "minReadySeconds"),
    "pods that nobody selects": ("Deployment", "spec.selector.matchLabels", {"app": "other"}, "selector"),
    "another configuration": ("Deployment", f"{POD}.volumes.0.configMap.name", "other", "ConfigMap .* not found"),
    "another certificate": ("Deployment", f"{POD}.volumes.3.secret.secretName", "other", "Secret .* not found"),
    "a pull secret": ("Deployment", f"{POD}.imagePullSecrets", [{"name": "other"}], "Secret .* not found"),
    "a probe of no port": ("Deployment", f"{POD}.containers.0.livenessProbe.httpGet.port", "other", "livenessProbe"),
    "a privileged container": (
        "Deployment",
        f"{POD}.containers.0.securityContext.privileged",
        True,
        "PodSecurity|privileged",
    ),
    "a target that is not there": (
        "HorizontalPodAutoscaler",
        "spec.scaleTargetRef.name",
        "other",
        "to scale not found",
    ),
    "a container that is not there": (
        "HorizontalPodAutoscaler",
        "spec.metrics.0.containerResource.container",
        "other",
        "to measure not found",
    ),
    "a budget for nobody": ("PodDisruptionBudget", "spec.selector.matchLabels", {"app": "other"}, "means no pods"),
    "a service for nobody": ("Service", "spec.selector", {"app": "other"}, "does not target any Pods"),
    "a service's port to nowhere": ("Service", "spec.ports.0.targetPort", "other", "nobody listens"),
}


@pytest.mark.parametrize("what", WRONG)
def test_it_refuses(provider: Kubernetes, what: str) -> None:
    kind, path, value, said = WRONG[what]
    ground(provider, *(FIRST[:-1] if kind == "Deployment" else FIRST))
    wrong = given(kind)
    put(kind, path, value)({kind: wrong})
    with pytest.raises(Refused, match=said):
        make(provider, kind, wrong)


def test_a_name_is_taken_once(provider: Kubernetes) -> None:
    ground(provider, "Namespace")
    with pytest.raises(Refused, match="already exists"):
        ground(provider, "Namespace")


@pytest.mark.parametrize("kind", ["Namespace", "ConfigMap", "ServiceAccount"])
def test_what_is_used_stays(provider: Kubernetes, kind: str) -> None:
    ids = {found: make(provider, found, given(found)) for found in FIRST}
    with pytest.raises(Refused, match=r"still (holds|used)"):
        provider.delete(KINDS[kind].type, "", ids[kind], {})


def test_an_unreachable_cluster_is_refused(provider: Kubernetes) -> None:
    with pytest.raises(Refused, match="unreachable"):
        provider.configure({"context": "other"})
