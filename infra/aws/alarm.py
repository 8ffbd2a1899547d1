"""One alarm, as CloudWatch takes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pulumi

Comparison = Literal["GreaterThanThreshold", "GreaterThanOrEqualToThreshold", "LessThanThreshold"]


@dataclass(frozen=True)
class Alarm:
    """One alarm."""

    name: str
    section: str
    """Of the runbook."""
    about: str
    namespace: str
    metric: str
    dimensions: Mapping[str, pulumi.Input[str]]
    statistic: str
    threshold: float
    period: int
    periods: int
    comparison: Comparison = "GreaterThanOrEqualToThreshold"
    missing: Literal["breaching", "notBreaching", "ignore"] = "notBreaching"
    share_of: str = ""
    """Another metric of the same namespace and dimensions: the threshold is a percentage of it."""

    def measured(self) -> dict[str, Any]:
        """The metric, as MetricAlarm takes it."""
        if not self.share_of:
            return {
                "namespace": self.namespace,
                "metric_name": self.metric,
                "dimensions": self.dimensions,
                "statistic": self.statistic,
                "period": self.period,
            }
        share = {"id": "share", "expression": "IF(whole > 0, 100 * FILL(part, 0) / whole, 0)", "label": self.name}
        return {
            "metric_queries": [
                {**share, "return_data": True},
                {"id": "part", "metric": self._query(self.metric)},
                {"id": "whole", "metric": self._query(self.share_of)},
            ]
        }

    def _query(self, metric: str) -> dict[str, Any]:
        return {
            "namespace": self.namespace,
            "metric_name": metric,
            "dimensions": self.dimensions,
            "stat": self.statistic,
            "period": self.period,
        }


@dataclass(frozen=True)
class Source:
    """Where a group of alarms gets its figures from."""

    namespace: str
    dimensions: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)

    def alarm(self, name: str, about: str, metric: str, statistic: str, threshold: float, **more: Any) -> Alarm:
        """An alarm on one of them; its section is its name unless another is given, its time five minutes."""
        known = {"section": name, "period": 60, "periods": 5, **more}
        return Alarm(
            name=name,
            about=about,
            namespace=self.namespace,
            metric=metric,
            dimensions=self.dimensions,
            statistic=statistic,
            threshold=threshold,
            **known,
        )
