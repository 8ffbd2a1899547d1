"""The whole program with its collectors in a cluster: what AWS then has of them, and what it has no more."""

from __future__ import annotations

import json

import pytest

from tests.unit.aws.controls.stacks import declared

pytestmark = pytest.mark.xdist_group("controls")


def test_nothing_of_the_collectors_runs_on_ecs_and_there_is_no_door() -> None:
    stack = declared("kubernetes")
    assert [item.name for item in stack.of("aws:ecs/service:Service")] == ["worker-service"]
    assert stack.of("aws:lb/loadBalancer:LoadBalancer", "aws:lb/listener:Listener") == []
    assert [item.name for item in stack.of("aws:appautoscaling/target:Target")] == ["kafka-storage"]
    alarms = {item.name for item in stack.of("aws:cloudwatch/metricAlarm:MetricAlarm")}
    assert "alarms-worker-silent" in alarms
    assert not [name for name in alarms if "collector" in name or "key-list" in name or "load-balancer" in name]


def test_the_key_list_stays_when_collectors_move() -> None:
    on_ecs, elsewhere = (
        {(item.type, item.name) for item in declared(variant).resources} for variant in ("dev", "kubernetes")
    )
    for wanted in (
        ("agent-telemetry:aws:Collector", "collector"),
        ("agent-telemetry:aws:KeyList", "collector-keys"),
        ("agent-telemetry:aws:PrivateBucket", "collector-keys"),
        ("aws:s3/bucket:Bucket", "collector-keys"),
        ("aws:s3/bucketObjectv2:BucketObjectv2", "collector-keys-object"),
    ):
        assert wanted in on_ecs & elsewhere, wanted


def test_the_domain_leads_to_the_cluster() -> None:
    stack = declared("kubernetes")
    (record,) = [item for item in stack.of("aws:route53/record:Record") if item.name == "collector-name"]
    assert (record.inputs["name"], record.inputs["type"]) == ("otlp.telemetry.test", "CNAME")
    assert record.inputs["records"] == ["lb.telemetry.test"] == [stack.outputs["loadBalancer"]]


def test_the_worker_reads_what_pods_report() -> None:
    stack = declared("kubernetes")
    (worker,) = [
        box for task, box in stack.containers() if (task.name, box["name"]) == ("worker-task-definition", "worker")
    ]
    config = json.loads(next(item["value"] for item in worker["environment"] if item["name"] == "WORKER_CONFIG"))
    assert "infra.aws.pod_reports:ReportedCollectors" in json.dumps(config)


def test_the_provider_is_the_cluster_s_and_holds_no_secret() -> None:
    (provider,) = declared("kubernetes").of("pulumi:providers:kubernetes")
    config = json.loads(provider.inputs["kubeconfig"])
    assert config["users"][0]["user"].keys() == {"exec"} and "context" not in provider.inputs
