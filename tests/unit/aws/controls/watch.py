"""What the rules of policy/rules/watch.py must notice."""

from __future__ import annotations

from policy.rules.watch import ALARM, LOG_GROUP
from tests.unit.aws.controls.breaks import Breaks, adds, put

BREAKS: Breaks = {
    "CloudWatch.15": [put(ALARM, "alarmActions", []), adds(ALARM)],
    "CloudWatch.17": [put(ALARM, "actionsEnabled", False)],
    "CloudWatch.16": [put(LOG_GROUP, "retentionInDays", 30), adds(LOG_GROUP)],
}
