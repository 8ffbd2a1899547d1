"""What is declared in a cluster: as the API server itself judges it, by our own controls, and setting by setting."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from infra.collector import GO_SHARE, LIMIT_SHARE
from infra.kubernetes.doors import GRPC_PATHS, HTTP_PATHS
from tests.kubernetes_models import Judge, program
from tests.unit.aws.mocks import value
from tests.unit.kubernetes.cluster_stack import FILES, SIDE_IMAGE, VARIANTS, declared, manifest
from tests.unit.kubernetes.controls import CONTROLS, POD, put

pytestmark = pytest.mark.xdist_group("kubernetes")


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    found = Judge(program())
    yield found
    found.close()


def objects(variant: str) -> dict[str, dict[str, Any]]:
    return {item.type.rsplit(":", 1)[-1]: manifest(item) for item in declared(variant).objects}


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_api_server_takes_every_object_without_a_warning(judge: Judge, variant: str) -> None:
    found = {item.name: judge.problems(manifest(item)) for item in declared(variant).objects}
    assert [line for lines in found.values() for line in lines] == []
    chosen = declared(variant).settings
    wanted = {"ServiceAccount", "ConfigMap", "NetworkPolicy", "Deployment", "HorizontalPodAutoscaler", "Service"}
    wanted |= {"PodDisruptionBudget"} | ({"Namespace"} if chosen.kubernetesNamespaceCreate else set())
    assert set(objects(variant)) == wanted | ({"Ingress"} if chosen.kubernetesExpose == "ingress" else set())


REFUSED = {
    "unknown field": ("Deployment", f"{POD}.containers.0.imagePullPolciy", "Always"),
    "other case": ("Deployment", f"{POD}.containers.0.Image", "x"),
    "wrong type": ("Deployment", "spec.minReadySeconds", "10"),
    "no such value": ("Service", "spec.type", "Balancer"),
    "selector": ("Deployment", "spec.selector.matchLabels", {"app": "other"}),
    "probe": ("Deployment", f"{POD}.containers.0.readinessProbe.httpGet.port", 70000),
    "volume": ("Deployment", f"{POD}.volumes.0.name", "other"),
    "sleep beyond the end": ("Deployment", f"{POD}.terminationGracePeriodSeconds", 20),
    "range": ("NetworkPolicy", "spec.egress.1.to", [{"ipBlock": {"cidr": "10.80.0.0"}}]),
    "minimum": ("HorizontalPodAutoscaler", "spec.minReplicas", 0),
    "both": ("PodDisruptionBudget", "spec.minAvailable", 1),
    "privileged": ("Deployment", f"{POD}.containers.0.securityContext.privileged", True),
    "root": ("Deployment", f"{POD}.securityContext.runAsUser", 0),
    "host path": ("Deployment", f"{POD}.volumes.0", {"name": "config", "hostPath": {"path": "/"}}),
}


@pytest.mark.parametrize("what", REFUSED)
def test_the_judge_refuses(judge: Judge, what: str) -> None:
    kind, path, wrong = REFUSED[what]
    changed = copy.deepcopy(objects("balanced"))
    put(kind, path, wrong)(changed)
    assert judge.problems(changed[kind])


def test_the_judge_refuses_changes_of_what_never_changes(judge: Judge) -> None:
    before = objects("balanced")
    after = copy.deepcopy(before)
    labels = {"app": "other"}
    after["Deployment"]["spec"]["selector"]["matchLabels"] = labels
    after["Deployment"]["spec"]["template"]["metadata"]["labels"] = labels
    assert any("immutable" in line for line in judge.problems(after["Deployment"], before["Deployment"]))
    after["ConfigMap"]["data"] = {"collector.yaml": "other"}
    assert any("immutable" in line for line in judge.problems(after["ConfigMap"], before["ConfigMap"]))


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", CONTROLS)
def test_control(name: str, variant: str) -> None:
    assert not list(CONTROLS[name].check(objects(variant)))


@pytest.mark.parametrize("name", CONTROLS)
def test_control_notices(name: str) -> None:
    for number, change in enumerate(CONTROLS[name].breaks, 1):
        broken = copy.deepcopy(objects("balanced"))
        change(broken)
        assert list(CONTROLS[name].check(broken)), f"change {number} of {name} goes unnoticed"


def test_the_side_program_starts_first_with_its_own_token_and_the_collector_waits_for_its_files() -> None:
    found = declared("balanced")
    side, collector = found.container("side"), found.container("collector")
    assert found.pod["initContainers"] == [side] and side["image"] == SIDE_IMAGE
    assert side["startupProbe"]["exec"]["command"] == ["test", "-s", "/keys/jwks.json"]
    assert {"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": "/var/run/secrets/agent-telemetry/token"} in side["env"]
    # With SCRAM the collector itself asks AWS for nothing, and gets no token.
    assert "token" not in {mount["name"] for mount in collector["volumeMounts"]}
    assert [variable["name"] for variable in collector["env"]] == ["GOMEMLIMIT"]


def test_with_iam_the_collector_signs_in_itself() -> None:
    collector = declared("ingress").container("collector")
    assert {"AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"} < {variable["name"] for variable in collector["env"]}
    assert "token" in {mount["name"] for mount in collector["volumeMounts"]}


def config(variant: str) -> dict[str, Any]:
    return yaml.safe_load(declared(variant).one("ConfigMap")["data"]["collector.yaml"])


def test_the_configuration_is_the_same_as_elsewhere_but_for_its_place() -> None:
    balanced, ingress = config("balanced"), config("ingress")
    sasl = balanced["exporters"]["kafka"]["auth"]["sasl"]
    assert (sasl["username"], sasl["password"]) == tuple(f"${{file:{FILES[key]}}}" for key in ("username", "password"))
    assert ingress["exporters"]["kafka"]["auth"]["sasl"]["mechanism"] == "AWS_MSK_IAM_OAUTHBEARER"
    for found, speaks in ((balanced, True), (ingress, False)):
        for protocol in found["receivers"]["otlp"]["protocols"].values():
            assert ("tls" in protocol) is speaks and protocol["auth"] == {"authenticator": "oidc"}
        reader = found["service"]["telemetry"]["metrics"]["readers"][0]["pull"]["exporter"]["prometheus"]
        assert reader["host"] == "127.0.0.1", "nobody outside of the pod reads them"
    for signal in ("traces", "logs"):
        assert balanced["service"]["pipelines"][signal] == ingress["service"]["pipelines"][signal]


def test_behind_a_load_balancer_agents_speak_tls_with_the_collector() -> None:
    found = declared("balanced")
    service = found.one("Service")["spec"]
    assert service["type"] == "LoadBalancer" and service["loadBalancerSourceRanges"] == [
        "10.0.0.0/8",
        "203.0.113.10/32",
    ]
    assert {port["port"]: port["targetPort"] for port in service["ports"]} == {443: "otlp-http", 4317: "otlp-grpc"}
    assert declared("given").one("Service")["spec"]["loadBalancerSourceRanges"] == ["0.0.0.0/0"]
    tls = next(volume for volume in found.pod["volumes"] if volume["name"] == "tls")
    assert tls["secret"]["secretName"] == "otlp-tls"
    assert value(found.collector.endpoint.http_url) == "https://otlp.telemetry.test:443"
    assert value(found.collector.endpoint.grpc_target) == "otlp.telemetry.test:4317"
    assert value(found.collector.address) == "lb.telemetry.test"


def test_behind_an_ingress_each_protocol_has_its_own() -> None:
    found = declared("ingress")
    http, grpc = (found.one("Ingress", kind) for kind in ("http", "grpc"))
    assert grpc["metadata"]["annotations"] == {"nginx.ingress.kubernetes.io/backend-protocol": "GRPC"}
    assert "annotations" not in http["metadata"]
    for ingress, paths, port in ((http, HTTP_PATHS, "otlp-http"), (grpc, GRPC_PATHS, "otlp-grpc")):
        (rule,) = ingress["spec"]["rules"]
        assert rule["host"] == "otlp.telemetry.test" and [path["path"] for path in rule["http"]["paths"]] == paths
        assert {path["backend"]["service"]["port"]["name"] for path in rule["http"]["paths"]} == {port}
        assert ingress["spec"]["tls"] == [{"hosts": ["otlp.telemetry.test"], "secretName": "otlp-tls"}]
    assert found.one("Service")["spec"]["type"] == "ClusterIP"
    assert value(found.collector.endpoint.grpc_target) == "otlp.telemetry.test:443"
    (rule,) = found.one("NetworkPolicy")["spec"]["ingress"]
    assert rule["from"][0]["namespaceSelector"]["matchExpressions"][0]["values"] == ["ingress-nginx", "agents"]


def test_a_controller_that_has_the_certificate_needs_no_secret() -> None:
    found = declared("alb")
    assert all("tls" not in found.one("Ingress", kind)["spec"] for kind in ("http", "grpc"))
    assert found.one("Ingress", "grpc")["metadata"]["annotations"]["alb.ingress.kubernetes.io/group.name"] == "otlp"


def test_size_nodes_and_images_follow_the_settings() -> None:
    found = declared("given")
    assert found.container("collector")["resources"]["requests"] == {"cpu": "4000m", "memory": f"{30720 - 160}Mi"}
    assert found.pod["nodeSelector"] == {
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "nodes": "collectors",
    }
    assert found.pod["imagePullSecrets"] == [{"name": "registry"}]
    scaled = found.one("HorizontalPodAutoscaler")["spec"]
    assert (scaled["minReplicas"], scaled["maxReplicas"]) == (3, 30)
    targets = {
        item["containerResource"]["name"]: item["containerResource"]["target"]["averageUtilization"]
        for item in scaled["metrics"]
    }
    # An autoscaler lets a tenth pass: more pods come before the collector refuses, and not for what Go's collector may take.
    assert targets["cpu"] == 60 and 100 * LIMIT_SHARE * GO_SHARE < targets["memory"] * 1.1 < 100 * LIMIT_SHARE
    assert {item["metadata"].get("namespace") for item in objects("given").values()} == {"telemetry"}


@pytest.mark.parametrize("variant", VARIANTS)
def test_everything_is_this_cluster_s_and_this_stack_s(variant: str) -> None:
    found = declared(variant)
    for item in found.objects:
        request = found.cloud.requests[item.type, item.name]
        assert request.provider.rsplit("::", 2)[-2] == "collector-cluster", item.name
        assert item.inputs["metadata"]["labels"]["app.kubernetes.io/instance"] == "agent-telemetry-dev", item.name
    pods = next(item for item in found.objects if item.type.endswith(":Deployment"))
    assert {"collector-config", "collector-account", "collector-network-policy"} <= found.cloud.options(pods).depends_on
