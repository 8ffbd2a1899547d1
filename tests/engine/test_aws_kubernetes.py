"""The stack `dev` with its collectors in an EKS cluster that exists: the real program under the real engine, up and away."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterator

import pytest

from tests.engine.aws_doors import Answer, Headers
from tests.engine.aws_engine import Engine
from tests.engine.aws_world import World, aws_world
from tests.engine.kubernetes_world import SECRET
from tests.kubernetes_models import program as judge
from tests.providers.standin.cloud import Resource
from tests.providers.standin.invokes import EKS
from tests.providers.standin.kubernetes_provider import CLUSTER, JUDGE
from tests.unit.kubernetes.api_server import says

pytestmark = pytest.mark.timeout(1200)
API = "0123456789abcdef.gr7.eu-central-1.eks.amazonaws.com"
ISSUER = "oidc.eks.eu-central-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF"
SIGN_IN = """#!/bin/sh
[ "$*" = "--region eu-central-1 eks get-token --cluster-name theirs --output json" ] || exit 1
echo '{"kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1beta1", "status": {"token": "k8s-aws-v1.x"}}'
"""
OVER: dict[str, object] = {
    "collectorPlatform": "kubernetes",
    "collectorCertificateArn": "",
    "collectorSpot": False,
    "kubernetesEksCluster": "theirs",
    "kubernetesOidcProviderArn": f"arn:aws:iam::111122223333:oidc-provider/{ISSUER}",
    "kubernetesPodCidrs": ["10.9.0.0/16"],
    "kubernetesTlsSecret": "otlp-tls",
    # The stand-in registry's base image has no other.
    "kubernetesArchitecture": "arm64",
}


def api(method: str, path: str, headers: Headers, body: bytes) -> Answer:
    """The cluster's API server, for who signs in."""
    found = says(path)
    if method != "GET" or found is None:
        return 404, {}, b""
    if headers.get("authorization") != "Bearer k8s-aws-v1.x":
        return 401, {}, b""
    return 200, {"Content-Type": "application/json"}, json.dumps(found).encode()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with aws_world(tmp_path_factory.mktemp("cluster")) as made:
        state = made.cloud.state
        (state.folder / JUDGE).write_text(str(judge()))
        state.put(Resource(CLUSTER, f"https://{API}"))
        authority = base64.b64encode((made.folder / "authority" / "ca.pem").read_bytes())
        known = {"version": "1.34", "endpoint": f"https://{API}", "issuer": f"https://{ISSUER}"}
        state.put(Resource(EKS, "theirs", outputs={**known, "authority": authority.decode()}))
        made.doors.open(API.replace(".", r"\."), api)
        metadata = {"name": "otlp-tls", "namespace": "agent-telemetry"}
        state.put(Resource(SECRET, "agent-telemetry/otlp-tls", outputs={"metadata": metadata}))
        (made.cloud.bin / "aws").write_text(SIGN_IN)
        (made.cloud.bin / "aws").chmod(0o755)
        yield made


@pytest.fixture(scope="module")
def dev(world: World) -> Engine:
    engine = world.engine("dev")
    engine.configure(**OVER)
    return engine


def test_a_cluster_that_is_too_old_is_refused_in_the_preview(world: World, dev: Engine) -> None:
    world.cloud.state.change(EKS, "theirs", version="1.29")
    ran = dev.preview()
    assert not ran.ok and "the cluster has Kubernetes 1.29, and 1.30 is the least" in ran.output
    world.cloud.state.change(EKS, "theirs", version="1.34")


def test_an_up_gives_the_whole_pipeline(world: World, dev: Engine) -> None:
    ran = dev.up()
    print(f"up {ran.seconds:.1f} s", *ran.slowest(), sep="\n", file=sys.stderr)
    assert ran.ok, ran.output
    assert ran.outputs["otlpHttp"] == "https://otlp.telemetry.test:443"
    assert ran.outputs["otlpGrpc"] == "otlp.telemetry.test:4317"
    assert ran.outputs["loadBalancer"] == "lb.cluster.test"
    # The canary went through the door with a credential of its own, which is revoked.
    assert world.collector.received == ["canary"]
    assert not world.cloud.state.all("aws:lb/loadBalancer:LoadBalancer")
    (role,) = [item for item in world.cloud.state.all("aws:iam/role:Role") if "collector-pod" in item.urn]
    (deployment,) = world.cloud.state.all("kubernetes:apps/v1:Deployment")
    side = deployment.get("spec.template.spec.initContainers")[0]
    assert {"name": "AWS_ROLE_ARN", "value": role.arn} in side["env"]
    assert len(world.registry.pushed) == 1, "our tasks and the cluster's nodes run the same image"


def test_no_secret_is_in_the_cluster(world: World) -> None:
    secrets = [
        json.loads(item.get("secretString"))["password"]
        for item in world.cloud.state.all("aws:secretsmanager/secretVersion:SecretVersion")
        if "password" in item.get("secretString")
    ]
    assert len(secrets) >= 6
    for item in world.cloud.state.all():
        if item.type.startswith("kubernetes:"):
            assert not any(secret in json.dumps(item.outputs) for secret in secrets), item.id


def test_a_second_up_and_a_refresh_change_nothing(dev: Engine) -> None:
    ran = dev.up()
    assert ran.ok and ran.changed == {}, ran.output
    assert dev.refresh().changed == {}


def test_a_collector_setting_rolls_the_deployment_and_the_canary_goes_again(world: World, dev: Engine) -> None:
    dev.configure(collectorBodyLimitMiB=8)
    ran = dev.up()
    assert ran.ok, ran.output
    assert "collector-deployment" in ran.changed["update"] and "canary" in ran.changed["update"]
    assert ran.changed["create-replacement"] == ["collector-config"]
    assert world.collector.received == ["canary", "canary"]


def test_a_destroy_leaves_nothing_but_what_the_owner_brought(world: World, dev: Engine) -> None:
    ran = dev.destroy()
    assert ran.ok, ran.output
    assert {line.split()[0] for line in world.cloud.left()} == {"aws:acm/certificate:Certificate", SECRET}
    assert dev.resources == []
