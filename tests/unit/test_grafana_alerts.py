"""Alert rules and contact points in a Grafana: written whole, found again, put right, and nothing of others touched."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from infra.contacts import Contact
from infra.dashboards.alerts import build_rule_groups
from infra.endpoints import access_from_dict
from infra.errors import UserError
from infra.postdeploy import grafana_contacts
from infra.postdeploy.grafana_alerts import RuleGroupProvider, addresses, foreign_rules, group_text
from infra.postdeploy.grafana_api import GrafanaApi
from infra.postdeploy.grafana_contacts import ContactProvider, contact_uid
from infra.postdeploy.grafana_folder import FolderProvider
from infra.postdeploy.grafana_ground import GroundProvider
from infra.settings.alerts import Kind, Severity
from tests.grafana_alerting_stub import MANAGED, AlertingGrafana
from tests.grafana_models import judge
from tests.grafana_steps import UID, folder, ground, known_accesses, props, provision
from tests.grafana_stub import UNPUBLISHED, serving

HOOK = "https://hooks.example.com/s3cr3t"
SECRETS: dict[str, str] = {}
ROUTES: dict[Severity, str] = {"critical": f"{UID}-critical", "warning": f"{UID}-warning"}
GROUPS = build_rule_groups(UID, ROUTES, "https://docs.example.com/alerts.html")
CONTACTS = [
    Contact("critical", "slack", {}, {"class": "hook", "args": {}}),
    Contact("critical", "email", {"addresses": "one@example.com;two@example.com", "singleEmail": True}),
    Contact("warning", "webhook", {"httpMethod": "POST"}, {"class": "hook", "args": {}}),
]


@dataclass(frozen=True)
class Hook:
    """A secret that is known."""

    @contextmanager
    def open(self) -> Iterator[dict[str, str]]:
        yield dict(SECRETS)


@pytest.fixture
def grafana(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[AlertingGrafana]:
    known_accesses(monkeypatch, tmp_path)

    def made(value: Mapping[str, Any]) -> Any:
        return Hook() if value["class"] == "hook" else access_from_dict(value)

    monkeypatch.setattr(grafana_contacts, "access_from_dict", made)
    monkeypatch.setitem(SECRETS, "url", HOOK)
    with serving(AlertingGrafana()) as running:
        assert isinstance(running, AlertingGrafana)
        provision(running)
        yield running


def group(grafana: AlertingGrafana, one: Mapping[str, Any]) -> dict[str, Any]:
    return props(grafana, uid=f"{UID}/{one['title']}", group=group_text(one))


def contact(grafana: AlertingGrafana, one: Contact) -> dict[str, Any]:
    kinds: tuple[Kind, ...] = ("sns", "slack", "email", "webhook")
    own = [contact_uid(UID, severity, kind) for severity in ROUTES for kind in kinds]
    plain = {"name": ROUTES[one.severity], "kind": one.kind, "settings": dict(one.settings)}
    if one.secret:  # the engine hands over no property that is None
        plain["secret"] = one.secret
    return props(grafana, uid=contact_uid(UID, one.severity, one.kind), own=own, **plain)


def alerting(grafana: AlertingGrafana) -> None:
    for one in CONTACTS:
        ContactProvider().create(contact(grafana, one))
    for one in GROUPS:
        RuleGroupProvider().create(group(grafana, one))


def drifts(grafana: AlertingGrafana, one: Mapping[str, Any]) -> bool:
    """Whether a refresh finds the group other than it is wanted."""
    inputs = group(grafana, one)
    read = RuleGroupProvider().read(inputs["uid"], inputs)
    return not read.id or RuleGroupProvider().diff(inputs["uid"], read.outs or {}, inputs).changes is True


def others(grafana: AlertingGrafana, **changed: Any) -> dict[str, Any]:
    """A rule of somebody else's, in a folder of their own."""
    grafana.folders.setdefault("theirs", {"uid": "theirs", "title": "Theirs"})
    rule = copy.deepcopy(GROUPS[0]["rules"][0])
    rule |= {
        "uid": "theirs-1",
        "title": "Theirs",
        "folderUID": "theirs",
        "ruleGroup": "agents",
        "labels": {},
        **changed,
    }
    rule.pop("notification_settings")
    grafana.rules[rule["uid"]] = rule
    grafana.intervals.setdefault((rule["folderUID"], rule["ruleGroup"]), 60)
    return rule


class TestRules:
    def test_they_can_be_written_again_and_what_grafana_adds_is_no_drift(self, grafana: AlertingGrafana) -> None:
        for _ in range(2):
            alerting(grafana)
            assert sorted(grafana.rules) == sorted(rule["uid"] for one in GROUPS for rule in one["rules"])
            assert not any(drifts(grafana, one) for one in GROUPS)

    def test_one_that_is_no_longer_in_the_code_goes_and_nobody_else_s(self, grafana: AlertingGrafana) -> None:
        alerting(grafana)
        theirs = others(grafana)
        first = GROUPS[0]
        fewer = {**first, "rules": first["rules"][1:]}
        RuleGroupProvider().update("", group(grafana, first), group(grafana, fewer))
        assert first["rules"][0]["uid"] not in grafana.rules and first["rules"][1]["uid"] in grafana.rules
        for one in GROUPS:
            for _ in range(2):
                RuleGroupProvider().delete("", group(grafana, one))
        assert list(grafana.rules) == [theirs["uid"]]

    def test_one_that_changes_its_group_is_in_one_of_them(self, grafana: AlertingGrafana) -> None:
        alerting(grafana)
        first, last = GROUPS[0], GROUPS[-1]
        moved = {**first["rules"][0], "ruleGroup": last["title"]}
        fewer, more = {**first, "rules": first["rules"][1:]}, {**last, "rules": [*last["rules"], moved]}
        for order in ([fewer, more], [more, fewer]):
            for one in order:
                RuleGroupProvider().update("", group(grafana, one), group(grafana, one))
            assert grafana.rules[moved["uid"]]["ruleGroup"] == last["title"]
            assert not drifts(grafana, fewer) and not drifts(grafana, more)
            alerting(grafana)

    @pytest.mark.parametrize(
        "edit",
        [
            lambda rule: rule["data"][2]["model"]["conditions"][0]["evaluator"].update(params=[99]),
            lambda rule: rule["data"][0]["model"].update(rawSql="SELECT 1"),
            lambda rule: rule.update({"for": "1m"}),
            lambda rule: rule.update(isPaused=True),
            lambda rule: rule["labels"].update(team="x"),
            lambda rule: rule["annotations"].pop("summary"),
            lambda rule: rule.update(title="Another"),
            lambda rule: rule.update(noDataState="Alerting"),
            lambda rule: rule.pop("notification_settings"),
            lambda rule: rule["notification_settings"].update(receiver="theirs"),
        ],
    )
    def test_an_edit_by_hand_is_found_and_put_right(
        self, grafana: AlertingGrafana, edit: Callable[[dict[str, Any]], None]
    ) -> None:
        alerting(grafana)
        one = GROUPS[0]
        edit(grafana.rules[one["rules"][0]["uid"]])
        assert drifts(grafana, one)
        RuleGroupProvider().update("", group(grafana, one), group(grafana, one))
        assert not drifts(grafana, one)

    def test_what_is_gone_or_evaluated_at_another_pace_is_found(self, grafana: AlertingGrafana) -> None:
        alerting(grafana)
        grafana.intervals[UID, "slo"] = 600
        del grafana.rules[GROUPS[0]["rules"][1]["uid"]]
        for uid in [rule["uid"] for rule in GROUPS[-1]["rules"]]:
            del grafana.rules[uid]
        assert [drifts(grafana, one) for one in GROUPS] == [True, True, False, True]
        inputs = group(grafana, GROUPS[-1])
        assert RuleGroupProvider().read(inputs["uid"], inputs).id == "", "a group without rules is none"

    def test_a_receiver_that_somebody_added_to_an_unrouted_rule_is_found(self, grafana: AlertingGrafana) -> None:
        (one, *_) = build_rule_groups(UID)
        RuleGroupProvider().create(group(grafana, one))
        assert not drifts(grafana, one)
        grafana.rules[one["rules"][0]["uid"]]["notification_settings"] = {"receiver": "theirs"}
        assert drifts(grafana, one)

    @pytest.mark.parametrize(
        ("changed", "said"),
        [
            (
                {"uid": GROUPS[0]["rules"][0]["uid"]},
                r"has a uid of ours and lies in another folder \(theirs\): delete it",
            ),
            ({"folderUID": UID}, "was put into our group agents, which is written as a whole: move it"),
            ({"folderUID": UID, "ruleGroup": "hers", "title": GROUPS[0]["rules"][0]["title"]}, "title of one of ours"),
            (
                {"uid": GROUPS[0]["rules"][0]["uid"], "folderUID": UID, "provenance": "file"},
                "comes from a file of that Grafana's",
            ),
        ],
    )
    def test_somebody_else_s_rule_is_named_before_anything_is_written_and_kept(
        self, grafana: AlertingGrafana, changed: dict[str, Any], said: str
    ) -> None:
        theirs = others(grafana, **changed)
        before = copy.deepcopy(grafana.rules)
        for one in CONTACTS:
            ContactProvider().create(contact(grafana, one))
        grafana.calls.clear()
        with pytest.raises(UserError, match=f"{said}.*run `up` again"):
            RuleGroupProvider().create(group(grafana, GROUPS[0]))
        asked = ground(grafana) | {"rules": [addresses(one) for one in GROUPS]}
        with pytest.raises(UserError, match=said):
            GroundProvider().create(asked)
        assert grafana.rules == before and {method for method, _ in grafana.calls} == {"GET"}
        del grafana.rules[theirs["uid"]]
        GroundProvider().create(asked)
        alerting(grafana)
        assert not any(drifts(grafana, one) for one in GROUPS)

    @pytest.mark.parametrize(
        ("broken", "said"),
        [
            (lambda grafana: grafana.folders.clear(), "folder does not exist"),
            (lambda grafana: grafana.data_sources.clear(), "data source not found"),
            (lambda grafana: grafana.contacts.clear(), "receiver .* does not exist"),
            (
                lambda grafana: setattr(grafana, "version", "10.2.3"),
                "knows no contact point of a rule: update it to 10.4",
            ),
            (lambda grafana: grafana.fail.update({("PUT", "/api/v1"): (403, "no")}), "needs the role Admin"),
        ],
    )
    def test_what_a_group_needs_is_told_and_no_group_is_half_written(
        self, grafana: AlertingGrafana, broken: Callable[[AlertingGrafana], None], said: str
    ) -> None:
        for one in CONTACTS:
            ContactProvider().create(contact(grafana, one))
        kept = copy.deepcopy((grafana.folders, grafana.data_sources, grafana.contacts, grafana.version))
        broken(grafana)
        with pytest.raises(UserError, match=said):
            RuleGroupProvider().create(group(grafana, GROUPS[0]))
        assert grafana.rules == {}
        grafana.folders, grafana.data_sources, grafana.contacts, grafana.version = kept
        grafana.fail.clear()
        alerting(grafana)
        assert not any(drifts(grafana, one) for one in GROUPS)

    def test_an_older_grafana_takes_rules_that_name_no_contact_point(self, grafana: AlertingGrafana) -> None:
        grafana.version = "10.0.0"
        for one in build_rule_groups(UID):
            RuleGroupProvider().create(group(grafana, one))
        assert len(grafana.rules) == sum(len(one["rules"]) for one in GROUPS)

    def test_a_folder_with_rules_that_people_made_is_left_to_them(self, grafana: AlertingGrafana) -> None:
        alerting(grafana)
        theirs = others(grafana, folderUID=UID, ruleGroup="hers")
        for one in GROUPS:
            RuleGroupProvider().delete("", group(grafana, one))
        grafana.dashboards.clear()
        FolderProvider().delete("", folder(grafana))
        assert UID in grafana.folders and list(grafana.rules) == [theirs["uid"]]

    def test_nothing_is_asked_where_there_are_no_groups(self, grafana: AlertingGrafana) -> None:
        grafana.calls.clear()
        assert foreign_rules(GrafanaApi(grafana.url, grafana.token), []) == [] and grafana.calls == []


class TestContactPoints:
    def test_the_secret_goes_to_grafana_and_into_no_state(self, grafana: AlertingGrafana) -> None:
        results = [ContactProvider().create(contact(grafana, one)) for one in CONTACTS]
        slack = grafana.contacts[contact_uid(UID, "critical", "slack")]
        assert slack["settings"] == {"url": HOOK} and slack["name"] == ROUTES["critical"]
        assert "s3cr3t" not in json.dumps([result.outs for result in results])
        assert all(len(uid) <= 40 for uid in grafana.contacts)

    def test_a_refresh_finds_edits_and_a_secret_that_has_changed(
        self, grafana: AlertingGrafana, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        provider = ContactProvider()
        for one in CONTACTS:
            inputs = contact(grafana, one)
            outs = provider.create(inputs).outs or {}

            def changes(kept: Mapping[str, Any] = outs, wanted: dict[str, Any] = inputs) -> bool:
                read = provider.read(wanted["uid"], {**kept})
                return not read.id or provider.diff(wanted["uid"], read.outs or {}, wanted).changes is True

            assert not changes()
            grafana.contacts[inputs["uid"]]["name"] = "theirs"
            assert changes()
            grafana.contacts[inputs["uid"]]["name"] = inputs["name"]
            for key in one.settings:
                kept = grafana.contacts[inputs["uid"]]["settings"][key]
                grafana.contacts[inputs["uid"]]["settings"][key] = "by hand"
                assert changes(), key
                grafana.contacts[inputs["uid"]]["settings"][key] = kept
            assert not changes()
            monkeypatch.setitem(SECRETS, "url", f"{HOOK}-2")
            assert changes() == (one.secret is not None)
            outs = provider.update(inputs["uid"], outs, inputs).outs or {}
            if one.secret:
                assert grafana.contacts[inputs["uid"]]["settings"]["url"] == f"{HOOK}-2"
            assert not changes(outs)
            monkeypatch.setitem(SECRETS, "url", HOOK)
            del grafana.contacts[inputs["uid"]]
            assert provider.read(inputs["uid"], outs).id == ""

    @pytest.mark.parametrize("managed", [False, True])
    def test_sns_is_said_as_that_grafana_takes_it(self, grafana: AlertingGrafana, managed: bool) -> None:
        if managed:
            grafana.notifiers = dict(MANAGED)
        topic = "arn:aws:sns:eu-central-1:123456789012:alerts"
        one = Contact("critical", "sns", {"topic_arn": topic, "sigv4": {"region": "eu-central-1"}})
        inputs = contact(grafana, one)
        outs = ContactProvider().create(inputs).outs
        kept = grafana.contacts[inputs["uid"]]["settings"]
        assert kept == (
            {"topic": topic, "authProvider": "default", "messageFormat": "json"} if managed else dict(one.settings)
        )
        read = ContactProvider().read(inputs["uid"], outs or {})
        assert not ContactProvider().diff("", read.outs or {}, inputs).changes
        kept["topic" if managed else "topic_arn"] += "-2"
        read = ContactProvider().read(inputs["uid"], outs or {})
        assert ContactProvider().diff("", read.outs or {}, inputs).changes

    def test_a_kind_that_this_grafana_lacks_is_named_with_those_it_has(self, grafana: AlertingGrafana) -> None:
        grafana.notifiers = dict(MANAGED)
        with pytest.raises(UserError, match=r"no contact points of the kind email, only slack, sns.*let SNS"):
            ContactProvider().create(contact(grafana, CONTACTS[1]))
        assert grafana.contacts == {}

    def test_somebody_else_s_contact_point_is_named_and_kept(self, grafana: AlertingGrafana) -> None:
        theirs = {
            "uid": "theirs",
            "name": ROUTES["critical"],
            "type": "email",
            "settings": {"addresses": "a@example.com"},
        }
        grafana.contacts["theirs"] = copy.deepcopy(theirs)
        inputs = contact(grafana, CONTACTS[0])
        with pytest.raises(UserError, match="somebody else's contact point has our name"):
            ContactProvider().create(inputs)
        grafana.contacts = {inputs["uid"]: {**theirs, "uid": inputs["uid"], "name": "Theirs"}}
        with pytest.raises(UserError, match=r"contact point \(Theirs\) has our uid"):
            ContactProvider().create(inputs)
        assert grafana.contacts[inputs["uid"]]["name"] == "Theirs"

    def test_routes_change_while_rules_use_them_and_all_goes_in_the_end(self, grafana: AlertingGrafana) -> None:
        alerting(grafana)
        slack, email = contact(grafana, CONTACTS[0]), contact(grafana, CONTACTS[1])
        ContactProvider().delete("", slack)
        with pytest.raises(UserError, match="currently used by one or many alert rules"):
            ContactProvider().delete("", email)
        ContactProvider().create(slack)
        for one in GROUPS:
            RuleGroupProvider().delete("", group(grafana, one))
        for one in CONTACTS:
            for _ in range(2):
                ContactProvider().delete("", contact(grafana, one))
        assert grafana.contacts == {}


@pytest.mark.timeout(300)
def test_every_call_and_answer_is_what_grafana_publishes(grafana: AlertingGrafana) -> None:
    grafana.traffic.clear()
    for _ in range(2):
        alerting(grafana)
    for one in GROUPS:
        assert not drifts(grafana, one)
        RuleGroupProvider().update("", group(grafana, one), group(grafana, one))
    others(grafana, folderUID=UID, ruleGroup="agents")
    with pytest.raises(UserError):
        RuleGroupProvider().create(group(grafana, GROUPS[0]))
    for one in GROUPS:
        RuleGroupProvider().delete("", group(grafana, one))
    for one in CONTACTS:
        ContactProvider().delete("", contact(grafana, one))
    unpublished = re.compile(rf"{UNPUBLISHED.pattern}|/api/alert-notifiers")
    made = [call for call in grafana.traffic if not unpublished.match(call["path"])]
    verdicts = judge(made)
    wrong = [
        (call["method"], call["path"], verdict)
        for call, verdict in zip(made, verdicts, strict=True)
        if verdict.request or verdict.answer
    ]
    assert wrong == []
    assert {verdict.operation for verdict in verdicts} >= {
        *("GetAlertRules", "GetAlertRuleGroup", "PutAlertRuleGroup", "DeleteAlertRule"),
        *("GetContactpoints", "PostContactpoints", "PutContactpoint", "DeleteContactpoints"),
    }
