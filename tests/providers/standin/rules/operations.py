"""What runs and watches: autoscaling, schedules, alarms, SSM documents, logs."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import yaml

from tests.providers.standin.cloud import Cloud, Refused, Resource
from tests.providers.standin.rules.registry import Failures, created, values

TARGET, SCALING = "aws:appautoscaling/target:Target", "aws:appautoscaling/policy:Policy"
SCHEDULE, ALARM = "aws:scheduler/schedule:Schedule", "aws:cloudwatch/metricAlarm:MetricAlarm"
DOCUMENT, DASHBOARD = "aws:ssm/document:Document", "aws:cloudwatch/dashboard:Dashboard"
SERVICE, CLUSTER = "aws:ecs/service:Service", "aws:msk/cluster:Cluster"
EXPRESSION = re.compile(
    r"rate\([1-9]\d* (minute|minutes|hour|hours|day|days)\)|cron\((\S+ ){5}\S+\)|at\(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\)"
)
DOCUMENT_SCHEMAS = {"Command": ("2.2", "2.0", "1.2"), "Automation": ("0.3",), "Session": ("1.0",)}


@created(TARGET)
def _scalable(cloud: Cloud, target: Resource) -> None:
    resource = target.get("resourceId")
    if target.get("serviceNamespace") == "ecs":
        services = {f"service/{item.id.split(':service/', 1)[-1]}" for item in cloud.all(SERVICE)}
        if resource not in services:
            raise Refused("ValidationException", f"ECS service doesn't exist: {resource}")
    elif target.get("serviceNamespace") == "kafka" and not cloud.get(CLUSTER, resource):
        raise Refused("ValidationException", f"the MSK cluster doesn't exist: {resource}")
    if target.get("minCapacity") > target.get("maxCapacity"):
        raise Refused(
            "ValidationException",
            f"Maximum capacity cannot be less than minimum capacity: {target.get('minCapacity')} > {target.get('maxCapacity')}",
        )


@created(SCALING)
def _registered(cloud: Cloud, policy: Resource) -> None:
    keys = ("resourceId", "scalableDimension", "serviceNamespace")
    if not any(all(item.get(key) == policy.get(key) for key in keys) for item in cloud.all(TARGET)):
        raise Refused(
            "ObjectNotFoundException", f"No scalable target registered for {[policy.get(key) for key in keys]}"
        )
    kind = policy.get("policyType", "StepScaling")
    wanted = {
        "StepScaling": "stepScalingPolicyConfiguration",
        "TargetTrackingScaling": "targetTrackingScalingPolicyConfiguration",
    }.get(kind)
    if wanted and not policy.get(wanted):
        raise Refused("ValidationException", f"a {kind} policy needs {wanted}")


@values(SCHEDULE)
def _schedule(inputs: Mapping[str, Any], region: str) -> Failures:
    failures: Failures = []
    expression = inputs.get("scheduleExpression")
    if expression is not None and not EXPRESSION.fullmatch(expression):
        failures.append(("scheduleExpression", f"ValidationException: Invalid Schedule Expression {expression}."))
    window = inputs.get("flexibleTimeWindow") or {}
    if window.get("mode") == "FLEXIBLE" and not window.get("maximumWindowInMinutes"):
        failures.append(("flexibleTimeWindow", "FLEXIBLE needs maximumWindowInMinutes"))
    target = inputs.get("target") or {}
    if ":cluster/" in str(target.get("arn")) and not target.get("ecsParameters"):
        failures.append(("target", "a schedule on an ECS cluster needs ecsParameters"))
    if isinstance(target.get("input"), str):
        try:
            json.loads(target["input"])
        except ValueError as error:
            failures.append(("target.input", f"ValidationException: the input is not JSON: {error}"))
    return failures


@values(ALARM)
def _alarm(inputs: Mapping[str, Any], region: str) -> Failures:
    failures: Failures = []
    if "metricName" in inputs and inputs.get("metricQueries"):
        failures.append(("metricName", "metricName conflicts with metricQueries"))
    period = inputs.get("period")
    if period is not None and period not in (10, 20, 30) and period % 60:
        failures.append(("period", f"ValidationError: period must be 10, 20, 30 or a multiple of 60, got {period}"))
    points, periods = inputs.get("datapointsToAlarm"), inputs.get("evaluationPeriods")
    if points is not None and periods is not None and points > periods:
        failures.append(("datapointsToAlarm", f"must not be above evaluationPeriods ({periods}), got {points}"))
    if inputs.get("statistic") and inputs.get("extendedStatistic"):
        failures.append(("statistic", "statistic conflicts with extendedStatistic"))
    ids = [query.get("id") for query in inputs.get("metricQueries") or []]
    if ids and sum(1 for query in inputs["metricQueries"] if query.get("returnData")) != 1:
        failures.append(
            ("metricQueries", "ValidationError: exactly one element of the metrics list should return data")
        )
    if len(set(ids)) != len(ids) or any(not re.fullmatch(r"[a-z][A-Za-z0-9_]*", str(id_)) for id_ in ids):
        failures.append(
            ("metricQueries", f"ValidationError: ids must be unique and begin with a lower-case letter: {ids}")
        )
    return failures


@created(ALARM)
def _alarm_measures(cloud: Cloud, alarm: Resource) -> None:
    if not alarm.get("metricName") and not alarm.get("metricQueries"):
        raise Refused("ValidationError", "an alarm needs metricName or metricQueries")
    if alarm.get("metricName"):
        missing = [key for key in ("namespace", "period") if not alarm.get(key)]
        if missing or not (alarm.get("statistic") or alarm.get("extendedStatistic")):
            raise Refused(
                "ValidationError", f"an alarm on a metric needs {[*missing, 'statistic or extendedStatistic']}"
            )


@values(DOCUMENT)
def _ssm_document(inputs: Mapping[str, Any], region: str) -> Failures:
    content = inputs.get("content")
    if content is None:
        return []
    try:
        found = yaml.safe_load(content) if inputs.get("documentFormat") == "YAML" else json.loads(content)
        version = str(found["schemaVersion"])
    except (ValueError, KeyError, TypeError, yaml.YAMLError) as error:
        return [("content", f"InvalidDocumentContent: {error!r}")]
    allowed = DOCUMENT_SCHEMAS.get(inputs.get("documentType", ""), (version,))
    if version not in allowed:
        return [
            (
                "content",
                f"InvalidDocumentSchemaVersion: {inputs.get('documentType')} documents have {allowed}, got {version}",
            )
        ]
    if inputs.get("documentType") == "Command" and version == "2.2" and not found.get("mainSteps"):
        return [("content", "InvalidDocumentContent: mainSteps is missing")]
    return []


@values(DASHBOARD)
def _dashboard(inputs: Mapping[str, Any], region: str) -> Failures:
    try:
        if inputs.get("dashboardBody") is not None:
            json.loads(inputs["dashboardBody"])["widgets"]
        return []
    except (ValueError, KeyError) as error:
        return [("dashboardBody", f"InvalidParameterInput: The dashboard body is invalid: {error!r}")]


@created("aws:ec2/flowLog:FlowLog")
def _flow_log(cloud: Cloud, log: Resource) -> None:
    if log.get("logDestinationType", "cloud-watch-logs") == "cloud-watch-logs" and not log.get("iamRoleArn"):
        raise Refused(
            "InvalidParameter",
            "DeliverLogsPermissionArn (iamRoleArn) can't be empty if LogDestinationType is cloud-watch-logs.",
        )
    if sum(1 for key in ("vpcId", "subnetId", "eniId") if log.get(key)) != 1:
        raise Refused("InvalidParameter", "a flow log needs one of vpcId, subnetId, eniId")
