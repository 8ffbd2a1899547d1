"""A pull request's stack beside dev on a stand-in account, by the steps of .github/workflows/ephemeral.yml: label to closed.

Each job runs on a machine that has the repository and nothing else.
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
import requests
import yaml
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from infra.config import PROJECT
from infra.ephemeral.comment import marker
from tests.engine.aws_checkout import checkout
from tests.engine.aws_engine import committed
from tests.engine.aws_internet import Collector
from tests.engine.aws_world import World, aws_world
from tests.engine.workflow_job import Runner
from tests.github_stub import github
from tests.providers.api.network import VOLUME
from tests.providers.standin.cloud import Resource

pytestmark = pytest.mark.timeout(1800)
ZONE = "Z0123456789TELEMETRY"
DOMAIN = "otlp-pr-7.telemetry.test"


@dataclass
class Repository:
    """o/r, where pull request 7 is open."""

    world: World
    runner: Runner
    comments: list[dict[str, Any]]
    closed: set[int]
    before: list[str]
    """What there was on AWS before any pull request."""

    def job(self, name: str, green: bool = True) -> str:
        """One job on a machine of its own."""
        for path in (*self.folder.glob("Pulumi.pr-*.yaml"), *self.folder.glob("*.md"), self.folder / "agents.env"):
            path.unlink(missing_ok=True)
        shutil.rmtree(self.folder / ".telemetry", ignore_errors=True)
        done = self.runner.run("ephemeral", name)
        said = "\n".join(self.runner.said)
        assert done is green, said
        return said

    @property
    def folder(self) -> Path:
        return self.runner.checkout

    def telemetry(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """A person's command."""
        program = self.folder / ".venv" / "bin" / "telemetry"
        done = subprocess.run(
            [program, *words],
            cwd=self.folder,
            env=self.runner.environment,
            text=True,
            capture_output=True,
            timeout=1200,
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def states(self) -> dict[str, str]:
        """How each stack stands."""
        rows = json.loads(self.telemetry("ephemeral", "list", "--json").stdout)
        return {row["name"]: row["state"] for row in rows}

    def left(self) -> list[str]:
        """What is on AWS beside what was there before."""
        return [item for item in self.world.cloud.left() if item not in self.before]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repository]:
    folder = checkout(tmp_path_factory.mktemp("clone"))
    (folder / "state").mkdir()
    values = committed("dev") | {"collectorZoneId": ZONE}
    dev = {"config": {f"{PROJECT}:{key}": value for key, value in values.items()}}
    (folder / "Pulumi.dev.yaml").write_text(yaml.safe_dump(dev))
    closed: set[int] = set()
    with aws_world(tmp_path_factory.mktemp("account")) as world, github(closed=closed) as (api, comments, _):
        zone = {"name": "telemetry.test", "zoneId": ZONE, "arn": f"arn:aws:route53:::hostedzone/{ZONE}"}
        world.cloud.state.put(Resource("aws:route53/zone:Zone", ZONE, outputs=zone))
        world.nodes.engine_of("dev", 1)
        collector = Collector(world.cloud.state, world.nodes.engine_of("pr-7", 1), "pr-7")
        world.doors.open(DOMAIN.replace(".", r"\."), collector.answer)
        backend_url = (folder / "state").as_uri()
        environment = {
            **os.environ,
            **world.environment,
            "PYTHONPATH": str(folder),
            "PULUMI_BACKEND_URL": backend_url,
            "GITHUB_API_URL": api,
            "GITHUB_REPOSITORY": "o/r",
            "GITHUB_SHA": "c0ffee",
            "COLUMNS": "200",
        }
        context = {
            "vars.PULUMI_BACKEND_URL": backend_url,
            "vars.AWS_DEPLOY_ROLE": "arn:aws:iam::111122223333:role/agent-telemetry-bootstrap/agent-telemetry-deploy-ephemeral",
            "github.server_url": "https://github.example",
            "github.repository": "o/r",
            "github.run_id": "11",
            "github.token": "token",
            "github.event.pull_request.number": "7",
        }
        made = Repository(world, Runner(folder, folder, environment, context), comments, closed, [])
        made.telemetry("up", "--name", "dev")
        made.before = world.cloud.left()
        yield made


def test_the_label_makes_a_stack_that_the_pull_request_is_told_of(repository: Repository) -> None:
    said = repository.job("up")
    assert "pr-7: up in" in said and f"https://{DOMAIN}" in said
    (comment,) = repository.comments
    assert comment["body"].startswith(marker("pr-7")) and f"https://{DOMAIN}" in comment["body"]
    assert "https://github.example/o/r/actions/runs/11" in comment["body"]
    made = repository.left()
    assert made and not any("msk/cluster:" in item or "ec2/vpc:" in item for item in made), (
        "brokers and network are dev's"
    )
    for item in repository.world.cloud.state.all():
        tags = item.get("tagsAll") or {}
        assert (tags.get("Ephemeral") == "true") == (tags.get("Stack") == "pr-7")


def test_its_agents_find_address_and_token_in_a_file_and_nowhere_else(repository: Repository) -> None:
    lines = (repository.folder / "agents.env").read_text().splitlines()
    given = dict(line.split("=", 1) for line in lines)
    header, _, value = given["OTEL_EXPORTER_OTLP_HEADERS"].replace("%20", " ").partition("=")
    doors = repository.world.doors
    answer = requests.post(
        f"{given['OTEL_EXPORTER_OTLP_ENDPOINT']}/v1/traces",
        data=ExportTraceServiceRequest().SerializeToString(),
        headers={header: value, "Content-Type": "application/x-protobuf"},
        proxies={"https": doors.url},
        verify=str(doors.authority.file),
        timeout=30,
    )
    assert answer.status_code == 200, answer.text
    token = value.removeprefix("Bearer ")
    assert token.count(".") == 2 and token not in "\n".join(repository.runner.said)
    assert token not in repository.comments[0]["body"]
    assert (repository.folder / "agents.env").stat().st_mode & 0o077 == 0


def test_it_is_listed_from_any_machine(repository: Repository) -> None:
    given = (repository.folder / "agents.env").read_text()
    for name in ("Pulumi.pr-7.yaml", "agents.env"):
        (repository.folder / name).unlink()
    (row,) = json.loads(repository.telemetry("ephemeral", "list", "--json").stdout)
    assert (row["name"], row["owner"], row["state"]) == ("pr-7", "o/r/pull/7", "up")
    assert row["where"] == "aws, with dev" and row["cost"] == "unknown", "no prices are known here"
    repository.telemetry("ephemeral", "fetch", "pr-7", "--env-file", "agents.env")
    assert (repository.folder / "agents.env").read_text() == given, "the same token on every machine"
    assert "pr-7" in repository.telemetry("tenants", "list", "--name", "pr-7").stdout


def test_a_push_extends_it_and_changes_nothing_else(repository: Repository) -> None:
    (before,) = json.loads(repository.telemetry("ephemeral", "list", "--json").stdout)
    given = (repository.folder / "agents.env").read_text()
    repository.world.cloud.forget_operations()
    said = repository.job("up")
    assert (repository.folder / "agents.env").read_text() == given, "agents go on with what they have"
    assert len(json.loads(repository.telemetry("tenants", "list", "--name", "pr-7", "--json").stdout)) == 1
    assert "unchanged" in said
    for op in ("create", "update", "delete"):
        assert repository.world.cloud.operations(op) == []
    (after,) = json.loads(repository.telemetry("ephemeral", "list", "--json").stdout)
    assert after["expires"] > before["expires"]
    assert len(repository.comments) == 1 and after["expires"] in repository.comments[0]["body"]


def test_another_stack_of_its_name_is_refused(repository: Repository) -> None:
    done = repository.telemetry("ephemeral", "up", "pr-7", "--own", "grafana", check=False)
    assert done.returncode == 1
    assert "pr-7 that shares network, kafka, grafana, not network, kafka (made by o/r/pull/7)" in done.stderr


def test_an_up_that_fails_is_told_and_what_it_made_goes(repository: Repository) -> None:
    before, file = repository.left(), repository.folder / "failed.md"
    repository.world.cloud.fail("create", type="aws:kms/key:Key", how="after", message="no luck with a key")
    words = ("ephemeral", "up", "pr-8", "--markdown", str(file))
    done = repository.telemetry(*words, check=False)
    assert done.returncode == 1 and "no luck with a key" in done.stdout
    assert file.read_text().startswith(marker("pr-8")) and "is half up: " in file.read_text()
    assert repository.states() == {"pr-7": "up", "pr-8": "half up"}
    assert repository.left() != before
    repository.world.cloud.fail("delete", type="aws:kms/key:Key", urn="pr-8", message="not yet")
    done = repository.telemetry("ephemeral", "down", "pr-8", "--pause", "0")
    assert "tried again" in done.stdout and "everything is removed, its state too" in done.stdout
    assert repository.left() == before
    assert not [path for path in (repository.folder / "state").rglob("*pr-8*") if path.is_file()]


def test_what_the_ceilings_refuse_leaves_nothing(repository: Repository) -> None:
    template, file = repository.folder / "configs" / "ephemeral.yaml", repository.folder / "refused.md"
    shipped, before = template.read_text(), repository.left()
    template.write_text(shipped.replace("clickhouseHotGiB: 20", "clickhouseHotGiB: 2000"))
    for name, title in (("pr-9", "is not up"), ("pr-7", "is up until")):
        done = repository.telemetry("ephemeral", "up", name, "--markdown", str(file), check=False)
        assert done.returncode == 1 and done.stderr.startswith("error: mandatory policies refuse this: ephemeral-")
        assert f"`{name}` {title}" in file.read_text() and "mandatory policies refuse this" in file.read_text()
    template.write_text(shipped)
    assert repository.left() == before and repository.states() == {"pr-7": "up"}
    assert not [path for path in (repository.folder / "state").rglob("*pr-9*") if path.is_file()]
    assert not (repository.folder / "Pulumi.pr-9.yaml").exists() and (repository.folder / "Pulumi.pr-7.yaml").exists()


def test_the_reaper_leaves_what_is_open_and_takes_what_is_closed(repository: Repository) -> None:
    assert "kept" in repository.job("reap")
    repository.closed.add(7)
    said = repository.job("reap")
    assert "pull request 7 is closed" in said and "removed" in said
    assert repository.left() == []
    assert not [path for path in (repository.folder / "state").rglob("*pr-7*") if path.is_file()]
    assert "there is none" in repository.telemetry("ephemeral", "list").stdout
    assert "nothing is pending" in repository.telemetry("migrate", "--plan", "--name", "dev").stdout, "dev is as it was"


def test_the_end_of_what_is_gone_already_is_told_too(repository: Repository) -> None:
    assert "nothing was up" in repository.job("down")
    assert "is taken down" in repository.comments[0]["body"] and len(repository.comments) == 1


def test_what_no_state_knows_of_is_found_by_its_tags(repository: Repository) -> None:
    arn = "arn:aws:ec2:eu-central-1:111122223333:volume/vol-0fedcba9876543210"
    tags = {"Project": "agent-telemetry", "Stack": "pr-6", "Ephemeral": "true"}
    left = Resource(VOLUME, arn.rpartition("/")[2], outputs={"arn": arn, "size": 20, "tagsAll": tags})
    repository.world.cloud.state.put(left)
    said = repository.job("reap", green=False)
    assert "something goes on costing money" in said and arn in said
    assert f"aws ec2 delete-volume --volume-id {left.id}" in said
    found = json.loads(repository.telemetry("ephemeral", "reap", "--dry-run", "--json", check=False).stdout)
    assert [(item["stack"], item["state"]) for item in found["left"]] == [("pr-6", "available")]
    repository.world.cloud.state.remove(VOLUME, left.id)
    repository.job("reap")


def test_a_refused_sign_in_is_explained(repository: Repository) -> None:
    repository.runner.refused = ("aws",)
    said = repository.job("up", green=False)
    assert "configs/bootstrap.yaml" in said or "id-token: write" in said
    assert repository.left() == []
