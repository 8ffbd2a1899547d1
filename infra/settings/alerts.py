"""Settings of Grafana's alerts: who hears of them. What fires and when is in configs/alerts.yaml."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import BaseModel, Field

Severity = Literal["critical", "warning"]
Kind = Literal["sns", "slack", "email", "webhook"]
KEYS: dict[Kind, str] = {
    "sns": "alertTopicArn",
    "slack": "alertSlackSecretArn",
    "email": "alertEmails",
    "webhook": "alertWebhookSecretArn",
}
SECRET = r"^(arn:aws:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@-]+)?$"


class AlertSettings(BaseModel):
    """Contact points in Grafana, and which severity goes to which. Without any, Grafana's own notification policies decide."""

    alertTopicArn: str = Field(
        "",
        pattern=r"^(arn:aws:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+)?$",
        description="An SNS topic for Grafana's alerts; the workspace's role may publish to it.",
    )
    alertSlackSecretArn: str = Field(
        "", pattern=SECRET, description='The secret with a Slack webhook for alerts: {"url": "https://…"}.'
    )
    alertWebhookSecretArn: str = Field(
        "",
        pattern=SECRET,
        description='The secret with a webhook for alerts: {"url": "https://…", "token": "…"}; the token, if there is one, goes as a bearer token.',
    )
    alertEmails: list[str] = Field(
        [],
        description="Addresses for alerts, of a Grafana that can send e-mail (Managed Grafana cannot: let SNS do it).",
    )
    alertRoutes: dict[Severity, list[Kind]] = Field(
        {},
        description="Severity (critical, warning) to the kinds of contact points (sns, slack, email, webhook) that hear of it. A severity that is not in it goes to all that are set.",
    )
    alertRunbookUrl: str = Field(
        "",
        pattern=r"^(https?://\S+)?$",
        description="Where people can read docs/alerts.md: alerts link to its sections. Empty: they name them only.",
    )

    @property
    def alert_kinds(self) -> list[Kind]:
        """The kinds of contact points that are set."""
        return [kind for kind, key in KEYS.items() if getattr(self, key)]


def alert_problems(s: AlertSettings, has_grafana: bool) -> Iterator[str]:
    """Contradictions, as `key: what is wrong`."""
    for kind in s.alert_kinds:
        if not has_grafana:
            yield f"{KEYS[kind]}: only counts where the stack puts alerts into a Grafana (platform aws, grafanaMode not none)"
    for severity, kinds in s.alertRoutes.items():
        for kind in kinds:
            if kind not in s.alert_kinds:
                yield f"alertRoutes: {severity} goes to {kind}, and {KEYS[kind]} is not set"
        if len(set(kinds)) < len(kinds):
            yield f"alertRoutes: {severity} names a kind twice"
    for address in s.alertEmails:
        if "@" not in address or any(mark in address for mark in "; ,\n"):
            yield f"alertEmails: {address!r} is not one address"
