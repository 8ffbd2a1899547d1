"""Controls of alarms and logs."""

from __future__ import annotations

from collections.abc import Iterator

from policy.rules.registry import Finding, control, missing
from policy.stack import Stack

ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"
YEAR = 365


@control("CloudWatch.15", "logs-and-alarms", ALARM)
def alarms_tell_somebody(stack: Stack) -> Iterator[Finding]:
    yield from missing(stack.of(ALARM), lambda item: bool(item.inputs.get("alarmActions")), "tells nobody")


@control("CloudWatch.17", "logs-and-alarms", ALARM)
def alarms_are_switched_on(stack: Stack) -> Iterator[Finding]:
    yield from missing(stack.of(ALARM), lambda item: item.inputs.get("actionsEnabled") is not False, "off")


@control("CloudWatch.16", "logs-and-alarms", LOG_GROUP)
def logs_are_kept_for_a_year_in_prod(stack: Stack) -> Iterator[Finding]:
    """And nowhere for ever."""
    least = YEAR if stack.prod else 1
    yield from missing(
        stack.of(LOG_GROUP),
        lambda item: (item.inputs.get("retentionInDays") or 0) >= least,
        "kept too short or for ever",
    )
