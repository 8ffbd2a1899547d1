"""Controls of alarms and logs."""

from __future__ import annotations

from collections.abc import Iterator

from tests.unit.aws.controls.registry import adds, control, missing, put
from tests.unit.aws.controls.stacks import Declared

ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"
YEAR = 365


@control("CloudWatch.15", ALARM, breaks=[put(ALARM, "alarmActions", []), adds(ALARM)])
def alarms_tell_somebody(stack: Declared) -> Iterator[str]:
    yield from missing(stack.of(ALARM), lambda item: bool(item.inputs.get("alarmActions")), "tells nobody")


@control("CloudWatch.17", ALARM, breaks=[put(ALARM, "actionsEnabled", False)])
def alarms_are_switched_on(stack: Declared) -> Iterator[str]:
    yield from missing(stack.of(ALARM), lambda item: item.inputs.get("actionsEnabled") is not False, "off")


@control("CloudWatch.16", LOG_GROUP, breaks=[put(LOG_GROUP, "retentionInDays", 30), adds(LOG_GROUP)])
def logs_are_kept_for_a_year_in_prod(stack: Declared) -> Iterator[str]:
    """And nowhere for ever."""
    least = YEAR if stack.prod else 1
    yield from missing(
        stack.of(LOG_GROUP),
        lambda item: (item.inputs.get("retentionInDays") or 0) >= least,
        "kept too short or for ever",
    )
