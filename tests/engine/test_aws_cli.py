"""`telemetry` on a stack on AWS, from a pull request's preview to the end, under the real engine on a stand-in account.

What a workflow does is done by the workflow's own steps. The stack is the workflows' `prod`, in dev's size.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from infra import backend
from infra.cli import app
from infra.comment.markdown import marker
from infra.config import PROJECT
from infra.errors import UserError
from tests.engine.aws_checkout import PARTS, checkout
from tests.engine.aws_engine import OWN, committed
from tests.engine.aws_world import World, aws_world
from tests.engine.workflow_job import Runner
from tests.github_stub import github

pytestmark = pytest.mark.timeout(1800)


class Person:
    """Somebody with a clone, a backend and an account."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world, self.folder = world, folder
        self.file = folder / "Pulumi.prod.yaml"
        self.file.write_text(yaml.safe_dump({"config": {f"{PROJECT}:{k}": v for k, v in committed("dev").items()}}))

    def telemetry(self, *words: str) -> Result:
        verb = 2 if words[0] == "tenants" else 1
        return CliRunner().invoke(app, [*words[:verb], "--name", "prod", *words[verb:]])

    def says(self, *words: str) -> str:
        done = self.telemetry(*words)
        assert done.exit_code == 0, f"{done.stdout}\n{done.stderr}\n{done.exception!r}"
        return done.stdout

    def is_refused(self, *words: str) -> str:
        done = self.telemetry(*words)
        assert isinstance(done.exception, UserError), f"{done.stdout}\n{done.stderr}\n{done.exception!r}"
        return str(done.exception)


@pytest.fixture(scope="module")
def person(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Person]:
    folder = checkout(tmp_path_factory.mktemp("clone"))
    (folder / "state").mkdir()
    with aws_world(tmp_path_factory.mktemp("account")) as world, pytest.MonkeyPatch.context() as patch:
        for module in ("infra.config", "infra.automation", "infra.backend", "infra.cli.local", "infra.cli.down"):
            patch.setattr(f"{module}.ROOT", folder)
        environment = {**world.environment, "PULUMI_BACKEND_URL": (folder / "state").as_uri(), "COLUMNS": "200"}
        for key, value in environment.items():
            patch.setenv(key, value)
        # The interpreter for steps puts one package into the image instead of all.
        steps = {key: environment[key] for key in ("PATH", "AGENT_TELEMETRY_PYTHON", "PULUMI_PYTHON_CMD")}
        real = backend.engine_environment
        patch.setattr(backend, "engine_environment", lambda root: real(root) | steps)
        yield Person(world, folder)


@dataclass
class Repository:
    """The workflows of o/r, where pull request 7 is open."""

    runner: Runner
    comments: list[dict[str, Any]]

    def does(self, workflow: str, job: str, **matrix: str) -> str:
        green = self.runner.run(workflow, job, **matrix)
        assert green, "\n".join(self.runner.said)
        return "\n".join(self.runner.said)

    @property
    def summary(self) -> str:
        return (self.runner.artifacts / "summary.md").read_text()


@pytest.fixture(scope="module")
def repository(person: Person, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repository]:
    artifacts = tmp_path_factory.mktemp("artifacts")
    backend_url = (person.folder / "state").as_uri()
    with github() as (api, comments, _):
        environment = {
            **os.environ,
            **person.world.environment,
            "PYTHONPATH": str(person.folder),
            "GITHUB_API_URL": api,
            "GITHUB_REPOSITORY": "o/r",
            "GITHUB_STEP_SUMMARY": str(artifacts / "summary.md"),
        }
        context = {
            "vars.PULUMI_BACKEND_URL": backend_url,
            "github.server_url": "https://github.example",
            "github.repository": "o/r",
            "github.run_id": "11",
            "github.token": "token",
            "github.event.pull_request.number": "7",
        }
        # As docs/pull-requests.md has it, once a stack; the key is a passphrase here.
        pulumi = person.world.cloud.toolchain.pulumi_root / "bin" / "pulumi"
        first = {**environment, "PULUMI_BACKEND_URL": backend_url}
        subprocess.run([pulumi, "stack", "init", "prod"], cwd=person.folder, env=first, check=True, timeout=60)
        yield Repository(Runner(person.folder, artifacts, environment, context), comments)


def test_a_preview_on_a_pull_request_is_one_comment_and_leaves_nothing(person: Person, repository: Repository) -> None:
    before = person.file.read_text()
    said = repository.does("preview", "preview", stack="prod")
    assert "to create" in said and "pending migration 0001_spans_raw (metadata)" in said
    [comment] = repository.comments
    assert comment["body"].startswith(marker("prod")) and "CREATE TABLE IF NOT EXISTS" in comment["body"]
    assert "https://github.example/o/r/actions/runs/11" in comment["body"]
    assert comment["body"] in repository.summary
    assert person.file.read_text() == before
    assert not person.world.cloud.operations("create")


def test_prod_is_deployed_by_the_plan_that_was_previewed(person: Person, repository: Repository) -> None:
    repository.does("deploy", "plan")
    assert not person.world.cloud.operations("create")
    said = repository.does("deploy", "prod")
    assert "prod: up in" in said and "otlpHttp" in said and "canaryDelaySeconds" in said
    versions = person.world.cloud.state.all("aws:secretsmanager/secretVersion:SecretVersion")
    stored = [str(value) for item in versions for value in json.loads(item.get("secretString")).values()]
    passwords = [value for value in stored if len(value) > 20]
    assert len(passwords) > 3
    plan = (repository.runner.artifacts / "plan").read_text()
    written = said + plan + repository.summary
    assert not any(password in written or password[:40] in written for password in passwords)


def test_of_what_is_up_the_comment_says_that_nothing_changes(repository: Repository) -> None:
    said = repository.does("preview", "preview", stack="prod")
    assert "unchanged" in said and "to create" not in said and "to update" not in said and "pending" not in said
    [comment] = repository.comments
    assert "no changes" in comment["body"]


def test_a_fork_s_pull_request_is_compared_without_credentials(person: Person, repository: Repository) -> None:
    base = person.folder / ".telemetry" / "base"
    for part in PARTS:
        source = person.folder / part
        shutil.copytree(source, base / part) if source.is_dir() else shutil.copy(source, base / part)
    file = base / person.file.name
    file.write_text(person.file.read_text().replace('kafkaStorageGiB: "50"', 'kafkaStorageGiB: "40"'))
    repository.runner.artifacts.joinpath("summary.md").unlink()
    repository.does("preview", "compare", stack="prod")
    assert "`brokerNodeGroupInfo.storageInfo.ebsStorageInfo.volumeSize`: `40` → `50`" in repository.summary


def test_clickhouse_answers_through_a_tunnel(person: Person) -> None:
    assert person.says("query", "SELECT 1 + 1", "-f", "TSV") == "2\n"
    assert person.world.plane.called("StartSession")
    assert "nothing is pending" in person.says("migrate", "--plan")
    assert "unchanged" in person.says("migrate")


def test_a_tenant_s_token_is_in_the_bucket_s_list(person: Person) -> None:
    assert person.says("tenants", "add", "acme").count(".") == 2
    assert "acme" in person.says("tenants", "list")
    assert "revoked acme-" in person.says("tenants", "revoke", "acme")


def test_audit_is_the_worker_s(person: Person) -> None:
    assert "recorded no audit in the last day" in person.is_refused("audit")


def test_status_is_of_the_parts_and_of_what_the_pipeline_does(person: Person) -> None:
    said = json.loads(person.telemetry("status", "--json").stdout)
    parts = " ".join(row["part"] for row in said["parts"])
    assert all(part in parts for part in ("collector-service", "worker-service", "clickhouse-1")), parts
    assert said["problem"] == "" and {row["disk"] for row in said["pipeline"]["disks"]} >= {"default"}


def test_the_doctor_finds_the_deployed_stack(person: Person) -> None:
    done = person.telemetry("doctor", "--json")
    checks = {item["name"]: item for item in json.loads(done.stdout)["checks"]}
    for name in ("settings", "account", "backend", "last up", "collector's version", "Kafka's version"):
        assert checks[name]["state"] == "ok", checks[name]
    assert "chdb" not in checks["ClickHouse"]["found"] and checks["ClickHouse"]["state"] == "warn", (
        "an older engine here"
    )
    assert "configs/versions.yaml wants" in checks["ClickHouse"]["found"]
    assert checks["quota: MSK brokers"]["state"] == "not applicable", "nobody plays Service Quotas"
    assert not [item for item in checks.values() if "could not be checked" in item["found"]]


def test_down_leaves_nothing_but_the_stack_file(person: Person) -> None:
    assert "everything is removed" in person.says("down")
    assert [item for item in person.world.cloud.left() if OWN["collectorCertificateArn"] not in item] == []
    assert person.file.exists() and "nothing was up" in person.says("down")
