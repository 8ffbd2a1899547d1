"""The alert rules: what each asks, whom it names, what it tells and where it leads. Thresholds: configs/alerts.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from infra.dashboards.alerts_config import Alerts, Rule

Group = Literal["agents", "slo", "slo-slow", "pipeline"]
INTERVALS: Mapping[Group, int] = {"agents": 60, "slo": 60, "slo-slow": 300, "pipeline": 60}
"""Seconds between evaluations, by group. A burn rate of hours or days reads as much, and changes slowly."""
SLOW_MINUTES = 240
PERCENT = "{{ humanizePercentage $values.B.Value }}"
TIMES = '{{ printf "%.1f" $values.B.Value }} times'


@dataclass(frozen=True)
class Alert:
    """One rule."""

    name: str
    """Ends its uid; the runbook's section and its place in configs/alerts.yaml are named by `section`."""
    title: str
    group: Group
    query: str
    """A file of sql/queries/alerts. Its text columns are the alert's labels."""
    rule: Rule
    summary: str
    """What, where and how much, in one line. Go template: $labels, $values.B.Value."""
    text: str
    """What it means for whom."""
    dashboard: str
    panel: str
    variables: Mapping[str, str] = field(default_factory=dict)
    """Of the dashboard, by the label that sets each."""
    time: str = "now-3h"
    section: str = ""
    silence: Literal["OK", "Alerting"] = "OK"
    """What an answer without rows, or none at all, means. OK: there is nothing to judge. If each rule fired when Grafana
    does not reach ClickHouse, one outage would be a dozen messages: `canary` alone does."""

    @property
    def runbook(self) -> str:
        """The anchor in docs/alerts.md."""
        return self.section or self.name

    @property
    def threshold(self) -> tuple[Literal["gt", "lt"], float]:
        """How its figure is compared, and with what."""
        found = self.rule.model_dump()
        return ("lt", float(found["below"])) if "below" in found else ("gt", float(found["above"]))


BY_TENANT = {"tenant": "tenant", "environment": "environment"}
BY_SERVICE = {**BY_TENANT, "service": "service"}
IN_ENVIRONMENT = "of tenant {{ $labels.tenant }} in {{ $labels.environment }}"


def rules(config: Alerts) -> list[Alert]:
    """Every rule that the configuration wants."""
    wanted = {**_agents(config), **_pipeline(config)}
    return [rule for rule in wanted.values() if rule is not None] + _burns(config)


def _agents(config: Alerts) -> dict[str, Alert | None]:
    found: dict[str, Alert | None] = {}
    if config.error_rate:
        found["error-rate"] = Alert(
            "error-rate",
            "Error rate",
            "agents",
            "error_rate",
            config.error_rate,
            f"{{{{ $labels.service }}}} {IN_ENVIRONMENT}: {PERCENT} of its spans fail",
            f"More than {config.error_rate.above * 100:g}% of the service's spans end in an error.",
            "overview",
            "Error rate by service",
            BY_SERVICE,
        )
    if config.latency:
        found["latency"] = Alert(
            "latency",
            "Latency over target",
            "agents",
            "latency",
            config.latency,
            f"{{{{ $labels.service }}}} {IN_ENVIRONMENT}: p95 is {TIMES} its target of {{{{ $labels.target_ms }}}} ms",
            "Of 100 requests, more than 5 take longer than the objective in configs/slos.yaml allows.",
            "overview",
            "Latency",
            BY_SERVICE,
        )
    if config.cost_spike:
        found["cost-spike"] = Alert(
            "cost-spike",
            "Cost spike",
            "agents",
            "cost_spike",
            config.cost_spike,
            f"Workflow {{{{ $labels.workflow }}}} {IN_ENVIRONMENT} costs {TIMES} what it usually does a minute",
            "Usual is the greater of its mean over 7 days and its mean in this hour of the day.",
            "cost",
            "Against the last 7 days",
            {**BY_TENANT, "workflow": "workflow"},
            "now-24h",
        )
    if config.no_data:
        found["no-data"] = Alert(
            "no-data",
            "No data",
            "agents",
            "no_data",
            config.no_data,
            "Tenant {{ $labels.tenant }} in {{ $labels.environment }} has sent nothing for "
            '{{ printf "%.0f" $values.B.Value }} minutes',
            f"It had sent in at least {config.no_data.steady_minutes} of the 60 minutes before.",
            "overview",
            "Traces a minute",
            BY_TENANT,
        )
    if config.unpriced:
        found["unpriced"] = Alert(
            "unpriced",
            "Model calls without a price",
            "agents",
            "unpriced",
            config.unpriced,
            f"{PERCENT} of the model calls {IN_ENVIRONMENT} have no price, among them those to {{{{ $labels.model }}}}",
            "Cost, budgets and forecasts of this tenant are too low by what these calls cost.",
            "cost",
            "Unpriced models",
            BY_TENANT,
            "now-24h",
        )
    if config.budget:
        found["budget"] = Alert(
            "budget",
            "Budget crossed",
            "agents",
            "budget",
            config.budget,
            "Budget {{ $labels.budget }} of tenant {{ $labels.tenant }} ({{ $labels.scope }} {{ $labels.subject }}): "
            f"past {PERCENT} of its limit",
            "A limit in configs/budgets.yaml. Where there is a budgetWebhookUrl, the worker has called it already, with the run in "
            "the body.",
            "cost",
            "By tenant",
            {"tenant": "tenant"},
            "now-24h",
        )
    return found


def _burns(config: Alerts) -> list[Alert]:
    return [
        Alert(
            f"burn-{name}",
            f"Error budget burns ({name})",
            "slo-slow" if burn.long_minutes > SLOW_MINUTES else "slo",
            "slo_burn",
            burn,
            "{{ $labels.service }} of tenant {{ $labels.tenant }}: the {{ $labels.indicator }} budget of "
            f"{{{{ $labels.objective }}}} burns {TIMES} as fast as it may",
            f"For the last {_span(burn.long_minutes)}, and still in the last {_span(burn.short_minutes)}.",
            "slos",
            "Availability",
            {"tenant": "tenant", "service": "service"},
            "now-24h" if burn.long_minutes <= 1440 else "now-7d",
            section="slo-burn",
        )
        for name, burn in config.slo_burn.items()
    ]


def _pipeline(config: Alerts) -> dict[str, Alert | None]:
    found: dict[str, Alert | None] = {}
    if config.refused:
        found["refused"] = Alert(
            "refused",
            "Collectors refuse",
            "pipeline",
            "refused",
            config.refused,
            f"The collectors answer {PERCENT} of what comes ({{{{ $labels.signal }}}}) with an error",
            "Senders keep what was refused and try again for a while; then it is lost.",
            "health",
            "Accepted and refused a second",
        )
    if config.lag:
        found["lag"] = Alert(
            "lag",
            "Reading lags behind",
            "pipeline",
            "lag",
            config.lag,
            "{{ $labels.topic }}, partition {{ $labels.partition }}: reading is {{ humanizeDuration $values.B.Value }} "
            "behind Kafka",
            "ClickHouse does not keep up. Nothing is lost while Kafka keeps it, but every figure is late.",
            "health",
            "Lag by partition",
        )
    if config.dead_letters:
        found["dead-letters"] = Alert(
            "dead-letters",
            "Messages that cannot be read",
            "pipeline",
            "dead_letters",
            config.dead_letters,
            '{{ $labels.topic }}: {{ printf "%.0f" $values.B.Value }} messages could not be read in the last '
            f"{config.dead_letters.window_minutes} minutes",
            "Their raw text is kept; their spans are in no figure.",
            "health",
            "Dead letters",
        )
    if config.audit:
        found["audit"] = Alert(
            "audit",
            "Stored data differ from what arrived",
            "pipeline",
            "audit",
            config.audit,
            'The newest audit found {{ printf "%.0f" $values.B.Value }} differences between what arrived and what is stored',
            "The worker repairs what it can; this is left. Figures may be wrong until it is looked at.",
            "health",
            "Newest audit",
        )
    if config.disk_days:
        found["disk-days"] = Alert(
            "disk-days",
            "Disk full soon",
            "pipeline",
            "disk_days",
            config.disk_days,
            'Disk {{ $labels.disk }} is full in {{ printf "%.1f" $values.B.Value }} days',
            "At the pace of the last week. A full disk stops the reading from Kafka.",
            "health",
            "Disks",
        )
    if config.disk_used:
        found["disk-used"] = Alert(
            "disk-used",
            "Disk nearly full",
            "pipeline",
            "disk_used",
            config.disk_used,
            f"Disk {{{{ $labels.disk }}}}: {PERCENT} used",
            "ClickHouse needs room to merge. A full disk stops the reading from Kafka.",
            "health",
            "Disks",
        )
    if config.canary:
        found["canary"] = Alert(
            "canary",
            "Canary fails",
            "pipeline",
            "canary",
            config.canary,
            "No canary trace has come through for {{ humanizeDuration $values.B.Value }}",
            "Nothing gets from the collector to ClickHouse, or the worker is down, or Grafana cannot ask ClickHouse.",
            "health",
            "Canary",
            silence="Alerting",
        )
    return found


def _span(minutes: int) -> str:
    for size, name in ((1440, "days"), (60, "hours")):
        if minutes % size == 0 and minutes > size:
            return f"{minutes // size} {name}"
    return {60: "hour", 1440: "day"}.get(minutes, f"{minutes} minutes")
