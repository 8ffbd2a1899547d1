"""What a budget may say, when its window begins, how calls are signed: what needs no server."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import stat
import subprocess
import sys
import time
from base64 import b64decode, b64encode
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from examples.budget_receiver import verified
from infra.errors import UserError
from infra.local.webhook_secret import ensure_secret
from infra.paths import ROOT
from infra.settings import parse_settings
from infra.webhook_secret import KeptSecret, SecretFile, secrets_of
from infra.worker.budgets.body import Body
from infra.worker.budgets.config import MOST, Budget, budgets_of, read_budgets, written
from infra.worker.budgets.episodes import event_id, new_episode
from infra.worker.budgets.notify import LONGEST_PAUSE, pause
from infra.worker.budgets.usage import Subject
from infra.worker.budgets.webhook import call, secret_bytes, signatures
from infra.worker.budgets.window import parse

GOOD: dict[str, Any] = {"name": "b", "measure": "spend_usd", "scope": "tenant", "window": "1h", "limit": 5}
SECRET = "whsec_" + b64encode(bytes(range(32))).decode()
OTHER = "whsec_" + b64encode(bytes(range(1, 33))).decode()


def seconds(*when: int) -> int:
    return int(datetime(*when, tzinfo=UTC).timestamp())  # type: ignore[arg-type]


def written_to(folder: Path, content: Any) -> Path:
    path = folder / "budgets.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return path


def test_the_shipped_budgets_are_good_and_travel_unchanged_in_the_worker_s_configuration() -> None:
    shipped = budgets_of(parse_settings({}, "test"))
    assert {budget.scope for budget in shipped} >= {"run", "tenant"}
    assert [Budget.model_validate(item) for item in json.loads(json.dumps(written(shipped)))] == shipped


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"limit": 0}, "limit: Input should be greater than 0 (found 0)"),
        ({"limit": -1}, "limit: Input should be greater than 0"),
        ({"limit": float("nan")}, "limit: Input should be"),
        ({"limit": float("inf")}, "limit: Input should be"),
        ({"limit": "5"}, "limit: Input should be a valid number (found '5')"),
        ({"limit": True}, "limit: Input should be a valid number"),
        ({"measure": "model_calls", "limit": 2.5}, "limit: 2.5 is no whole number of model_calls"),
        ({"warn": 1}, "warn: Input should be less than 1 (found 1)"),
        ({"warn": 0}, "warn: Input should be greater than 0"),
        ({"again_at": [2, 1]}, "again_at.1: Input should be greater than 1 (found 1)"),
        ({"window": "1w"}, "window: has to be 1m to 31d"),
        ({"window": "0m"}, "window: has to be 1m to 31d"),
        ({"window": "32d"}, "window: has to be 1m to 31d"),
        ({"window": "run"}, "window: run only goes with scope run, not with tenant"),
        ({"scope": "user"}, "scope: Input should be 'tenant', 'workflow', 'agent' or 'run'"),
        ({"measure": "dollars"}, "measure: Input should be"),
        ({"scope": "run", "agent": "planner"}, "agent: a run's agent is known once it has ended"),
        ({"measure": "repeated_tool_calls", "agent": "a"}, "agent: repeated calls of one agent are counted with scope"),
        (
            {"measure": "repeated_tool_calls", "scope": "agent"},
            "window: an agent's repeated tool calls are counted over",
        ),
        ({"tenant": ""}, "tenant: String should have at least 1 character"),
        ({"name": "a\nb"}, "name: String should match pattern"),
        ({"webhook": "https://a"}, "webhook: unknown key"),
    ],
)
def test_what_can_t_be_is_refused_by_name(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError) as refused:
        read_budgets(written_to(tmp_path, {"budgets": [GOOD | change]}))
    assert f"budgets.yaml: budget 1 ({(GOOD | change)['name']}): {says}" in str(refused.value)


def test_every_problem_is_named_at_once(tmp_path: Path) -> None:
    entries = [GOOD | {"limit": 0, "warn": 7}, GOOD, GOOD, {"name": "c"}, "no entry"]
    with pytest.raises(UserError) as refused:
        read_budgets(written_to(tmp_path, {"budgets": entries}))
    lines = str(refused.value).splitlines()
    for part in (
        "budget 1 (b): limit",
        "budget 1 (b): warn",
        "budget 4 (c): measure: Field required",
        "budget 4 (c): limit: Field required",
        "budget 5: entry",
        "two budgets are called 'b'",
    ):
        assert [line for line in lines if part in line], part


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("budgets: [", "is not valid YAML"),
        ("", "has to hold one key, `budgets`"),
        ("budgets: {a: 1}", "has to hold one key, `budgets`"),
        ("budgets: []\nbudget: []", "has to hold one key, `budgets`"),
        (yaml.safe_dump({"budgets": [GOOD | {"name": f"b{n}"} for n in range(MOST + 1)]}), f"{MOST} at most"),
    ],
)
def test_a_file_of_another_form_is_refused(tmp_path: Path, content: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        read_budgets(written_to(tmp_path, content))


def test_a_file_that_is_not_there_is_named_with_its_setting() -> None:
    with pytest.raises(UserError, match=r"budgetsFile: .*nowhere.yaml can't be read"):
        budgets_of(parse_settings({"budgetsFile": "configs/nowhere.yaml"}, "test"))


def test_an_empty_list_is_none() -> None:
    assert read_budgets_of("budgets: []") == []


def read_budgets_of(text: str) -> list[Budget]:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        return read_budgets(written_to(Path(folder), text))


def test_windows_begin_where_they_say() -> None:
    now = seconds(2026, 2, 28, 13, 7, 42)
    assert parse("15m").bounds(now) == (seconds(2026, 2, 28, 12, 52), None)
    assert parse("2d").bounds(now) == (seconds(2026, 2, 26, 13, 7), None)
    assert parse("day").bounds(now) == (seconds(2026, 2, 28), seconds(2026, 3, 1))
    assert parse("month").bounds(now) == (seconds(2026, 2, 1), seconds(2026, 3, 1))
    assert parse("month").bounds(seconds(2026, 12, 31, 23, 59, 59)) == (seconds(2026, 12, 1), seconds(2027, 1, 1))
    assert parse("run").bounds(now) == (seconds(2026, 2, 27, 13, 7), None)


def test_an_event_has_one_id_whoever_finds_it_and_another_one_the_next_time() -> None:
    budget, subject = Budget.model_validate(GOOD | {"limit": 5.0}), Subject("acme", "")
    now = seconds(2026, 11, 24) * 1000
    first, same = new_episode(budget, subject, now), new_episode(budget, subject, now + 3_600_000)
    assert first.id == same.id and first.id != new_episode(budget, subject, now, first.id).id
    assert first.id != new_episode(budget, Subject("acme", "x"), now).id
    ids = [event_id(first, "warned", 0.8), event_id(first, "crossed", 1), event_id(first, "crossed", 2)]
    assert len({*ids, event_id(first, "resolved", 0)}) == 4


def test_pauses_grow_and_end_growing() -> None:
    found = [pause(tries) for tries in range(1, 60)]
    assert found[:4] == [2, 4, 8, 16] and max(found) == LONGEST_PAUSE and found == sorted(found)


def headers(secrets: list[str], body: bytes, timestamp: int) -> dict[str, str]:
    signed = signatures(secrets, "budget_1", timestamp, body)
    return {"webhook-id": "budget_1", "webhook-timestamp": str(timestamp), "webhook-signature": signed}


def test_the_signature_is_that_of_standard_webhooks() -> None:
    # The specification's own scheme, spelled out: HMAC-SHA256 of id.timestamp.body with the decoded secret, base64.
    digest = hmac.new(b64decode(SECRET.removeprefix("whsec_")), b"budget_1.1764000000.{}", hashlib.sha256).digest()
    assert signatures([SECRET], "budget_1", 1764000000, b"{}") == "v1," + b64encode(digest).decode()


def test_the_receiver_takes_what_is_signed_and_nothing_else() -> None:
    now = int(time.time())
    assert verified(headers([SECRET], b"{}", now), b"{}", SECRET)
    assert verified(headers([OTHER, SECRET], b"{}", now), b"{}", SECRET), "while secrets change over"
    assert not verified(headers([OTHER], b"{}", now), b"{}", SECRET)
    assert not verified(headers([SECRET], b"{}", now), b"{ }", SECRET)
    assert not verified(headers([SECRET], b"{}", now - 301), b"{}", SECRET)
    assert not verified(headers([SECRET], b"{}", now) | {"webhook-id": "budget_2"}, b"{}", SECRET)
    assert not verified({}, b"{}", SECRET)


@pytest.mark.parametrize("text", ["", "whsec_", "whsec_AAAA", "whsec_!" + "A" * 44, SECRET.removeprefix("whsec_")])
def test_a_secret_of_another_form_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ValueError):
        secret_bytes(text)
    with pytest.raises(UserError) as refused:
        secrets_of({"secret": text}, "here")
    assert "here: secret has to be whsec_" in str(refused.value)
    assert not text.removeprefix("whsec_") or text.removeprefix("whsec_") not in str(refused.value)


def test_the_local_secret_is_made_once_and_read_by_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "auth" / "secret"
    ensure_secret(path)
    made = path.read_text()
    ensure_secret(path)
    assert path.read_text() == made and stat.S_IMODE(path.stat().st_mode) == 0o600
    kept = KeptSecret(SecretFile(str(path)))
    assert kept() == [made.strip()]
    path.unlink()
    assert kept() == [made.strip()], "not read at each call"
    with pytest.raises(UserError, match="telemetry up"), SecretFile(str(path)).open():
        pass


def test_the_secret_is_in_no_error_of_a_call() -> None:
    answer = call("http://127.0.0.1:9/", [SECRET], "budget_1", b"{}")
    assert answer.status == 0 and "ConnectionError" in answer.error and SECRET not in answer.error


@pytest.mark.parametrize(
    "url",
    [
        "https://gateway.example.com/budgets",
        "https://10.2.3.4/x",
        "http://127.0.0.1:9009/",
        "http://localhost/",
        "http://[::1]:9/",
    ],
)
def test_addresses_that_can_be_meant_are_taken(url: str) -> None:
    assert parse_settings({"budgetWebhookUrl": url}, "test").budgetWebhookUrl == url


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://gateway.example.com/", "has to begin with https://"),
        ("http://10.2.3.4/", "has to begin with https://"),
        ("ftp://a/", "is not https://host/path"),
        ("gateway", "is not https://host/path"),
        ("https://", "is not https://host/path"),
        ("https://a b/", "is not https://host/path"),
        ("https://user:word@a.example.com/", "must hold no user, password or #fragment"),
        ("https://a.example.com/#x", "must hold no user, password or #fragment"),
        ("https://169.254.169.254/latest", "is a machine's metadata, or no machine at all"),
        ("https://[fd00:ec2::254]/", "is a machine's metadata, or no machine at all"),
        ("https://0.0.0.0/", "is a machine's metadata, or no machine at all"),
        ("https://a.example.com:port/", "is no address"),
    ],
)
def test_addresses_that_can_t_be_meant_are_refused(url: str, says: str) -> None:
    with pytest.raises(UserError, match="budgetWebhookUrl: ") as refused:
        parse_settings({"budgetWebhookUrl": url}, "test")
    assert says in str(refused.value)


def test_the_body_s_schema_is_the_one_in_docs() -> None:
    schema = json.loads((ROOT / "docs" / "budget-webhook.schema.json").read_text())
    assert schema == Body.model_json_schema(mode="serialization"), "write it anew: see docs/budgets.md"


def test_the_example_in_docs_is_a_body() -> None:
    text = (ROOT / "docs" / "budgets.md").read_text()
    example = text.split("```json\n")[1].split("```")[0]
    body = Body.model_validate_json(example)
    assert body.data.runs and body.type == "budget.crossed"


def test_the_receiver_stops_and_resumes(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "budgets.md").read_text().split("```json\n")[1].split("```")[0]
    crossed = json.loads(text)
    command = [sys.executable, "-u", "-m", "examples.budget_receiver", "--port", "0"]
    environment = {**os.environ, "BUDGET_WEBHOOK_SECRET": SECRET, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            url = process.stdout.readline().split()[-1]
            sent = json.dumps(crossed).encode()
            assert call(url, [OTHER], crossed["id"], sent).status == 401
            for _ in range(2):
                assert call(url, [SECRET], crossed["id"], sent).error == ""
            over = json.dumps(crossed | {"type": "budget.resolved", "id": "over"}).encode()
            assert call(url, [SECRET], "over", over).error == ""
            said = [process.stdout.readline(), process.stdout.readline()]
        finally:
            process.terminate()
    run = crossed["data"]["subject"]["run"]
    assert said[0].startswith(f"stop {run}: ") and said[1].startswith(f"resume {run}: ")
