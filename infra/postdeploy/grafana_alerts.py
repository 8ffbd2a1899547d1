"""A group of alert rules in Grafana, by its provisioning API: a whole group at a time, so that none is half-written."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

import pulumi
from pulumi.dynamic import Resource

from infra.endpoints import GrafanaEndpoint
from infra.postdeploy.grafana_api import GrafanaApi, grafana_inputs
from infra.postdeploy.grafana_step import GrafanaProvider

RULES = "/api/v1/provisioning/alert-rules"
ROUTED = (10, 4)
"""From this version on a rule names the contact point that hears of it."""
UNITS = {"h": 3600, "m": 60, "s": 1}


class RuleGroupProvider(GrafanaProvider):
    """Inputs: uid (folder/title), group (the body as JSON text: title, folderUid, interval, rules)."""

    watched = ("group",)

    def live(self, api: GrafanaApi, props: Mapping[str, Any]) -> dict[str, Any] | None:
        wanted = json.loads(props["group"])
        found = api.find(_path(wanted))
        return None if found is None or not found.get("rules") else {"group": group_text(as_written(found, wanted))}

    def objection(self, api: GrafanaApi, props: Mapping[str, Any], fresh: bool) -> str:
        wanted = json.loads(props["group"])
        routed = any("notification_settings" in rule for rule in wanted["rules"])
        told = str((api.call("GET", "/api/health") or {}).get("version") or "")
        version = re.match(r"(\d+)\.(\d+)", told)
        if routed and version and (int(version[1]), int(version[2])) < ROUTED:
            return (
                f"{told} knows no contact point of a rule: update it to 10.4 or newer, or leave alertRoutes and the contact "
                "points out and route by the rules' labels in its notification policies"
            )
        return "; ".join(foreign_rules(api, [wanted]))

    def write(self, api: GrafanaApi, props: Mapping[str, Any]) -> None:
        group = json.loads(props["group"])
        api.call("PUT", _path(group), group)

    def remove(self, api: GrafanaApi, props: Mapping[str, Any]) -> None:
        """Rule by rule: what people have put into the group stays, and Grafana 10 deletes no group as a whole."""
        group = json.loads(props["group"])
        found = api.find(_path(group)) or {}
        for rule in found.get("rules") or []:
            if _ours(rule, group):
                api.call("DELETE", f"{RULES}/{rule['uid']}", missing_ok=True)


def foreign_rules(api: GrafanaApi, groups: Iterable[Mapping[str, Any]]) -> list[str]:
    """What of somebody else's stands where these groups are to be: PUT would move, overwrite or delete it."""
    groups = list(groups)
    there: list[Mapping[str, Any]] = (api.call("GET", RULES) or []) if groups else []
    found: list[str] = []
    for group in groups:
        folder, name = group["folderUid"], group["title"]
        uids, titles = {rule["uid"] for rule in group["rules"]}, {rule["title"] for rule in group["rules"]}
        for rule in there:
            what = f"the alert rule {rule['title']!r} ({rule['uid']})"
            here = rule["folderUID"] == folder
            if rule["uid"] in uids and not here:
                found.append(f"{what} has a uid of ours and lies in another folder ({rule['folderUID']}): delete it")
            elif rule["uid"] in uids and rule.get("provenance") == "file":
                found.append(
                    f"{what} comes from a file of that Grafana's and can't be written: take it out of the file"
                )
            elif here and rule["ruleGroup"] == name and not _ours(rule, group):
                found.append(
                    f"{what} was put into our group {name}, which is written as a whole: move it to another group"
                )
            elif here and rule["title"] in titles and not _ours(rule, group):
                found.append(f"{what} in our folder has the title of one of ours: rename it")
    return [f"{line}, then run `up` again" for line in found]


def addresses(group: Mapping[str, Any]) -> dict[str, Any]:
    """As much of a group as tells whether something of somebody else's stands where it is to be."""
    rules = [{key: rule[key] for key in ("uid", "title", "labels")} for rule in group["rules"]]
    return {"folderUid": group["folderUid"], "title": group["title"], "rules": rules}


def as_written(found: Any, wanted: Any) -> Any:
    """What Grafana has, as far as we have said it: without what it adds, and with durations in our spelling. Labels and
    annotations are ours as a whole."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        open_ended = wanted.keys() & {"labels", "annotations", "notification_settings"}
        shaped = {
            key: found[key] if key in open_ended and not isinstance(found[key], dict) else as_written(found[key], value)
            for key, value in wanted.items()
            if key in found
        }
        for key in open_ended & {"labels", "annotations"}:
            shaped[key] = dict(found.get(key) or {})
        if "ruleGroup" in wanted and "notification_settings" not in wanted and found.get("notification_settings"):
            shaped["notification_settings"] = found["notification_settings"]
        return shaped
    if isinstance(wanted, list) and isinstance(found, list):
        if all(isinstance(one, dict) and "uid" in one for one in [*wanted, *found]):
            by_uid = {one["uid"]: one for one in wanted}
            order = list(by_uid)
            found = sorted(found, key=lambda one: order.index(one["uid"]) if one["uid"] in by_uid else len(order))
            return [as_written(one, by_uid.get(one["uid"], one)) for one in found]
        return [*map(as_written, found, wanted), *found[len(wanted) :]]
    if isinstance(wanted, str) and isinstance(found, str) and _seconds(wanted) == _seconds(found) is not None:
        return wanted
    if isinstance(wanted, int | float) and isinstance(found, int | float) and found == wanted:
        return wanted
    return found


def group_text(group: Mapping[str, Any]) -> str:
    """A group's JSON in an order of its own: equal texts are equal groups."""
    return json.dumps(group, sort_keys=True, ensure_ascii=False)


def _seconds(text: str) -> int | None:
    """A duration as Grafana writes it, 5m0s or 1h; None for any other text."""
    parts = re.findall(r"(\d+)([hms])", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return sum(int(number) * UNITS[unit] for number, unit in parts)


def _ours(rule: Mapping[str, Any], group: Mapping[str, Any]) -> bool:
    """By its uid, or by the label that all of the stack's rules have (one that is ours no more)."""
    stack = group["rules"][0]["labels"]["stack"]
    uids = {one["uid"] for one in group["rules"]}
    return rule["uid"] in uids or (rule.get("labels") or {}).get("stack") == stack


def _path(group: Mapping[str, Any]) -> str:
    return f"/api/v1/provisioning/folder/{group['folderUid']}/rule-groups/{quote(group['title'], safe='')}"


class RuleGroup(Resource, module="postdeploy", name="GrafanaRuleGroup"):
    """One group of alert rules in the stack's folder."""

    def __init__(
        self,
        name: str,
        grafana: GrafanaEndpoint,
        group: Mapping[str, Any],
        opts: pulumi.ResourceOptions | None = None,
    ):
        uid = f"{group['folderUid']}/{group['title']}"
        props = {**grafana_inputs(grafana), "uid": uid, "group": group_text(group)}
        super().__init__(RuleGroupProvider(), name, props, opts)
