"""Who hears of alerts, from the settings: for each severity the integrations of its contact point."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from infra.endpoints import AccessInput
from infra.settings import Settings
from infra.settings.alerts import Kind, Severity

SECRET = "infra.aws.alert_secret:AlertSecret"
"""Opened by a step; nothing of the platform is imported here."""


@dataclass(frozen=True)
class Contact:
    """One way in which a severity's alerts are told."""

    severity: Severity
    kind: Literal["sns", "slack", "email", "webhook"]
    settings: Mapping[str, Any] = field(default_factory=dict)
    """The plain ones, as Grafana calls them."""
    secret: AccessInput | None = None
    """Opens to the secret ones, as Grafana calls them."""


def contacts(settings: Settings) -> list[Contact]:
    """Every integration that the settings want."""
    return [
        _contact(severity, kind, settings)
        for severity in get_args(Severity)
        for kind in settings.alert_kinds
        if kind in settings.alertRoutes.get(severity, settings.alert_kinds)
    ]


def _contact(severity: Severity, kind: Kind, settings: Settings) -> Contact:
    def secret(arn: str, keys: Mapping[str, str], needed: str) -> AccessInput:
        return {
            "class": SECRET,
            "args": {"region": settings.awsRegion, "secret_arn": arn, "keys": dict(keys), "needed": needed},
        }

    match kind:
        case "sns":
            region = settings.alertTopicArn.split(":")[3]
            return Contact(severity, kind, {"topic_arn": settings.alertTopicArn, "sigv4": {"region": region}})
        case "email":
            return Contact(severity, kind, {"addresses": ";".join(settings.alertEmails), "singleEmail": True})
        case "slack":
            return Contact(severity, kind, {}, secret(settings.alertSlackSecretArn, {"url": "url"}, "url"))
        case "webhook":
            # Credentials without a scheme are a bearer token; a scheme without credentials would be an empty header.
            keys = {"url": "url", "token": "authorization_credentials"}
            return Contact(severity, kind, {"httpMethod": "POST"}, secret(settings.alertWebhookSecretArn, keys, "url"))
