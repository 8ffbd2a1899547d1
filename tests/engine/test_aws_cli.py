"""`telemetry` on a stack on AWS, from the first preview to the end, under the real engine on a stand-in account."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from infra import backend
from infra.cli import app
from infra.config import PROJECT
from infra.errors import UserError
from infra.paths import ROOT
from tests.engine.aws_engine import OWN, committed
from tests.engine.aws_world import World, aws_world

pytestmark = pytest.mark.timeout(1800)


class Person:
    """Somebody with a clone, a backend and an account."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world, self.folder = world, folder
        self.file = folder / "Pulumi.dev.yaml"
        self.file.write_text(yaml.safe_dump({"config": {f"{PROJECT}:{k}": v for k, v in committed("dev").items()}}))

    def telemetry(self, *words: str) -> Result:
        verb = 2 if words[0] == "tenants" else 1
        return CliRunner().invoke(app, [*words[:verb], "--name", "dev", *words[verb:]])

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
    folder = tmp_path_factory.mktemp("clone")
    (folder / "Pulumi.yaml").write_text((ROOT / "Pulumi.yaml").read_text())
    (folder / "infra").symlink_to(ROOT / "infra")
    (folder / "state").mkdir()
    with aws_world(tmp_path_factory.mktemp("account")) as world, pytest.MonkeyPatch.context() as patch:
        for module in ("infra.config", "infra.automation", "infra.backend", "infra.cli.local", "infra.cli.stack"):
            patch.setattr(f"{module}.ROOT", folder)
        environment = {**world.environment, "PULUMI_BACKEND_URL": (folder / "state").as_uri(), "COLUMNS": "200"}
        for key, value in environment.items():
            patch.setenv(key, value)
        # The interpreter for steps puts one package into the image instead of all.
        steps = {key: environment[key] for key in ("PATH", "AGENT_TELEMETRY_PYTHON", "PULUMI_PYTHON_CMD")}
        real = backend.engine_environment
        patch.setattr(backend, "engine_environment", lambda root: real(root) | steps)
        yield Person(world, folder)


def test_a_first_preview_names_the_migrations_and_leaves_nothing(person: Person) -> None:
    before = person.file.read_text()
    said = person.says("preview")
    assert "to create" in said and "pending migration 0001_spans_raw (metadata)" in said
    assert "CREATE TABLE IF NOT EXISTS telemetry.spans_raw" in said
    assert person.file.read_text() == before
    assert not person.world.cloud.operations("create")
    assert "nothing was up" in person.says("down")


def test_up_ends_with_the_endpoints_and_no_secret(person: Person) -> None:
    said = person.says("up")
    assert "dev: up in" in said and "otlpHttp" in said and "canaryDelaySeconds" in said
    versions = person.world.cloud.state.all("aws:secretsmanager/secretVersion:SecretVersion")
    stored = [str(value) for item in versions for value in json.loads(item.get("secretString")).values()]
    passwords = [value for value in stored if len(value) > 20]
    assert len(passwords) > 3
    assert not any(password in said or password[:40] in said for password in passwords)


def test_a_preview_of_what_is_up_shows_no_change(person: Person) -> None:
    said = person.says("preview")
    assert "unchanged" in said and "to create" not in said and "to update" not in said and "pending" not in said


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


def test_down_leaves_nothing_but_the_stack_file(person: Person) -> None:
    assert "everything is removed" in person.says("down")
    assert [item for item in person.world.cloud.left() if OWN["collectorCertificateArn"] not in item] == []
    assert person.file.exists() and "nothing was up" in person.says("down")
