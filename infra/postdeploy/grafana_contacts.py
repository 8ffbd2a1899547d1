"""Who hears of an alert: one integration (SNS, Slack, e-mail, webhook) of a contact point of ours in Grafana."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, get_args
from urllib.parse import quote

import pulumi
from pulumi.dynamic import Resource

from infra.contacts import Contact, contacts
from infra.endpoints import GrafanaEndpoint, access_from_dict
from infra.postdeploy.grafana_api import GrafanaApi, grafana_inputs
from infra.postdeploy.grafana_step import GrafanaProvider
from infra.settings import Settings
from infra.settings.alerts import Kind, Severity

CONTACTS = "/api/v1/provisioning/contact-points"
NOTIFIERS = "/api/alert-notifiers"
TOPIC = "topic_arn"


class ContactProvider(GrafanaProvider):
    """Inputs: uid, name (the contact point's), kind, settings (the plain ones), secret (an access, or None), own (uids of
    the stack's integrations). What the secret holds is read when it is written, and is in no state."""

    watched = ("name", "kind", "settings", "secret")

    def live(self, api: GrafanaApi, props: Mapping[str, Any]) -> dict[str, Any] | None:
        found = self._found(api, props)
        if found is None:
            return None
        kept = _plain(found.get("settings") or {}, props["settings"])
        # Grafana tells no secret. That the one it was given is not the one there is now, the digest tells.
        if props.get("written") and props["written"] != digest(props):
            kept["secret"] = "has changed since it was written"
        return {"name": found.get("name"), "kind": found.get("type"), "settings": kept}

    def objection(self, api: GrafanaApi, props: Mapping[str, Any], fresh: bool) -> str:
        offered = self._options(api)
        if offered and props["kind"] not in offered:
            return (
                f"it has no contact points of the kind {props['kind']}, only {', '.join(sorted(offered))}: leave its "
                "setting out (on Managed Grafana let SNS write e-mails and call webhooks)"
            )
        for there in api.call("GET", f"{CONTACTS}?name={quote(props['name'])}") or []:
            if there["name"] == props["name"] and there["uid"] not in props["own"]:
                return f"somebody else's contact point has our name {props['name']}: rename it, then run `up` again"
        found = self._found(api, props)
        if found and found["name"] != props["name"]:
            return f"somebody else's contact point ({found['name']}) has our uid {props['uid']}: delete it"
        return ""

    def write(self, api: GrafanaApi, props: Mapping[str, Any]) -> None:
        settings = {**props["settings"], **_secret(props)}
        if props["kind"] == "sns" and TOPIC not in self._options(api).get("sns", {TOPIC}):
            # Managed Grafana's own integration, older than Grafana's: signs as the workspace's role.
            settings = {"topic": settings[TOPIC], "authProvider": "default", "messageFormat": "json"}
        body = {
            "uid": props["uid"],
            "name": props["name"],
            "type": props["kind"],
            "settings": settings,
            "disableResolveMessage": False,
        }
        if self._found(api, props) is None:
            api.call("POST", CONTACTS, body)
        else:
            api.call("PUT", f"{CONTACTS}/{props['uid']}", body)

    def remove(self, api: GrafanaApi, props: Mapping[str, Any]) -> None:
        api.call("DELETE", f"{CONTACTS}/{props['uid']}", missing_ok=True)

    def _written(self, props: dict[str, Any], fresh: bool) -> dict[str, Any]:
        return {**super()._written(props, fresh), "written": digest(props)}

    def _found(self, api: GrafanaApi, props: Mapping[str, Any]) -> dict[str, Any] | None:
        return next((one for one in api.call("GET", CONTACTS) or [] if one["uid"] == props["uid"]), None)

    def _options(self, api: GrafanaApi) -> dict[str, set[str]]:
        """By kind of contact point the names of its settings; empty where Grafana does not tell."""
        told = api.find(NOTIFIERS) or []
        return {kind["type"]: {one["propertyName"] for one in kind.get("options") or []} for kind in told}


def digest(props: Mapping[str, Any]) -> str:
    """What tells one secret from another; ''."""
    secret = _secret(props)
    text = "\n".join([props["uid"], *(f"{key}={value}" for key, value in sorted(secret.items()))])
    return hashlib.sha256(text.encode()).hexdigest() if secret else ""


def _secret(props: Mapping[str, Any]) -> dict[str, str]:
    # The engine hands over no property that is None.
    if not props.get("secret"):
        return {}
    with access_from_dict(props["secret"]).open() as found:
        return dict(found)


def _plain(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that we have set, as Grafana has them. Managed Grafana's SNS calls the topic `topic`."""
    renamed = {**found, TOPIC: found["topic"]} if TOPIC in wanted and "topic" in found else dict(found)
    return {key: renamed.get(key, value if "topic" in found else None) for key, value in wanted.items()}


class ContactPoint(Resource, module="postdeploy", name="GrafanaContactPoint"):
    """One way in which a severity's alerts are told."""

    def __init__(
        self,
        name: str,
        grafana: GrafanaEndpoint,
        uid: str,
        receiver: str,
        contact: Contact,
        own: list[str],
        opts: pulumi.ResourceOptions | None = None,
    ):
        props = {
            **grafana_inputs(grafana),
            "uid": uid,
            "name": receiver,
            "kind": contact.kind,
            "settings": dict(contact.settings),
            "secret": contact.secret,
            "own": own,
        }
        super().__init__(ContactProvider(), name, props, opts)


def receivers(settings: Settings, prefix: str) -> dict[Severity, str]:
    """The contact point that hears of a severity, by its name in Grafana."""
    return {contact.severity: f"{prefix}-{contact.severity}" for contact in contacts(settings)}


def contact_points(
    settings: Settings, grafana: GrafanaEndpoint, prefix: str, opts: pulumi.ResourceOptions
) -> list[ContactPoint]:
    """Every integration that the settings want, in a contact point a severity."""
    names = receivers(settings, prefix)
    own = [contact_uid(prefix, severity, kind) for severity in get_args(Severity) for kind in get_args(Kind)]
    return [
        ContactPoint(
            f"contact-{contact.severity}-{contact.kind}",
            grafana,
            contact_uid(prefix, contact.severity, contact.kind),
            names[contact.severity],
            contact,
            own,
            opts,
        )
        for contact in contacts(settings)
    ]


def contact_uid(prefix: str, severity: Severity, kind: Kind) -> str:
    """The integration's stable uid."""
    from infra.dashboards.page import uid  # the builders' library, which a stack without a Grafana does not need

    return uid(prefix, f"{severity}-{kind}")
