"""The collectors in a cluster under the real engine: up, changes in place, refusals, away."""

from __future__ import annotations

from collections.abc import Iterator
from unittest import mock

import pytest

from infra.kubernetes import pods
from tests.engine.kubernetes_world import NAMESPACE, SECRET, World, bring

pytestmark = pytest.mark.timeout(600)
DEPLOYMENT, CONFIG = "kubernetes:apps/v1:Deployment", "kubernetes:core/v1:ConfigMap"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("cluster"))
    yield made
    made.settings = {}
    made.stack.destroy()


def test_a_preview_makes_nothing(world: World) -> None:
    ran = world.stack.preview()
    assert ran.ok, ran.output
    assert ran.changed.keys() == {"create"} and world.left() == [] and world.cloud.operations() == []


def test_a_missing_certificate_fails_the_up_and_the_next_one_goes_on(world: World) -> None:
    ran = world.stack.up()
    assert not ran.ok and "Secret agent-telemetry/otlp-tls not found" in ran.output, ran.output
    bring(world.cloud, SECRET, "otlp-tls", "agent-telemetry")
    ran = world.stack.up()
    assert ran.ok, ran.output
    assert ran.outputs["otlpHttp"] == "https://otlp.telemetry.test:443" and ran.outputs["address"] == "lb.cluster.test"


def test_a_second_up_and_a_refresh_change_nothing(world: World) -> None:
    assert world.stack.up().changed == {}
    assert world.stack.refresh().changed == {}


def test_another_image_is_an_update_in_place(world: World) -> None:
    with mock.patch.object(pods, "image_reference", lambda _: "docker.io/otel/opentelemetry-collector-contrib:0.161.0"):
        ran = world.stack.up()
        assert ran.ok, ran.output
        assert ran.changed == {"update": ["collector-deployment"]} and ran.replaced_by == {}
    ran = world.stack.up()
    assert ran.changed == {"update": ["collector-deployment"]}


def test_another_configuration_is_there_before_the_pods_and_the_old_one_goes_after_them(world: World) -> None:
    world.cloud.forget_operations()
    world.settings = {"collectorBodyLimitMiB": 8}
    ran = world.stack.up()
    assert ran.ok, ran.output
    done = [(item.op, item.name) for item in world.cloud.operations() if item.op != "read"]
    assert done == [("create", "collector-config"), ("update", "collector-deployment"), ("delete", "collector-config")]
    (config,) = world.cloud.state.all(CONFIG)
    (deployment,) = world.cloud.state.all(DEPLOYMENT)
    mounted = deployment.get("spec.template.spec.volumes")[0]["configMap"]["name"]
    assert mounted == config.get("metadata.name") != "collector-config"


def test_more_memory_and_another_password_are_updates_in_place(world: World) -> None:
    world.settings = {"collectorBodyLimitMiB": 8, "collectorMaxTasks": 9}
    ran = world.stack.up()
    assert ran.ok and ran.changed == {"update": ["collector-autoscaler"]}, ran.output


def test_a_rollout_that_fails_leaves_the_old_configuration(world: World) -> None:
    world.settings = {"collectorBodyLimitMiB": 4, "collectorMaxTasks": 9}
    world.cloud.fail("update", type=DEPLOYMENT, message="Timeout: 0 of 1 updated replicas became ready")
    ran = world.stack.up()
    assert not ran.ok and "became ready" in ran.output
    (deployment,) = world.cloud.state.all(DEPLOYMENT)
    mounted = deployment.get("spec.template.spec.volumes")[0]["configMap"]["name"]
    assert mounted in {item.get("metadata.name") for item in world.cloud.state.all(CONFIG)}
    ran = world.stack.up()
    assert ran.ok and "collector-deployment" in ran.changed["update"], ran.output
    assert len(world.cloud.state.all(CONFIG)) == 1


def test_what_somebody_changed_by_hand_is_put_right(world: World) -> None:
    (budget,) = world.cloud.state.all("kubernetes:policy/v1:PodDisruptionBudget")
    world.cloud.state.change(budget.type, budget.id, spec={**budget.get("spec"), "maxUnavailable": 5})
    assert world.stack.refresh().ok
    ran = world.stack.up()
    assert ran.ok and ran.changed == {"update": ["collector-budget"]}, ran.output


def test_from_a_load_balancer_to_ingresses(world: World) -> None:
    world.settings = {
        "kubernetesExpose": "ingress",
        "kubernetesIngressClass": "nginx",
        "kubernetesIngressGrpcAnnotations": {"nginx.ingress.kubernetes.io/backend-protocol": "GRPC"},
    }
    ran = world.stack.up()
    assert ran.ok, ran.output
    assert set(ran.changed["create"]) == {"collector-ingress-http", "collector-ingress-grpc"}
    assert {"collector-service", "collector-deployment"} <= set(ran.changed["update"])


def test_a_destroy_leaves_nothing_but_what_the_owner_brought(world: World) -> None:
    ran = world.stack.destroy()
    assert ran.ok, ran.output
    assert world.left() == []


def test_in_a_namespace_that_is_not_there_nothing_is_made(world: World) -> None:
    world.settings = {"kubernetesNamespaceCreate": False, "kubernetesNamespace": "theirs"}
    ran = world.stack.up()
    assert not ran.ok and "namespaces 'theirs' not found" in ran.output
    assert world.left() == []
    bring(world.cloud, NAMESPACE, "theirs")
    bring(world.cloud, SECRET, "otlp-tls", "theirs")
    ran = world.stack.up()
    assert ran.ok, ran.output
    assert world.stack.destroy().ok and world.left() == []
    assert world.cloud.state.get(NAMESPACE, "theirs") is not None
