"""Ephemeral stacks: how long they live, what they are made from, what is known of them, and which ones are over."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.aws.bootstrap.settings import FILE, read
from infra.comment.markdown import is_silent
from infra.comment.markdown import marker as preview_marker
from infra.config import PROJECT
from infra.ephemeral import comment, lifetime, template
from infra.ephemeral.account import Known, crypto_of
from infra.ephemeral.reaper import Outcome, Reaper, failed
from infra.ephemeral.record import EXPIRES, REST, Record, record
from infra.ephemeral.standing import TAG, Row, Standing, Work, standing, work
from infra.errors import UserError

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
RECORD = Record(
    NOW + timedelta(hours=8), NOW, "acme/telemetry/pull/7", "c0ffee", "aws", "dev", ("network", "kafka", "grafana")
)


@pytest.mark.parametrize(
    ("text", "hours"), [("8h", 8), ("90m", 1.5), ("1d", 24), ("1d12h30m", 36.5), (" 72h ", 72)], ids=str
)
def test_a_time_to_live_is_written_as_people_write_it(text: str, hours: float) -> None:
    assert lifetime.parse_ttl(text, 72) == timedelta(hours=hours)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "a time like 90m, 8h or 1d12h is expected"),
        ("soon", "a time like"),
        ("-1h", "a time like"),
        ("8", "a time like"),
        ("8h30", "a time like"),
        ("1.5h", "a time like"),
        ("0h", "ends at once"),
        ("0d0m", "ends at once"),
        ("73h", "the most is 72h (maximumHours in configs/ephemeral.yaml)"),
        ("9999d", "the most is 72h"),
    ],
)
def test_a_time_to_live_of_nothing_or_too_much_is_refused(text: str, said: str) -> None:
    with pytest.raises(UserError) as refused:
        lifetime.parse_ttl(text, 72)
    assert said in str(refused.value)


def test_an_end_is_read_as_it_is_written() -> None:
    assert lifetime.written(NOW) == "2026-11-30T12:00:00Z"
    assert lifetime.read(lifetime.written(NOW)) == NOW
    assert lifetime.read("some day") is None
    assert [lifetime.shown(timedelta(minutes=m)) for m in (0, 59, 61, 1500, -61)] == [
        "0m",
        "59m",
        "1h 1m",
        "1d 1h",
        "-1h 1m",
    ]


def test_a_record_survives_the_stack_s_tags() -> None:
    tags = RECORD.tags()
    assert record(tags) == RECORD
    assert record({**tags, "pulumi:project": PROJECT}) == RECORD
    assert record({"pulumi:project": PROJECT}) is None, "a stack that is not ephemeral"


def test_a_record_fits_into_what_pulumi_cloud_takes() -> None:
    longest = Record(NOW, NOW, "o" * 300, "f" * 40, "aws", "d" * 24, RECORD.parts)
    assert all(len(key) <= 40 and len(value) <= 256 for key, value in longest.tags().items())


@pytest.mark.parametrize("rest", ["{", "[]", "null", ""])
def test_a_spoilt_record_is_over_rather_than_for_ever(rest: str) -> None:
    found = record({EXPIRES: "some day", REST: rest})
    assert found is not None and found.expired(NOW)


# What it is made from


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A repository with a stack file for dev."""
    monkeypatch.setattr(template, "ROOT", tmp_path)
    monkeypatch.setattr("infra.config.ROOT", tmp_path)
    lender(tmp_path)
    yield tmp_path


def lender(tree: Path, secretsprovider: str = "", **settings: Any) -> None:
    given = {
        "platform": "aws",
        "awsAccount": "111122223333",
        "awsRegion": "eu-west-1",
        "protect": False,
        "collectorAuth": "jwt",
        "collectorDomain": "otlp.dev.acme.test",
        "collectorZoneId": "Z0123",
        "clickhouseHotGiB": 500,
        "grafanaAdminGroups": ["g-1"],
        "tags": {"CostCenter": "12"},
        **settings,
    }
    more = {"secretsprovider": secretsprovider} if secretsprovider else {}
    content = {**more, "config": {f"{PROJECT}:{key}": value for key, value in given.items()}}
    (tree / "Pulumi.dev.yaml").write_text(yaml.safe_dump(content))


def drafted(name: str = "pr-7", own: str | None = None) -> template.Draft:
    return template.draft_on_aws(name, RECORD.expires, "acme/telemetry#7", template.lent(own))


def test_a_stack_is_the_template_in_the_lending_stack_s_account(tree: Path) -> None:
    draft = drafted()
    found = draft.settings
    assert (found.awsAccount, found.awsRegion, found.collectorZoneId) == ("111122223333", "eu-west-1", "Z0123")
    assert found.collectorDomain == "otlp-pr-7.dev.acme.test" and not found.collectorCertificateArn
    assert (found.shareStack, found.shareParts) == ("dev", ["network", "kafka", "grafana"])
    assert (found.env, found.expiresAt) == ("pr-7", "2026-11-30T20:00:00Z")
    assert found.tags == {"CostCenter": "12", "Ephemeral": "true", "Owner": "acme/telemetry-7"}
    assert not found.protect and found.collectorSpot and found.clickhouseReplicas == 1
    assert found.logRetentionDays == 1 and found.clickhouseHotGiB < 500 and not found.alarmEmails
    path = draft.write({"encryptionsalt": "v1:x"})
    assert path.name == "Pulumi.pr-7.yaml" and template.is_ephemeral(path)
    assert yaml.safe_load(path.read_text())["encryptionsalt"] == "v1:x"


def test_who_updates_it_changes_nobody_s_tag(tree: Path) -> None:
    path = drafted().write({}, "somebody@else")
    assert yaml.safe_load(path.read_text())["config"][f"{PROJECT}:tags"]["Owner"] == "somebody@else"


def test_what_it_is_told_to_own_is_not_lent(tree: Path) -> None:
    assert drafted(own="kafka,grafana").settings.shareParts == ["network"]
    alone = drafted(own="all").settings
    assert alone.shareStack == "" and alone.awsAccount == "111122223333"


def test_of_a_stack_without_grafana_none_is_borrowed(tree: Path) -> None:
    lender(tree, grafanaMode="none")
    found = drafted().settings
    assert found.shareParts == ["network", "kafka"] and found.grafanaMode == "none"


def test_its_secrets_are_encrypted_for_it_alone(tree: Path) -> None:
    lender(tree, secretsprovider="awskms://alias/agent-telemetry-bootstrap?region=eu-west-1&context_stack=dev")
    assert drafted().content["secretsprovider"].endswith("&context_stack=pr-7")
    lender(tree, secretsprovider="awskms://alias/agent-telemetry-bootstrap?region=eu-west-1")
    assert drafted().content["secretsprovider"].endswith("&context_stack=pr-7")
    lender(tree, secretsprovider="passphrase")
    assert "secretsprovider" not in drafted().content


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("dev", "dev is here to stay"),
        ("prod", "prod is here to stay"),
        ("bootstrap", "`telemetry bootstrap` makes that one"),
        ("PR-7", "small letters and digits"),
        ("pr_7", "small letters and digits"),
        ("pr--7", "small letters and digits"),
        ("", "small letters and digits"),
        ("pr-" + "7" * 30, "Grafana's uids have room for"),
    ],
)
def test_a_name_that_somebody_has_or_aws_would_refuse_is_refused(tree: Path, name: str, said: str) -> None:
    with pytest.raises(UserError) as refused:
        drafted(name)
    assert said in str(refused.value)
    assert sorted(path.name for path in tree.iterdir()) == ["Pulumi.dev.yaml"]


def test_a_name_that_nothing_would_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    own = read(FILE).model_copy(update={"repository": "acme/telemetry"})
    monkeypatch.setattr("infra.aws.bootstrap.settings.read", lambda: own)
    template.check_end("pr-7")
    template.check_end("try-ann")
    with pytest.raises(UserError, match=r"nothing would end ann: the hourly job may end dev, pr-\*, try-\*"):
        template.check_end("ann")


def test_a_name_that_no_certificate_is_requested_for_is_refused(tree: Path) -> None:
    lender(tree, collectorDomain="otlp.telemetry.observability.platform.acme-corporation.test")
    assert len(drafted("pr-7").settings.collectorDomain) == 64
    with pytest.raises(UserError, match=r"(?s)collectorDomain: otlp-pr-77\..* has 65 characters.*64 at most"):
        drafted("pr-77")


def test_the_file_of_a_stack_that_is_here_to_stay_is_not_taken(tree: Path) -> None:
    mine = tree / "Pulumi.mine.yaml"
    mine.write_text(f"config:\n  {PROJECT}:platform: local\n")
    with pytest.raises(UserError, match=r"Pulumi\.mine\.yaml is the file of a stack that is not ephemeral"):
        drafted("mine")


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ("brokers", "'brokers': network, kafka, grafana or all is expected"),
        ("", "'': network"),
        ("network", "kafka and grafana of another network are not reached"),
    ],
)
def test_what_it_can_not_own_is_refused(own: str, said: str) -> None:
    with pytest.raises(UserError) as refused:
        template.lent(own)
    assert said in str(refused.value)


def test_a_lending_stack_without_a_zone_is_told_what_is_missing(tree: Path) -> None:
    arn = "arn:aws:acm:eu-west-1:111122223333:certificate/00000000-0000-0000-0000-000000000001"
    lender(tree, collectorZoneId="", collectorCertificateArn=arn)
    with pytest.raises(UserError) as refused:
        drafted()
    assert "collectorZoneId in Pulumi.dev.yaml" in str(refused.value) and "otlp-pr-7.dev" in str(refused.value)


def test_a_template_that_can_not_be_is_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "ephemeral.yaml"
    shipped = yaml.safe_load(template.FILE.read_text())
    for change, said in (
        ({"maximumHours": 0}, "maximumHours"),
        ({"pullRequest": "pr"}, "pullRequest"),
        ({"host": "otlp"}, "host"),
        ({"sizes": {}}, "sizes"),
        ({"aws": {"clickhouseReplica": 1}}, "clickhouseReplica: unknown settings"),
        ({"inherited": ["region"]}, "region: unknown settings"),
    ):
        file.write_text(yaml.safe_dump(shipped | change))
        with pytest.raises(UserError) as refused:
            template.template(file)
        assert said in str(refused.value) and str(file) in str(refused.value)


def test_a_wrong_value_in_it_is_refused_before_a_file_is_written(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tree / "ephemeral.yaml"
    shipped = yaml.safe_load(template.FILE.read_text())
    file.write_text(yaml.safe_dump(shipped | {"aws": {**shipped["aws"], "clickhouseReplicas": 9}}))
    found = template.template(file)
    monkeypatch.setattr(template, "template", lambda: found)
    with pytest.raises(UserError, match="clickhouseReplicas"):
        drafted()
    assert not (tree / "Pulumi.pr-7.yaml").exists()


@pytest.mark.parametrize(
    ("name", "number"), [("pr-7", 7), ("pr-123", 123), ("pr-0", None), ("pr-7a", None), ("x", None)]
)
def test_a_pull_request_s_stack_is_known_by_its_name(name: str, number: int | None) -> None:
    assert template.template().pull_request(name) == number


def test_how_secrets_are_encrypted_is_read_from_a_state() -> None:
    kms = {"type": "cloud", "state": {"url": "awskms://alias/x", "encryptedkey": "AQ=="}}
    assert crypto_of({"deployment": {"secrets_providers": kms}}) == {
        "secretsprovider": "awskms://alias/x",
        "encryptedkey": "AQ==",
    }
    phrase = {"type": "passphrase", "state": {"salt": "v1:x"}}
    assert crypto_of({"deployment": {"secrets_providers": phrase}}) == {"encryptionsalt": "v1:x"}
    assert crypto_of({"deployment": {}}) == {} == crypto_of({})


# Which ones are over


def known(name: str, hours: float) -> Known:
    return Known(name, Record(NOW + timedelta(hours=hours), NOW, "me", "c0ffee", "aws", "", ()), 3)


def reaped(
    stacks: list[Known], dry_run: bool = False, refuse: str = "", by_then: Mapping[str, Known | None] | None = None
) -> tuple[list[Outcome], list[str]]:
    """With pull request 8 closed, and GitHub silent about 9. `by_then`: what has changed when a stack's turn comes."""
    gone: list[str] = []

    def closed(number: int, _: Known) -> bool:
        if number == 9:
            raise UserError("GitHub can't be reached")
        return number == 8

    def take_down(one: Known) -> None:
        if one.name == refuse:
            raise RuntimeError("no luck")
        gone.append(one.name)

    def again(one: Known) -> Known | None:
        return (by_then or {}).get(one.name, one)

    return Reaper(NOW, template.template(), closed, again, take_down, dry_run, lambda _: None).run(stacks), gone


STACKS = [known("old", -1), known("pr-7", 5), known("pr-8", 5), known("pr-9", 5), known("now", 0)]


def test_what_is_past_its_time_goes_and_what_belongs_to_a_closed_pull_request() -> None:
    outcomes, gone = reaped(STACKS)
    assert gone == ["old", "pr-8", "now"]
    assert {item.name: item.result for item in outcomes} == {
        "old": "removed",
        "pr-7": "kept",
        "pr-8": "removed",
        "pr-9": "kept",
        "now": "removed",
    }
    assert "pull request 8 is closed" in outcomes[2].why
    assert "GitHub can't be reached" in outcomes[3].why, "in doubt its time decides"


def test_one_that_fails_stops_no_other_and_says_from_where_it_was_made() -> None:
    outcomes, gone = reaped(STACKS, refuse="old")
    assert gone == ["pr-8", "now"] and failed(outcomes) == ["old"]
    assert "RuntimeError: no luck" in outcomes[0].why and "made from c0ffee" in outcomes[0].why


def test_one_that_was_extended_or_ended_while_others_went_is_left_alone() -> None:
    outcomes, gone = reaped([known("old", -1), known("now", 0)], by_then={"old": known("old", 8), "now": None})
    assert gone == [] and [item.result for item in outcomes] == ["kept", "removed"]
    assert "ends in 8h" in outcomes[0].why and "somebody else was faster" in outcomes[1].why


def test_a_dry_run_takes_nothing_down() -> None:
    outcomes, gone = reaped(STACKS, dry_run=True)
    assert gone == [] and [item.result for item in outcomes].count("would go") == 3


# What a pull request is told


def test_the_comment_is_one_of_its_own_beside_the_preview_s() -> None:
    text = comment.up(
        "pr-7", RECORD, {"otlpHttp": "https://otlp-pr-7.dev.acme.test:443", "kafka": "b-1:9096"}, "https://log"
    )
    assert text.splitlines()[0] == comment.marker("pr-7") != preview_marker("pr-7")
    assert "| OTLP over HTTP | https://otlp-pr-7.dev.acme.test:443 |" in text and "`b-1:9096`" in text
    assert "until 2026-11-30T20:00:00Z" in text and "network, kafka, grafana with `dev`" in text
    assert "[The whole log](https://log)" in text
    assert not is_silent(text) and not is_silent(comment.failed("pr-7", "no luck", None))
    assert is_silent(comment.down("pr-7")), "nobody is told of what they were never told about"
    assert not is_silent(comment.down("pr-7", "arn:aws:ec2:…"))


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (None, ("`pr-7` is not up", "Nothing was made")),
        ("empty", ("`pr-7` is not up", "Nothing was made")),
        ("half up", ("`pr-7` is half up: 9 resources are there until 2026-11-30T20:00:00Z", "cost money until then")),
        ("over", ("`pr-7` is half up: 9 resources", "cost money")),
        ("up", ("`pr-7` is up until 2026-11-30T20:00:00Z, as it was", "This commit is not on it")),
        ("coming up", ("being worked on", "brings it up since 2026-11-30T11:00:00Z")),
        ("being ended", ("being worked on", "ends it since 2026-11-30T11:00:00Z")),
    ],
    ids=str,
)
def test_after_an_up_that_failed_the_comment_says_what_is_there(state: Any, said: tuple[str, ...]) -> None:
    since = "2026-11-30T11:00:00Z"
    there = Row("pr-7", "aws", "me", "1h", "2026-11-30T20:00:00Z", "8h", "", state, 9, since) if state else None
    text = comment.failed("pr-7", "no luck with a key", there, "https://log")
    title = text.splitlines()[1]
    assert (
        said[0] in title and said[1] in text and "no luck with a key" in text and "[The whole log](https://log)" in text
    )


# How one stands

SUCCEEDED, FAILED = (
    {"kind": "update", "result": result, "startTime": "2026-11-30T10:00:00.000Z"} for result in ("succeeded", "failed")
)
ENDED = {"kind": "destroy", "result": "failed", "startTime": "2026-11-30T10:00:00.000Z"}
REFRESHED = {"kind": "refresh", "result": "succeeded", "startTime": "2026-11-30T10:30:00.000Z"}


@pytest.mark.parametrize(
    ("hours", "resources", "tag", "history", "state"),
    [
        (8, 9, "", [SUCCEEDED, FAILED], "up"),
        (8, 9, "", [FAILED, SUCCEEDED], "half up"),
        (8, 9, "", [], "half up"),
        (8, 9, "", [REFRESHED, ENDED, SUCCEEDED], "half ended"),
        (-1, 9, "", [FAILED], "over"),
        (8, 0, "", [], "empty"),
        (-1, 0, "", [], "empty"),
        (8, 0, "up 2026-11-30T11:00:00Z 1", [], "coming up"),
        (-1, 9, "down 2026-11-30T11:00:00Z 1", [SUCCEEDED], "being ended"),
        (8, 9, "up 2026-11-30T05:00:00Z 1", [], "half up"),
        (8, 9, "up 2026-11-30T05:00:00Z 1", [SUCCEEDED], "up"),
        (8, 9, "down 2026-11-30T05:00:00Z 1", [], "half ended"),
        (8, 9, "up soon", [SUCCEEDED], "up"),
        (8, 0, "", [{**FAILED, "result": "in-progress"}, SUCCEEDED], "coming up"),
        (-1, 9, "", [{**ENDED, "result": "in-progress"}, SUCCEEDED], "being ended"),
    ],
)
def test_how_a_stack_stands(
    hours: float, resources: int, tag: str, history: list[dict[str, str]], state: Standing
) -> None:
    one = known("pr-7", hours)
    found = Known("pr-7", one.record, resources, work({TAG: tag}))
    assert standing(found, history, NOW) == state


def test_of_a_stack_on_this_machine_it_is_seen_whether_a_command_still_works_on_it() -> None:
    record = Record(NOW + timedelta(hours=8), NOW, "me", "", "local", "", ())
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    for pid, state in ((os.getpid(), "coming up"), (gone.pid, "half up")):
        doing = Work("up", NOW - timedelta(minutes=1), pid)
        assert work({TAG: doing.tag()}) == doing
        assert standing(Known("two", record, 9, doing), [SUCCEEDED], NOW) == state
