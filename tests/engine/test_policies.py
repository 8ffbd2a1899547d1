"""`telemetry preview` and `up` against the policy pack: the real engine, the program and the pack, on a stand-in account."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pulumi
import pulumi_aws as aws
import pytest
import yaml
from typer.testing import CliRunner, Result

from infra import backend
from infra.cli import app
from infra.config import PROJECT
from infra.errors import UserError
from infra.paths import ROOT
from tests.engine.aws_engine import committed
from tests.providers.cloud import REGION, StandInCloud
from tests.stack import HALF_WRITTEN

pytestmark = pytest.mark.timeout(900)
PARTS = ("infra", "policy", "sql", "configs", "Pulumi.yaml", "pyproject.toml", "requirements.lock")


class Person:
    """Somebody with a clone and an account in which nothing is."""

    def __init__(self, cloud: StandInCloud, folder: Path) -> None:
        self.cloud, self.folder = cloud, folder

    def configure(self, stack: str, **settings: Any) -> None:
        """The committed stack with an account's own values and these."""
        config = {f"{PROJECT}:{key}": value for key, value in {**committed(stack), **settings}.items()}
        (self.folder / f"Pulumi.{stack}.yaml").write_text(yaml.safe_dump({"config": config}))

    def telemetry(self, stack: str, verb: str, *words: str) -> Result:
        return CliRunner().invoke(app, [verb, "--name", stack, *words])

    def is_refused(self, stack: str, verb: str, *words: str) -> str:
        """What was printed, and the error's text at the end."""
        done = self.telemetry(stack, verb, *words)
        assert isinstance(done.exception, UserError), f"{done.stdout}\n{done.stderr}\n{done.exception!r}"
        return f"{done.stdout}\n{done.exception}"


@pytest.fixture(scope="module")
def person(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Person]:
    folder = tmp_path_factory.mktemp("clone")
    for part in PARTS:
        source = ROOT / part
        shutil.copytree(source, folder / part, ignore=HALF_WRITTEN) if source.is_dir() else shutil.copy(source, folder)
    (folder / "state").mkdir()
    cloud = StandInCloud(tmp_path_factory.mktemp("account"))
    with pytest.MonkeyPatch.context() as patch:
        for module in ("infra.config", "infra.automation", "infra.backend", "infra.cli.local", "infra.cli.down"):
            patch.setattr(f"{module}.ROOT", folder)
        patch.setattr("infra.policies.PACK", folder / "policy")
        # Without the project's file, which says where it is, what runs a pack is looked for on PATH.
        patch.setenv("PATH", f"{ROOT / 'infra' / 'local' / 'toolchain' / 'bin'}:{os.environ['PATH']}")
        environment = {
            **cloud.environment,
            "PULUMI_BACKEND_URL": (folder / "state").as_uri(),
            "PYTHONPATH": str(folder),
        }
        for key, value in environment.items():
            patch.setenv(key, value)
        # The stand-ins' folder stays on PATH.
        real = backend.engine_environment
        patch.setattr(backend, "engine_environment", lambda root: {**real(root), "PATH": environment["PATH"]})
        yield Person(cloud, folder)


FINDING = "- [{level}]  {policy}  ("


def test_dev_is_told_what_its_policies_find_and_goes_on(person: Person, tmp_path: Path) -> None:
    person.configure("dev", tags={"Environment": ""})
    file = tmp_path / "preview.md"
    done = person.telemetry("dev", "preview", "--markdown", str(file))
    assert done.exit_code == 0, f"{done.stdout}\n{done.stderr}\n{done.exception!r}"
    found = {line.split()[2] for line in done.stdout.splitlines() if line.strip().startswith("- [")}
    assert found == {"tags"}, "nothing else is wrong with dev, also where values are known after the up only"
    assert FINDING.format(level="advisory", policy="tags") in done.stdout and "[mandatory]" not in done.stdout
    assert "tags: no tag Environment" in done.stdout
    assert "pulumi-analyzer-policy-python" not in done.stdout, "how the pack is started is nobody's business"
    comment = file.read_text()
    assert "### :white_check_mark: `dev`: " in comment
    assert ":warning: policy `tags` on `" in comment and comment.count("policy `tags`") == 1


def test_prod_is_refused_before_anything_is_made(person: Person, tmp_path: Path) -> None:
    person.configure("prod", kafkaMonitoring="DEFAULT", networkFlowLogs=False)
    said = person.is_refused("prod", "up")
    assert "mandatory policies refuse this: logs-and-alarms, network." in said and "docs/policy.md" in said
    assert FINDING.format(level="mandatory", policy="logs-and-alarms") in said and "MSK.2: too coarse" in said
    assert FINDING.format(level="mandatory", policy="network") in said and "EC2.6: no flow log" in said
    assert said.count("[mandatory]") == 2, "with its committed settings prod has no finding"
    assert person.cloud.operations() == [] and person.cloud.left() == []
    assert not list((person.folder / "state").rglob("prod.json")), "nor is there a stack in the backend"
    file = tmp_path / "preview.md"
    assert "mandatory policies refuse this" in person.is_refused("prod", "preview", "--markdown", str(file))
    assert "### :no_entry: `prod`: 2 policies refuse this" in file.read_text()
    assert ":no_entry: policy `network` on `network-vpc`: " in file.read_text()


@contextmanager
def broken(file: Path, text: str) -> Iterator[None]:
    before = file.read_text()
    file.write_text(text)
    yield
    file.write_text(before)


def test_a_pack_that_cannot_load_is_named_and_nothing_is_made(person: Person, tmp_path: Path) -> None:
    person.configure("dev")
    exemption = "exemptions: [{control: EC2.99, resource: a, reason: one that is long enough}]"
    with broken(person.folder / "configs" / "policy.yaml", exemption):
        said = person.is_refused("dev", "up")
    wrong = (
        "could not be loaded: configs/policy.yaml: exemption 1: there is no control EC2.99; docs/policy.md lists them"
    )
    assert f"the policy pack in policy/ {wrong}. Nothing was touched" in said and "Traceback" not in said
    file = tmp_path / "preview.md"
    with broken(person.folder / "policy" / "pack.py", "import not_installed"):
        said = person.is_refused("dev", "preview", "--markdown", str(file))
    wrong = "could not be loaded: No module named 'not_installed'; `make environment` installs what it needs"
    assert wrong in said and wrong in file.read_text() and "Traceback" not in said
    assert "### :x: `dev`: the preview failed" in file.read_text()
    assert person.cloud.operations() == []


def large() -> None:
    """A node and a broker as prod has them."""
    provider = aws.Provider("aws", region=REGION)
    opts = pulumi.ResourceOptions(provider=provider)
    tags = {"Project": PROJECT, "Stack": "pr-1", "Environment": "dev"}
    aws.ebs.Volume(
        "data", availability_zone=f"{REGION}a", size=1000, encrypted=True, kms_key_id="k", tags=tags, opts=opts
    )
    for number in (1, 2):
        aws.ec2.Eip(f"address-{number}", opts=opts)


def test_ceilings_are_mandatory_for_a_stack_that_has_an_end(person: Person) -> None:
    packs = {
        "policy_packs": [str(person.folder / "policy")],
        "policy_pack_configs": [str(ROOT / "policy/levels/dev.json")],
    }
    settings = {f"{PROJECT}:env": "dev", f"{PROJECT}:protect": "false"}
    lasting = person.cloud.stack(large, "lasting", PROJECT, settings)
    shown = lasting.preview(**packs)
    assert shown.ok and "[mandatory]" not in shown.output and "[advisory]" in shown.output, shown.output
    ephemeral = person.cloud.stack(large, "pr-1", PROJECT, {**settings, f"{PROJECT}:expiresAt": "2030-01-01T00:00:00Z"})
    refused = ephemeral.preview(**packs)
    assert not refused.ok and "[mandatory]  ephemeral-ceilings  (aws:ebs:Volume: data)" in refused.output, (
        refused.output
    )
    assert "GiB: 1000, an ephemeral stack may have 125 (configs/policy.yaml)" in refused.output
    assert person.cloud.operations() == []
