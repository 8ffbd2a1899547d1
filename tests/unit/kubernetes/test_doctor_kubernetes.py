"""`telemetry doctor` and `telemetry status` for collectors in a cluster: asked by the real client over a socket."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from infra.aws.image import image_reference
from infra.cli import watch_aws
from infra.doctor import aws, kubernetes
from infra.doctor.check import Check, Result, ok, run
from tests.unit.kubernetes.api_server import Api, api_server, kubeconfig_of
from tests.unit.kubernetes.cluster_stack import settings

PATH = "/apis/apps/v1/namespaces/agent-telemetry/deployments/agent-telemetry-dev-collector"


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Api]]:
    """A cluster that the context `cluster` leads to."""
    path = tmp_path / "kubeconfig"
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(path))
    with api_server() as (kind, url):
        path.write_text(kubeconfig_of(url))
        yield kind


def seen(**more: Any) -> aws.Seen:
    def nothing(*_: Any) -> Any:
        raise AssertionError("it asks the cluster alone")

    return aws.Seen("dev", settings(**more), nothing, nothing, nothing)


def result(look: Any, stack: aws.Seen) -> Result:
    done = run(Check("it", lambda: look(stack)))
    return Result(done.state, done.found, done.fix)


def deployment(available: int | None, wanted: int = 2, image: str = "") -> dict[str, Any]:
    containers = [{"name": "collector", "image": image or image_reference("collector-image")}]
    return {
        "spec": {"replicas": wanted, "selector": {}, "template": {"spec": {"containers": containers}}},
        "status": {"availableReplicas": available},
    }


def test_they_are_looked_at_where_they_run() -> None:
    assert [check.name for check in kubernetes.checks(seen())] == ["Kubernetes", "collectors"]
    on_ecs = seen().settings.model_copy(update={"collectorPlatform": "ecs"})
    assert not list(kubernetes.checks(aws.Seen("dev", on_ecs, dict, list, lambda: None)))  # type: ignore[arg-type]


def test_a_cluster_that_an_up_takes(api: type[Api]) -> None:
    assert result(kubernetes.cluster, seen()) == ok("cluster answers: Kubernetes 1.34+")


def test_one_that_it_refuses(api: type[Api]) -> None:
    api.minor = "29"
    old = result(kubernetes.cluster, seen())
    assert old.state == "fail" and "1.30 is the least" in old.found
    api.minor, api.served = "34", ["apps/v1"]
    bare = result(kubernetes.cluster, seen())
    assert bare.state == "fail" and "install metrics-server" in bare.found


def test_a_context_that_is_not_there(api: type[Api]) -> None:
    found = result(kubernetes.cluster, seen(kubernetesContext="other"))
    assert found.state == "fail" and "kubectl config get-contexts" in found.found


EKS = {"kubernetesContext": "", "kubernetesEksCluster": "theirs"}


def test_an_eks_cluster_asks_for_the_aws_cli(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    found = result(kubernetes.cluster, seen(**EKS))
    assert found.state == "fail" and "`aws` is not on PATH" in found.found and "AWS CLI" in found.fix


def test_an_eks_cluster_that_aws_does_not_have(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    with mock_aws():
        boto3.client("eks", region_name="eu-central-1")
        found = result(kubernetes.cluster, seen(**EKS))
    assert found.state == "fail" and "kubernetesEksCluster" in found.found and "theirs" in found.found


def test_pods_and_their_image(api: type[Api]) -> None:
    absent = result(kubernetes.collectors, seen())
    assert absent.state == "not applicable" and "the stack is not up" in absent.found
    api.objects[PATH] = deployment(2)
    assert result(kubernetes.collectors, seen()) == ok(f"2 pods, {image_reference('collector-image')}")
    api.objects[PATH] = deployment(None)
    none = result(kubernetes.collectors, seen())
    assert none.state == "fail" and none.found == "0 of 2 pods are available" and "kubectl -n agent-tele" in none.fix
    api.objects[PATH] = deployment(2, image="otel/opentelemetry-collector-contrib:0.150.0")
    old = result(kubernetes.collectors, seen())
    assert old.state == "warn" and "0.150.0 runs" in old.found and "rolls" in old.fix


def test_status_has_a_row_for_the_pods(api: type[Api], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_aws, "file_settings", lambda _: settings())
    for asked in ("_services", "_nodes"):
        monkeypatch.setattr(watch_aws, asked, lambda *_: [])
    gone = watch_aws.parts_on_aws("dev")
    assert gone.down == ["collectors (pods)"] and "no such Deployment" in gone.rows[0]["last event"]
    api.objects[PATH] = deployment(1)
    assert watch_aws.parts_on_aws("dev").down == ["collectors (pods)"]
    api.objects[PATH] = deployment(2)
    whole = watch_aws.parts_on_aws("dev")
    assert whole.down == [] and (whole.rows[0]["runs"], whole.rows[0]["wanted"]) == (2, 2)
    monkeypatch.setattr(watch_aws, "file_settings", lambda _: settings(kubernetesContext="other"))
    unseen = watch_aws.parts_on_aws("dev")
    assert (
        unseen.down == []
        and unseen.unseen == ["collectors (pods)"]
        and unseen.rows[0]["last event"].startswith("not seen from here: kubernetesContext")
    )
