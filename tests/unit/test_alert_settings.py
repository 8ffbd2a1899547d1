"""Who hears of alerts: what the settings say, what they may not say, and what becomes of a secret."""

from __future__ import annotations

import json
from typing import Any

import pytest

from infra.aws import alert_secret
from infra.aws.alert_secret import AlertSecret
from infra.config import file_settings
from infra.contacts import contacts
from infra.endpoints import access_from_dict
from infra.errors import UserError
from infra.postdeploy.grafana_contacts import receivers
from infra.settings import Settings, parse_settings

TOPIC = "arn:aws:sns:eu-central-1:123456789012:alerts"
SECRET = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:hook-AbCdEf"
ALL = {
    "alertTopicArn": TOPIC,
    "alertSlackSecretArn": SECRET,
    "alertWebhookSecretArn": SECRET,
    "alertEmails": ["one@example.com"],
}


def settings(**changed: Any) -> Settings:
    return parse_settings({**file_settings("dev").model_dump(), **changed}, "Pulumi.dev.yaml")


def wanted(**changed: Any) -> list[tuple[str, str]]:
    return [(contact.severity, contact.kind) for contact in contacts(settings(**changed))]


def test_without_a_contact_point_grafana_s_own_policies_decide() -> None:
    assert contacts(settings()) == [] and receivers(settings(), "x") == {}


def test_each_severity_goes_to_all_that_are_set_unless_a_route_says_otherwise() -> None:
    kinds = ["sns", "slack", "email", "webhook"]
    assert wanted(**ALL) == [(severity, kind) for severity in ("critical", "warning") for kind in kinds]
    assert wanted(alertTopicArn=TOPIC) == [("critical", "sns"), ("warning", "sns")]
    routed = wanted(**ALL, alertRoutes={"critical": ["sns", "slack"], "warning": ["email"]})
    assert routed == [("critical", "sns"), ("critical", "slack"), ("warning", "email")]
    only = settings(**ALL, alertRoutes={"warning": []})
    assert receivers(only, "x") == {"critical": "x-critical"}, "nobody hears of a warning: no contact point for it"


def test_what_is_secret_is_an_arn_in_the_plan() -> None:
    for contact in contacts(settings(**ALL)):
        assert (contact.secret is not None) == (contact.kind in ("slack", "webhook"))
        assert "https" not in json.dumps([dict(contact.settings), contact.secret])
        if contact.secret:
            assert access_from_dict(contact.secret).secret_arn == SECRET


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"alertTopicArn": "alerts"}, "alertTopicArn"),
        ({"alertSlackSecretArn": "https://hooks.example.com/x"}, "alertSlackSecretArn"),
        ({"alertEmails": ["one@example.com; two@example.com"]}, "alertEmails: .* is not one address"),
        ({"alertRoutes": {"critical": ["slack"]}}, "critical goes to slack, and alertSlackSecretArn is not set"),
        ({"alertTopicArn": TOPIC, "alertRoutes": {"critical": ["sns", "sns"]}}, "critical names a kind twice"),
        ({"alertRoutes": {"urgent": []}}, "alertRoutes.urgent"),
        ({"alertRoutes": {"critical": ["pager"]}}, "alertRoutes.critical"),
        ({"alertTopicArn": TOPIC, "grafanaMode": "none"}, "alertTopicArn: only counts where"),
        ({"alertRunbookUrl": "docs/alerts.md"}, "alertRunbookUrl"),
    ],
)
def test_a_wrong_setting_is_named(changed: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError, match=says):
        settings(**changed)


@pytest.mark.parametrize(
    ("held", "says"),
    [
        ({}, 'no key "url"'),
        ({"url": "http://hooks.example.com"}, "begins with https"),
        ({"url": "https://hooks.example.com", "channel": "x"}, "unknown keys channel; it takes url, token"),
    ],
)
def test_a_secret_that_is_of_no_use_is_told_without_what_it_holds(
    monkeypatch: pytest.MonkeyPatch, held: dict[str, str], says: str
) -> None:
    monkeypatch.setattr(alert_secret, "secret", lambda _region, _arn: held)
    keys = {"url": "url", "token": "authorization_credentials"}
    with pytest.raises(UserError, match=says) as error, AlertSecret("eu-central-1", SECRET, keys, "url").open():
        pass
    assert "hooks.example.com" not in str(error.value)


def test_a_secret_s_keys_become_grafana_s(monkeypatch: pytest.MonkeyPatch) -> None:
    held = {"url": "https://example.com", "token": "t"}
    monkeypatch.setattr(alert_secret, "secret", lambda _region, _arn: held)
    access = next(one.secret for one in contacts(settings(**ALL)) if one.kind == "webhook")
    assert access
    with access_from_dict(access).open() as found:
        assert found == {"url": "https://example.com", "authorization_credentials": "t"}
