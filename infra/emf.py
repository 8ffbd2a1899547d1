"""Figures as log lines: CloudWatch makes metrics of them (embedded metric format), so tasks need no right for it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping

NAMESPACE_VARIABLE = "METRIC_NAMESPACE"
"""In the task's environment: the namespace, one a stack."""


def namespace(prefix: str) -> str:
    """The metrics' namespace of a stack whose names begin with `prefix`."""
    return f"{prefix}/tasks"


def wanted() -> bool:
    """Whether somebody reads figures in this process's log."""
    return NAMESPACE_VARIABLE in os.environ


def line(figures: Mapping[str, float], dimensions: Mapping[str, str]) -> str:
    """One log line with the figures, all with the same dimensions (the format wants one at least)."""
    labels = dict(dimensions)
    metrics = {
        "Namespace": os.environ.get(NAMESPACE_VARIABLE, "agent-telemetry/tasks"),
        "Dimensions": [sorted(labels)],
        "Metrics": [{"Name": name} for name in figures],
    }
    header = {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [metrics]}
    return json.dumps({"_aws": header, **labels, **figures})
