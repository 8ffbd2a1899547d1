"""A pull request's comment: its order, what it says of data, cost and policies, its length, and that it stays one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pulumi.automation.events import EngineEvent
from pulumi.runtime.rpc import UNKNOWN

from infra.comment.effects import days_kept, losses, shorter, stateful_types
from infra.comment.github import PullRequest
from infra.comment.markdown import LIMIT, Comment, is_silent, marker, shortened
from infra.comment.recorder import Recorder
from infra.errors import UserError
from infra.settings import Settings
from policy.rules.stack_wide import HOLDS_DATA
from tests.github_stub import BOT, github

PROJECT_URN = "urn:pulumi:dev::agent-telemetry::"


def step(op: str, type_: str, name: str, **more: Any) -> EngineEvent:
    """The engine's event before a step, as the CLI writes it to its event log."""
    urn = f"{PROJECT_URN}{type_}::{name}"
    state = {"type": type_, "urn": urn, "id": "", "parent": "", "provider": ""}
    sides = {
        side: {**state, "inputs": more.pop(f"{side}_inputs", {}), **more.pop(side, {})}
        for side in ("old", "new")
        if not (op == "create" and side == "old") and not (op == "delete" and side == "new")
    }
    metadata = {"op": op, "urn": urn, "type": type_, "provider": "", **sides, **more}
    return EngineEvent.from_json({"sequence": 1, "timestamp": 1, "resourcePreEvent": {"metadata": metadata}})


def outputs(before: dict[str, Any], after: dict[str, Any]) -> EngineEvent:
    metadata = {
        "op": "update",
        "urn": f"{PROJECT_URN}pulumi:pulumi:Stack::agent-telemetry-dev",
        "type": "pulumi:pulumi:Stack",
        "provider": "",
        "old": {"type": "", "urn": "", "id": "", "parent": "", "provider": "", "outputs": before},
        "new": {"type": "", "urn": "", "id": "", "parent": "", "provider": "", "outputs": after},
    }
    return EngineEvent.from_json({"sequence": 1, "timestamp": 1, "resOutputsEvent": {"metadata": metadata}})


def policy(level: str) -> EngineEvent:
    found = {
        "message": "storage must be\n  encrypted",
        "color": "never",
        "policyName": "s3-encrypted",
        "policyPackName": "pack",
        "policyPackVersion": "1",
        "policyPackVersionTag": "1",
        "enforcementLevel": level,
        "resourceUrn": f"{PROJECT_URN}aws:s3/bucket:Bucket::cold",
    }
    return EngineEvent.from_json({"sequence": 1, "timestamp": 1, "policyEvent": found})


def said(severity: str, message: str) -> EngineEvent:
    found = {"message": message, "color": "never", "severity": severity}
    return EngineEvent.from_json({"sequence": 1, "timestamp": 1, "diagnosticEvent": found})


def comment(*events: EngineEvent, **more: Any) -> Comment:
    recorder = Recorder()
    for event in events:
        recorder.take(event)
    return Comment("dev", recorder, Settings.model_validate({"platform": "local"}), **more)


def migration(number: int, kind: str, sql: str) -> EngineEvent:
    inputs = {"number": number, "name": f"{number:04d}_more", "kind": kind, "sql": sql}
    return step("create", "pulumi-python:dynamic/postdeploy:Migration", f"{number:04d}_more", new_inputs=inputs)


CLUSTER = "aws:msk/cluster:Cluster"
BUCKET = "aws:s3/bucket:Bucket"
TASK = "aws:ecs/taskDefinition:TaskDefinition"
EVERYTHING = (
    step("same", "aws:ec2/vpc:Vpc", "network-vpc"),
    step(
        "update",
        "aws:ecs/service:Service",
        "collector",
        detailedDiff={"taskDefinition": {"diffKind": "update", "inputDiff": True}},
    ),
    step("create-replacement", TASK, "collector-task"),
    step("replace", TASK, "collector-task", keys=["containerDefinitions"], diffs=["containerDefinitions"]),
    step("delete-replaced", TASK, "collector-task"),
    step("replace", CLUSTER, "kafka-cluster", keys=["clusterName"], old={"protect": True}),
    step("delete", BUCKET, "cold"),
    migration(13, "delete", "ALTER TABLE t DELETE WHERE 1"),
    migration(12, "metadata", "ALTER TABLE t ADD COLUMN c UInt8"),
    policy("mandatory"),
    policy("advisory"),
    outputs(
        {
            "estimatedMonthlyCost": {
                "total": "100.00 USD",
                "kafka": "60.00 USD",
                "nodes": "40.00 USD",
                "a million spans": "0.0100 USD",
            }
        },
        {
            "estimatedMonthlyCost": {
                "total": "152.50 USD",
                "kafka": "60.00 USD",
                "nodes": "92.50 USD",
                "a million spans": "0.0200 USD",
            }
        },
    ),
)


def test_the_order_is_the_reviewers() -> None:
    text = comment(*EVERYTHING, log_url="https://ci.example.com/1", notes=["dashboard `cost`: a panel more"]).text()
    wanted = (
        marker("dev"),
        "### :no_entry: `dev`: 1 policy refuses this",
        "**replaces `kafka-cluster`** (msk.Cluster, protected: refused): **loses every message",
        "because of `clusterName`",
        "**deletes `cold`** (s3.Bucket): **loses the objects in it**",
        "**2 pending migrations**",
        "0012_more</code>: metadata only",
        "ADD COLUMN",
        "0013_more</code>: <b>deletes stored rows</b>",
        "**Cost: +52.50 USD a month**, 152.50 USD in all",
        "| nodes | 40.00 USD | 92.50 USD |",
        "2 replaced, 1 deleted, 1 updated, 2 created, 1 unchanged",
        ":no_entry: policy `s3-encrypted` on `cold`: storage must be encrypted",
        ":warning: policy",
        "dashboard `cost`",
        "<summary>Every change</summary>",
        "`collector-task` (ecs.TaskDefinition): containerDefinitions",
        "[The whole log](https://ci.example.com/1)",
    )
    places = [text.find(part) for part in wanted]
    assert -1 not in places, [part for part, place in zip(wanted, places, strict=True) if place < 0]
    assert places == sorted(places)
    assert "| kafka |" not in text, "a part that costs the same"
    assert text.count("collector-task") == 1, "a replacement is one change"


def test_the_verdict_tells_what_goes() -> None:
    lost = comment(step("delete", BUCKET, "cold"), step("create", TASK, "t"))
    assert ":rotating_light: `dev`: 1 thing that holds data would go" in lost.text()
    harmless = comment(step("create", TASK, "t"), step("update", TASK, "u"))
    assert ":white_check_mark: `dev`: 2 changes, nothing that holds data goes" in harmless.text()


def test_nothing_to_say_is_silent() -> None:
    nothing = comment(step("same", BUCKET, "cold"), step("update", "pulumi:providers:aws", "aws"))
    assert nothing.silent() and is_silent(nothing.text())
    for one in (step("create", TASK, "t"), policy("advisory"), said("error", "broken")):
        assert not is_silent(comment(one).text())
    assert not is_silent(comment(failed=True).text())


def test_a_failed_preview_says_why() -> None:
    text = comment(said("error", "<{%fg 1%}>error: no such zone<{%reset%}>"), failed=True).text()
    assert ":x: `dev`: the preview failed" in text and "error: no such zone\n```" in text and "<{%" not in text


RETENTION = "pulumi-python:dynamic/postdeploy:Retention"
RAW = (
    "toDateTime(start_ts) + toIntervalDay({}) TO VOLUME 'slow', "
    "toDateTime(start_ts) + toIntervalDay(if(retention_days = 0, {}, retention_days)) DELETE"
)


def test_a_shorter_retention_is_an_effect_on_data_and_a_longer_one_is_not() -> None:
    def ttls(raw: int, content: int) -> dict[str, Any]:
        return {
            "ttls": {"spans_raw": RAW.format(30, raw), "content": f"toDateTime(ts) + toIntervalDay({content}) DELETE"}
        }

    changed = comment(step("update", RETENTION, "retention", old_inputs=ttls(180, 30), new_inputs=ttls(90, 60)))
    (found,) = shorter(changed.recorder.changes)
    assert (found.table, found.days, found.before, found.after) == ("spans_raw", 90, "180 days", "90 days")
    assert ":wastebasket: `dev`: 1 change, 1 table or topic would keep rows for less time" in changed.text()
    assert "keeps its rows for 90 days instead of 180 days; how much that deletes, `--refresh` tells" in changed.text()
    changed.expiring = {found.what: "deletes 12 rows or more, 0.10 GiB"}
    assert "instead of 180 days: deletes 12 rows or more, 0.10 GiB" in changed.text()


@pytest.mark.parametrize(
    ("type_", "key", "wrap"),
    [
        ("aws:msk/topic:Topic", "configs", json.dumps),
        ("pulumi-python:dynamic/postdeploy:Topic", "config", lambda value: value),
    ],
)
def test_a_topic_that_keeps_less_is_an_effect_on_data(type_: str, key: str, wrap: Any) -> None:
    def inputs(hours: int) -> dict[str, Any]:
        return {key: wrap({"retention.ms": str(hours * 3_600_000)})}

    less = comment(step("update", type_, "otel-spans", old_inputs=inputs(72), new_inputs=inputs(24)))
    more = comment(step("update", type_, "otel-spans", old_inputs=inputs(24), new_inputs=inputs(72)))
    assert "**topic otel-spans** keeps its rows for 24 h instead of 72 h" in less.text()
    assert not shorter(more.recorder.changes)
    unknown = comment(step("update", type_, "otel-spans", old_inputs=inputs(72), new_inputs={key: UNKNOWN}))
    assert not shorter(unknown.recorder.changes)


def test_days_kept_reads_the_delete_and_not_the_moves() -> None:
    assert days_kept(RAW.format(30, 180)) == 180
    assert days_kept("toDateTime(ts) + toIntervalDay(7)") == 7
    assert days_kept("toDateTime(ts) + toIntervalDay(7) TO VOLUME 'slow'") is None
    assert days_kept("none") is None


def test_a_migration_whose_sql_waits_for_the_brokers_is_shown_without_their_addresses() -> None:
    from infra.postdeploy.migrations import migration_files

    first = migration_files()[0]
    inputs = {"number": first.number, "name": first.name, "kind": first.kind, "sql": UNKNOWN}
    text = comment(step("create", "pulumi-python:dynamic/postdeploy:Migration", first.name, new_inputs=inputs)).text()
    assert "CREATE TABLE IF NOT EXISTS telemetry.spans_raw" in text and UNKNOWN not in text


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        ({}, {"total": "9.00 USD"}, "**Cost: 9.00 USD a month**"),
        ({"total": "9.00 USD"}, {"total": "9.00 USD"}, "Cost: as before, 9.00 USD a month"),
        ({"total": "9.00 USD"}, {"total": "7.00 USD"}, "**Cost: -2.00 USD a month**, 7.00 USD in all"),
        ({"unknown": "no price for nat-hour"}, {"total": "7.00 USD"}, "7.00 USD a month**, before: not known"),
        ({"total": "9.00 USD"}, {"unknown": "no price for nat-hour"}, "Cost: not known (no price for nat-hour)"),
    ],
)
def test_the_cost_is_told_in_both_directions_and_never_guessed(
    before: dict[str, str], after: dict[str, str], line: str
) -> None:
    told = outputs({"estimatedMonthlyCost": before} if before else {}, {"estimatedMonthlyCost": after})
    assert line in comment(told).text()


def test_nothing_that_others_wrote_gets_out_of_its_place() -> None:
    name = "x`</details>@everyone <script>"
    text = comment(
        step("delete", BUCKET, name), migration(14, "rewrite", "SELECT '```\n</details>'"), said("warning", "@all <b>")
    ).text()
    assert "<script>" not in text and "@everyone" not in text and "@all" not in text
    assert "````sql\nSELECT '```" in text, "a longer fence than any inside"


def test_a_comment_is_never_longer_than_github_takes() -> None:
    many = [step("update", TASK, f"task-{number:05d}", diffs=["containerDefinitions"]) for number in range(3000)]
    text = comment(step("delete", BUCKET, "cold"), *many, log_url="https://ci.example.com/1").text()
    assert LIMIT * 0.9 < len(text) <= LIMIT
    assert "deletes `cold`" in text and "[The whole log]" in text
    left_out = int(text.partition("**… ")[2].partition(" lines")[0])
    assert text.count("`task-") + left_out == 3000
    assert text.count("<details>") == text.count("</details>")


def test_a_cut_inside_code_closes_it() -> None:
    text = shortened("\n".join(["<details>", "```sql", *["SELECT 1"] * 200, "```", "</details>", "end"]), 1000)
    head, _, rest = text.partition("**… ")
    assert len(text) <= 1000 and rest.endswith("end")
    for half in (head, rest):
        assert half.count("```") == 2 and half.count("<details>") == half.count("</details>") == 1


def test_every_type_that_prod_protects_is_known_to_hold_data() -> None:
    assert set(HOLDS_DATA) <= set(stateful_types())
    assert losses(comment(step("replace", CLUSTER, "kafka-cluster")).recorder.changes)


def test_one_comment_is_kept_for_each_stack_among_other_peoples() -> None:
    with github() as (url, comments, _):
        comments += [{"id": 1000 + number, "body": f"looks good {number}"} for number in range(150)]
        theirs = [item["body"] for item in comments]
        keep = PullRequest("o/r", 7, "token", url).keep_one
        dev, prod = marker("dev"), marker("prod")
        assert keep(dev, f"{dev}\none", False) == "commented"
        assert keep(prod, f"{prod}\none", False) == "commented"
        assert keep(dev, f"{dev}\ntwo", False) == "edited the comment"
        assert keep(dev, f"{dev}\ntwo", False) == "the comment says so already"
        assert [item["body"] for item in comments[:150]] == theirs
        assert [item["body"] for item in comments[150:]] == [f"{dev}\ntwo", f"{prod}\none"]


def test_without_anything_to_say_no_comment_is_made_and_an_old_one_says_so() -> None:
    with github() as (url, comments, calls):
        keep = PullRequest("o/r", 7, "token", url).keep_one
        assert keep(marker("dev"), "silent", True) == "nothing to say"
        assert not comments and not [call for call in calls if "POST" in call]
        keep(marker("dev"), f"{marker('dev')}\nchanges", False)
        keep(marker("dev"), f"{marker('dev')}\nno changes", True)
        assert [item["body"] for item in comments] == [f"{marker('dev')}\nno changes"]


def test_two_that_came_at_once_become_one() -> None:
    with github() as (url, comments, _):
        comments += [{"id": number, "user": BOT, "body": f"{marker('dev')}\n{number}"} for number in (1, 2)]
        PullRequest("o/r", 7, "token", url).keep_one(marker("dev"), f"{marker('dev')}\nc", False)
        assert [item["body"] for item in comments] == [f"{marker('dev')}\nc"]


@pytest.mark.parametrize("login", ["", "ann"], ids=["a workflow's token", "a person's token"])
def test_a_strangers_comment_that_begins_like_ours_is_left_to_them(login: str) -> None:
    # They could change the verdict after it was written there.
    strangers = {"id": 1000, "user": {"login": "mallory", "type": "User"}, "body": f"{marker('dev')}\nnothing happens"}
    with github(login=login) as (url, comments, _):
        comments.append(dict(strangers))
        keep = PullRequest("o/r", 7, "token", url).keep_one
        assert keep(marker("dev"), f"{marker('dev')}\none", False) == "commented"
        assert keep(marker("dev"), f"{marker('dev')}\ntwo", False) == "edited the comment"
        assert comments[0] == strangers and comments[1]["body"] == f"{marker('dev')}\ntwo"


def test_a_person_s_own_comment_is_found_again() -> None:
    with github(login="ann") as (url, comments, _):
        comments.append({"id": 1000, "user": {"login": "ann", "type": "User"}, "body": f"{marker('dev')}\none"})
        keep = PullRequest("o/r", 7, "token", url).keep_one
        assert keep(marker("dev"), f"{marker('dev')}\ntwo", False) == "edited the comment"


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_token_without_rights_is_told_apart(status: int) -> None:
    with github(status) as (url, _, _), pytest.raises(UserError, match="pull-requests: write"):
        PullRequest("o/r", 7, "token", url).keep_one(marker("dev"), "text", False)


def test_a_github_that_is_away_is_said() -> None:
    with pytest.raises(UserError, match="can't be reached"):
        PullRequest("o/r", 7, "token", "http://127.0.0.1:9").keep_one(marker("dev"), "text", False)


def test_what_a_policy_says_of_many_resources_is_one_line() -> None:
    found = [policy("advisory") for _ in range(7)]
    for number, event in enumerate(found):
        assert event.policy_event
        event.policy_event.resource_urn = f"{PROJECT_URN}aws:s3/bucket:Bucket::b{number}"
    text = comment(*found, policy("mandatory")).text()
    assert "policy `s3-encrypted` on `b0`, `b1`, `b2`, `b3`, `b4` and 2 more: storage must be encrypted" in text
    assert text.index(":no_entry: policy") < text.index(":warning: policy") and text.count("policy `") == 2


def test_a_preview_that_policies_refuse_did_not_fail() -> None:
    """It did what it is for; another error is told first."""
    assert "### :no_entry: `dev`: 1 policy refuses this" in comment(policy("mandatory"), failed=True).text()
    assert ":x: `dev`: the preview failed" in comment(policy("mandatory"), said("error", "broken"), failed=True).text()
    assert ":x: `dev`: the preview failed" in comment(policy("advisory"), failed=True).text()
