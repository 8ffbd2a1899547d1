"""A job of GitHub Actions that AWS has refused is told why: by its own token and configs/bootstrap.yaml."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import jwt
import pytest

from infra.aws.bootstrap.explain import explain, subject, subjects
from infra.aws.bootstrap.policies import trust
from infra.aws.bootstrap.settings import BootstrapSettings, Preview
from infra.errors import UserError

OWN = BootstrapSettings(
    account="111122223333",
    region="eu-central-1",
    repository="acme/telemetry",
    previews={"dev": Preview(stacks=["dev"], jobs=["pull_request"])},
    environments={"dev": ["dev", "pr-*"], "prod": ["prod"]},
)
ROLE = "arn:aws:iam::{}:role/agent-telemetry-bootstrap/agent-telemetry-{}"
DEV, SUBJECT = ROLE.format(OWN.account, "deploy-dev"), "repo:acme/telemetry:environment:dev"


@pytest.mark.parametrize(
    ("role", "sub", "said"),
    [
        ("", SUBJECT, "AWS_PREVIEW_ROLE in the GitHub environment, AWS_PLAN_ROLE in the repository"),
        ("deploy-dev", SUBJECT, "is no role that `telemetry bootstrap` makes"),
        (ROLE.format("444455556666", "deploy-dev"), SUBJECT, "another account than configs/bootstrap.yaml says (111122223333)"),
        (ROLE.format(OWN.account, "deploy-stage"), SUBJECT, "makes no role deploy-stage: it has preview-dev, deploy-dev, deploy-prod"),
        (ROLE.format(OWN.account, "preview-dev"), SUBJECT, "this job may take deploy-dev: give it that role"),
        (ROLE.format(OWN.account, "deploy-prod"), SUBJECT, "this job may take deploy-dev"),
        (DEV, "repo:acme/telemetry:pull_request", "this job may take preview-dev"),
        (DEV, "repo:acme/renamed:environment:dev", "`repository` in configs/bootstrap.yaml is acme/telemetry, and should be acme/renamed"),
        (DEV, "repo:acme@1/telemetry@2:environment:dev", "should be acme@1/telemetry@2"),
        (DEV, "repo:acme/telemetry:environment:stage", "`previews` or `environments` in configs/bootstrap.yaml name no such job"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_the_line_to_change(role: str, sub: str, said: str) -> None:
    with pytest.raises(UserError) as refused:
        explain(OWN, role, sub)
    assert said in str(refused.value)


def test_where_the_file_is_right_the_account_is_behind_it() -> None:
    assert "deploy-dev lets this job in" in explain(OWN, DEV, SUBJECT)
    assert "telemetry bootstrap up" in explain(OWN, DEV, SUBJECT)


def test_example_values_are_told_first() -> None:
    with pytest.raises(UserError, match="still has example values"):
        explain(OWN.model_copy(update={"repository": "example/agent-telemetry"}), "", SUBJECT)


def test_it_knows_the_subjects_that_the_roles_are_made_with() -> None:
    for allowed in subjects(OWN).values():
        wanted = json.loads(trust("arn", OWN.repository, [item.split(":", 2)[2] for item in allowed]))
        condition = wanted["Statement"][0]["Condition"]["StringLike"]
        assert list(condition.values()) == [allowed]


@contextmanager
def issuer(status: int = 200) -> Iterator[tuple[str, list[Any]]]:
    """GitHub's token endpoint: the URL has a query already, as GitHub's has."""
    asked: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.path, self.headers["Authorization"]))
            token = jwt.encode({"sub": SUBJECT, "aud": "sts.amazonaws.com"}, "k" * 32)
            body = json.dumps({"value": token}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            return None

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/token?api-version=2.0", asked
    finally:
        server.shutdown()
        server.server_close()


def test_the_subject_is_the_job_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    with issuer() as (url, asked):
        monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_URL", url)
        monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "secret")
        assert subject() == SUBJECT
    assert asked == [("/token?api-version=2.0&audience=sts.amazonaws.com", "bearer secret")]


def test_a_job_without_a_token_is_told_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ACTIONS_ID_TOKEN_REQUEST_URL", raising=False)
    with pytest.raises(UserError, match="id-token: write"):
        subject()
    with issuer(500) as (url, _):
        monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_URL", url)
        monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "secret")
        with pytest.raises(UserError, match="no token that can be read") as refused:
            subject()
        assert "secret" not in str(refused.value)
