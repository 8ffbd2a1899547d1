"""Alarms: each one tells the topic, names a section of the runbook, and watches what its part really reports."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace
from typing import Any, cast

import boto3
import pytest

from infra.aws.alarms import Alarms, AlarmsArgs
from infra.aws.clickhouse.configuration import agent_config
from infra.aws.jobs import watch_seconds
from infra.emf import namespace
from infra.paths import ROOT
from infra.worker.pulse import Pulse
from tests.unit.aws.aws_settings import context, settings
from tests.unit.aws.ecs_stack import KEY, Made, containers, declare
from tests.unit.aws.mocks import ACCOUNT, REGION, program

SECTIONS = set(re.findall(r"^## (\S+)$", (ROOT / "docs" / "alarms.md").read_text(), re.M))


def alarms(made: Made) -> dict[str, dict[str, Any]]:
    return {
        item.name.removeprefix("alarms-"): item.inputs
        for item in made.cloud.of("aws:cloudwatch/metricAlarm:MetricAlarm")
    }


def test_every_alarm_tells_somebody_and_says_where_to_read_on() -> None:
    made = declare()
    used = set()
    for name, alarm in alarms(made).items():
        assert alarm["alarmActions"] == alarm["okActions"] and len(alarm["alarmActions"]) == 1, name
        section = alarm["alarmDescription"].rpartition("docs/alarms.md#")[2]
        assert section in SECTIONS, name
        used.add(section)
    for rule in made.cloud.of("aws:cloudwatch/eventRule:EventRule"):
        used.add(rule.inputs["description"].rpartition("#")[2])
    assert used == SECTIONS


def test_every_part_of_the_pipeline_is_watched() -> None:
    found = set(alarms(declare()))
    assert {
        *("collector-none-http", "collector-none-grpc", "collector-unhealthy-http", "collector-errors"),
        *("worker-silent", "key-list-stale", "canary-slow", "audit-differs", "worker-recompute-stuck"),
        *(
            "clickhouse-1-down",
            "clickhouse-1-volume-hot",
            "clickhouse-1-disk-root",
            "clickhouse-1-disk-var-lib-clickhouse",
        ),
        *("kafka-disk-1", "kafka-disk-2", "kafka-offline", "kafka-lag-otel-spans", "kafka-lag-otel-events"),
        *("job-backup-failed", "job-backup-missed", "job-not-started"),
    } <= found


def test_aws_takes_every_alarm(monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore checks types and lengths; CloudWatch's own rules on periods are checked here."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    from botocore.stub import Stubber

    client = boto3.client("cloudwatch", region_name=REGION)
    for name, alarm in alarms(declare()).items():
        queries = [item["metric"] for item in alarm.get("metricQueries", []) if item.get("metric")] or [alarm]
        for query in queries:
            assert query["period"] in (10, 20, 30) or query["period"] % 60 == 0
            watched = query["period"] * alarm["evaluationPeriods"]
            assert watched <= (7 * 86400 if query["period"] >= 3600 else 86400), name
        request = {
            "AlarmName": alarm["name"],
            "AlarmDescription": alarm["alarmDescription"],
            "ComparisonOperator": alarm["comparisonOperator"],
            "EvaluationPeriods": int(alarm["evaluationPeriods"]),
            "Threshold": alarm["threshold"],
            "TreatMissingData": alarm["treatMissingData"],
        }
        if "metricName" in alarm:
            dimensions = [{"Name": key, "Value": found} for key, found in alarm["dimensions"].items()]
            request |= {"MetricName": alarm["metricName"], "Namespace": alarm["namespace"], "Dimensions": dimensions}
        with Stubber(client) as stub:
            stub.add_response("put_metric_alarm", {}, request)
            client.put_metric_alarm(**request)


def test_what_the_worker_says_is_what_the_alarms_listen_to(monkeypatch: pytest.MonkeyPatch) -> None:
    made = declare()
    ours = namespace("agent-telemetry-dev")
    variables = {item["name"]: item["value"] for item in containers(made, "worker")["worker"]["environment"]}
    assert variables["METRIC_NAMESPACE"] == ours
    monkeypatch.setenv("METRIC_NAMESPACE", ours)
    said = [
        json.loads(line)
        for line in Pulse(["recompute", "audit", "canary", "budgets", "samples", "notify", "tidy"]).lines()
    ]
    spoken = set()
    for line in said:
        [metrics] = line["_aws"]["CloudWatchMetrics"]
        assert metrics["Namespace"] == ours
        [dimensions] = metrics["Dimensions"]
        for metric in metrics["Metrics"]:
            assert isinstance(line[metric["Name"]], (int, float))
            spoken.add((metric["Name"], tuple((name, line[name]) for name in dimensions)))
    heard = {
        (alarm["metricName"], tuple(sorted(alarm["dimensions"].items())))
        for name, alarm in alarms(made).items()
        if alarm.get("namespace") == ours and name.startswith(("worker", "canary", "audit", "budget"))
    }
    assert len(heard) == 10 and heard <= spoken


def test_silence_is_an_alarm_where_it_means_that_nothing_runs() -> None:
    found = alarms(declare())
    silent = found["worker-silent"]
    assert (silent["period"] * silent["evaluationPeriods"], silent["comparisonOperator"]) == (120, "LessThanThreshold")
    for name in ("worker-silent", "collector-none-http", "key-list-stale", "clickhouse-1-down", "job-backup-missed"):
        assert found[name]["treatMissingData"] == "breaching", name


@pytest.mark.parametrize(
    ("schedule", "hours"),
    [
        ("rate(1 day)", 48),
        ("rate(30 minutes)", 1),
        ("rate(2 hours)", 4),
        ("rate(30 days)", 168),
        ("cron(0 3 * * ? *)", 168),
    ],
)
def test_a_job_is_missed_after_twice_its_interval(schedule: str, hours: int) -> None:
    assert watch_seconds(schedule) == hours * 3600


def test_an_events_pattern_takes_failures_and_leaves_what_ended_well() -> None:
    rules = {item.name: item.inputs for item in declare().cloud.of("aws:cloudwatch/eventRule:EventRule")}
    detail = json.loads(rules["alarms-task-failed"]["eventPattern"])["detail"]
    assert detail["lastStatus"] == ["STOPPED"] and detail["clusterArn"]
    assert {case["stopCode"][0] for case in detail["$or"]} == {"TaskFailedToStart", "EssentialContainerExited"}
    assert len(declare().cloud.of("aws:cloudwatch/eventTarget:EventTarget")) == len(rules)


def test_the_topic_is_encrypted_and_only_alarms_and_rules_of_this_account_write_to_it() -> None:
    made = declare(alarmEmails=["one@example.com", "two@example.com"])
    assert made.cloud.one("aws:sns/topic:Topic").inputs["kmsMasterKeyId"] == KEY
    [write, refused] = json.loads(made.cloud.one("aws:sns/topicPolicy:TopicPolicy").inputs["policy"])["Statement"]
    assert write["Condition"] == {"StringEquals": {"aws:SourceAccount": ACCOUNT}} and refused["Effect"] == "Deny"
    assert [item.inputs["endpoint"] for item in made.cloud.of("aws:sns/topicSubscription:TopicSubscription")] == [
        "one@example.com",
        "two@example.com",
    ]


def test_a_given_topic_is_used() -> None:
    arn = f"arn:aws:sns:{REGION}:{ACCOUNT}:ops"
    made = declare(alarmTopicArn=arn)
    assert not made.cloud.of("aws:sns/topic:Topic")
    assert {tuple(alarm["alarmActions"]) for alarm in alarms(made).values()} == {(arn,)}


def test_the_nodes_agents_report_what_the_alarms_listen_to() -> None:
    agent = json.loads(agent_config(REGION, "clickhouse-1", "group", ["/var/lib/clickhouse"], []))["metrics"]
    assert agent["append_dimensions"] == {"InstanceId": "${aws:InstanceId}"}
    # Beside the dimension fstype that the agent adds of its own.
    assert ["InstanceId", "path"] in agent["aggregation_dimensions"]
    watched = {
        alarm["dimensions"]["path"]
        for alarm in alarms(declare()).values()
        if alarm.get("metricName") == "disk_used_percent" and alarm["namespace"] == agent["namespace"]
    }
    assert watched == set(agent["metrics_collected"]["disk"]["resources"])


def test_how_far_clickhouse_is_behind_is_watched_on_a_given_cluster_too() -> None:
    """Its brokers are their owner's to watch."""
    group = SimpleNamespace(arn_suffix="group")
    balancer = SimpleNamespace(arn_suffix="lb", certificate_arn="arn:certificate", http=group, grpc=group)

    def watched(lag_known: bool) -> set[str]:
        with program() as cloud:
            args = AlarmsArgs(context(settings()), KEY, "arn:cluster", cast(Any, balancer), "theirs", 0, lag_known)
            Alarms("alarms", args)
        found = cloud.of("aws:cloudwatch/metricAlarm:MetricAlarm")
        return {item.name.removeprefix("alarms-") for item in found if item.inputs.get("namespace") == "AWS/Kafka"}

    assert watched(True) == {"kafka-lag-otel-spans", "kafka-lag-otel-events"} and watched(False) == set()
