"""The stand-in for Grafana with its alerting: rule groups and contact points, and what Grafana refuses of them."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from tests.grafana_stub import UID, Grafana

GROUP_KEYS = {"title", "folderUid", "interval", "rules"}
RULE_KEYS = {
    *("uid", "orgID", "folderUID", "ruleGroup", "title", "condition", "data", "noDataState", "execErrState", "for"),
    *("annotations", "labels", "isPaused", "notification_settings", "id", "updated", "provenance"),
    *("keep_firing_for", "missingSeriesEvalsToResolve", "record"),
}
QUERY_KEYS = {"refId", "queryType", "relativeTimeRange", "datasourceUid", "model"}
ROUTE_KEYS = {
    *("receiver", "group_by", "group_wait", "group_interval", "repeat_interval"),
    *("mute_time_intervals", "active_time_intervals"),
}
CONTACT_KEYS = {"uid", "name", "type", "settings", "disableResolveMessage", "provenance"}
SECRET_SETTINGS = {
    "slack": {"url", "token"},
    "webhook": {"authorization_credentials", "password"},
    "sns": {"secretKey"},
}
NEEDED = {"slack": {"url"}, "webhook": {"url"}, "email": {"addresses"}, "sns": {"topic_arn"}}
OPTIONS = {
    "slack": ["recipient", "token", "url", "title", "text"],
    "webhook": ["url", "httpMethod", "username", "password", "authorization_scheme", "authorization_credentials"],
    "email": ["singleEmail", "addresses", "message", "subject"],
    "sns": ["api_url", "sigv4", "topic_arn", "phone_number", "target_arn", "subject", "message", "attributes"],
}
MANAGED = {
    "sns": ["topic", "authProvider", "assumeRoleARN", "messageFormat", "body", "subject"],
    "slack": OPTIONS["slack"],
}
"""Managed Grafana's kinds, with its own SNS."""
ALL_DEFAULT = ("grafana_folder", "alertname")
Answer = tuple[int, Any]


@dataclass
class AlertingGrafana(Grafana):
    """One Grafana with unified alerting."""

    rules: dict[str, dict[str, Any]] = field(default_factory=dict)
    intervals: dict[tuple[str, str], int] = field(default_factory=dict)
    contacts: dict[str, dict[str, Any]] = field(default_factory=dict)
    notifiers: dict[str, list[str]] = field(default_factory=lambda: dict(OPTIONS))

    def _routes(self) -> list[tuple[str, str, Callable[..., Answer]]]:
        start = "/api/v1/provisioning"
        group = rf"{start}/folder/([^/]+)/rule-groups/([^/]+)"
        return [
            ("GET", rf"{start}/alert-rules", lambda: (200, [self._told_rule(uid) for uid in self.rules])),
            ("DELETE", rf"{start}/alert-rules/([^/]+)", self._delete_rule),
            ("GET", group, self._get_group),
            ("PUT", group, self._put_group),
            ("GET", rf"{start}/contact-points", lambda: (200, [self._told_contact(uid) for uid in self.contacts])),
            ("POST", rf"{start}/contact-points", self._new_contact),
            ("PUT", rf"{start}/contact-points/([^/]+)", self._put_contact),
            ("DELETE", rf"{start}/contact-points/([^/]+)", self._delete_contact),
            ("GET", "/api/alert-notifiers", self._notifiers),
            *super()._routes(),
        ]

    def _told_rule(self, uid: str) -> dict[str, Any]:
        """A rule with what Grafana adds, and in its own spelling."""
        rule = copy.deepcopy(self.rules[uid])
        minutes = int(rule["for"].removesuffix("m"))
        rule["for"] = f"{minutes // 60}h{minutes % 60}m0s" if minutes >= 60 else f"{minutes}m0s" if minutes else "0s"
        rule |= {"id": 1 + list(self.rules).index(uid), "updated": "2026-11-24T00:00:00Z"}
        rule.setdefault("provenance", "api")
        for query in rule["data"]:
            query.setdefault("queryType", "")
        return rule

    def _in_group(self, folder: str, title: str) -> list[str]:
        return [uid for uid, rule in self.rules.items() if (rule["folderUID"], rule["ruleGroup"]) == (folder, title)]

    def _get_group(self, folder: str, quoted: str) -> Answer:
        title = unquote(quoted)
        uids = self._in_group(folder, title)
        if not uids:
            return 404, None
        told = {"title": title, "folderUid": folder, "interval": self.intervals[folder, title]}
        return 200, {**told, "rules": [self._told_rule(uid) for uid in uids]}

    def _put_group(self, folder: str, quoted: str, body: dict[str, Any]) -> Answer:
        title = unquote(quoted)
        if unknown := set(body) - GROUP_KEYS:
            return 400, {"message": f"unknown fields {sorted(unknown)}"}
        if folder not in self.folders:
            return 400, {"message": "folder does not exist"}
        if body["interval"] <= 0 or body["interval"] % 10:
            return 400, {"message": "interval must be divisible by the base interval of 10 s"}
        for rule in body["rules"]:
            if said := self._refused(folder, title, rule, body["rules"]):
                return 400, {"message": said}
        for uid in self._in_group(folder, title):
            del self.rules[uid]
        for rule in body["rules"]:
            self.rules[rule["uid"]] = {**copy.deepcopy(rule), "folderUID": folder, "ruleGroup": title}
        self.intervals[folder, title] = body["interval"]
        return 200, self._get_group(folder, quoted)[1]

    def _refused(self, folder: str, title: str, rule: dict[str, Any], group: list[dict[str, Any]]) -> str:
        if unknown := set(rule) - RULE_KEYS:
            return f"unknown fields {sorted(unknown)}"
        if not UID.fullmatch(rule["uid"]):
            return "cannot create rule with UID: it is longer than 40 symbols or has others than a-zA-Z0-9-_"
        there = self.rules.get(rule["uid"])
        if there and there.get("provenance") == "file":
            return "cannot update with provided provenance 'api', needs 'file'"
        others = [*group, *(one for uid, one in self.rules.items() if uid not in {each["uid"] for each in group})]
        twins = [one for one in others if (one["folderUID"], one["title"]) == (folder, rule["title"])]
        stays = [one for one in twins if one in group or one["ruleGroup"] != title]
        if len(stays) > 1:
            return (
                "a conflicting alert rule is found: rule title under the same organisation and folder should be unique"
            )
        refs = [query["refId"] for query in rule["data"]]
        if rule["condition"] not in refs or len(set(refs)) < len(refs):
            return "condition does not exist, or a refId is there twice"
        for query in rule["data"]:
            if unknown := set(query) - QUERY_KEYS:
                return f"unknown fields {sorted(unknown)}"
            source = query["datasourceUid"]
            if source != "__expr__" and source not in self.data_sources:
                return f"failed to build query '{query['refId']}': data source not found"
            if source == "__expr__" and query["model"]["expression"] not in refs:
                return f"expression {query['refId']} has an unknown reference"
        if not re.fullmatch(r"\d+[smh]", rule["for"]):
            return "for is no duration"
        return self._misrouted(rule.get("notification_settings"))

    def _misrouted(self, route: dict[str, Any] | None) -> str:
        if route is None:
            return ""
        if unknown := set(route) - ROUTE_KEYS:
            return f"unknown fields {sorted(unknown)}"
        if route["receiver"] not in {one["name"] for one in self.contacts.values()}:
            return f"invalid notification settings: receiver {route['receiver']} does not exist"
        if not set(ALL_DEFAULT) <= set(route.get("group_by", ALL_DEFAULT)):
            return "invalid notification settings: group_by must contain alertname and grafana_folder"
        return ""

    def _delete_rule(self, uid: str) -> Answer:
        self.rules.pop(uid, None)
        return 204, None

    def _told_contact(self, uid: str) -> dict[str, Any]:
        found = copy.deepcopy(self.contacts[uid])
        for key in SECRET_SETTINGS.get(found["type"], set()) & set(found["settings"]):
            found["settings"][key] = "[REDACTED]"
        return {"provenance": "api", **found}

    def _invalid(self, body: dict[str, Any]) -> str:
        if unknown := set(body) - CONTACT_KEYS:
            return f"unknown fields {sorted(unknown)}"
        if not UID.fullmatch(body["uid"]) or not body["name"]:
            return "bad uid or name"
        if body["type"] not in self.notifiers:
            return f"invalid contact point type {body['type']}"
        if unknown := set(body["settings"]) - set(self.notifiers[body["type"]]):
            return f"unknown settings {sorted(unknown)}"
        needed = (
            {"topic"} if "topic" in self.notifiers.get("sns", ()) and body["type"] == "sns" else NEEDED[body["type"]]
        )
        missing = {key for key in needed if not body["settings"].get(key)}
        return f"failed to validate integration: {sorted(missing)} missing" if missing else ""

    def _new_contact(self, body: dict[str, Any]) -> Answer:
        if said := self._invalid(body):
            return 400, {"message": said}
        if body["uid"] in self.contacts:
            return 400, {"message": "uid is already in use"}
        self.contacts[body["uid"]] = copy.deepcopy(body)
        return 202, self._told_contact(body["uid"])

    def _put_contact(self, uid: str, body: dict[str, Any]) -> Answer:
        if uid not in self.contacts:
            return 404, {"message": "contact point not found"}
        if said := self._invalid(body):
            return 400, {"message": said}
        self.contacts[uid] = copy.deepcopy(body)
        return 202, {"message": "contactpoint updated"}

    def _delete_contact(self, uid: str) -> Answer:
        if uid not in self.contacts:
            return 202, {"message": "contactpoint deleted"}
        name = self.contacts[uid]["name"]
        last = sum(one["name"] == name for one in self.contacts.values()) == 1
        if last and any(
            (rule.get("notification_settings") or {}).get("receiver") == name for rule in self.rules.values()
        ):
            return 409, {"message": "contact point is currently used by one or many alert rules"}
        del self.contacts[uid]
        return 202, {"message": "contactpoint deleted"}

    def _notifiers(self) -> Answer:
        kinds = self.notifiers.items()
        return 200, [{"type": kind, "options": [{"propertyName": name} for name in names]} for kind, names in kinds]

    def _delete_folder(self, uid: str) -> Answer:
        if any(rule["folderUID"] == uid for rule in self.rules.values()):
            return 400, {"message": "folder cannot be deleted: folder contains alert rules"}
        return super()._delete_folder(uid)
