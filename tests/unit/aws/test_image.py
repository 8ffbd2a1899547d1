"""The worker's image: what is in it, that it comes out the same twice, and that a real registry takes it."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from infra.aws import image, image_layer
from infra.aws.image import Crane, base_python, configured, push, sign_in
from infra.aws.image_layer import (
    content_hash,
    installed,
    locked_requirements,
    our_entries,
    our_files,
    write_layer,
)
from infra.collector import KEYS_FOLDER
from infra.errors import UserError
from infra.images import image_reference
from infra.local.toolchain import ensure
from infra.paths import ROOT
from tests.unit.aws.image_base import make_base, registry_server

LOCK = """# made by uv
alpha==1.0 \\
    --hash=sha256:aa
    # via
    #   agent-telemetry (pyproject.toml)
    #   gamma
beta==2.0 \\
    --hash=sha256:bb
    # via alpha
gamma==3.0 \\
    --hash=sha256:cc
    # via agent-telemetry (pyproject.toml:dev)
delta[extra]==4.0 \\
    --hash=sha256:dd
    # via beta
"""


def test_packages_come_with_what_they_need_and_nothing_else() -> None:
    assert re.findall(r"^(\w+)", locked_requirements(LOCK, ["alpha"]), re.M) == ["alpha", "beta", "delta"]
    assert "--hash=sha256:dd" in locked_requirements(LOCK, ["alpha"])


def test_a_package_that_is_not_locked_is_named() -> None:
    with pytest.raises(UserError, match=r"worker_packages\.txt: epsilon is not in requirements\.lock"):
        locked_requirements(LOCK, ["alpha", "epsilon"])


def test_our_files_are_the_programs_and_its_data() -> None:
    names = {path.relative_to(ROOT).as_posix() for path in our_files()}
    assert {"infra/worker/__main__.py", "sql/queries/canary.sql", "configs/attributes.yaml"} <= names
    assert not [name for name in names if name.startswith("infra/local/") or "__pycache__" in name]
    assert all(name.endswith((".py", ".sql", ".yaml")) for name in names), "no file of a machine's own"


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three packages, one with native code, and one program of ours."""
    wanted = {"packages": ["jinja2", "psutil"], "programs": ["infra.worker.loop"]}
    monkeypatch.setattr(image_layer, "contents", lambda: wanted)


@pytest.mark.usefixtures("small")
def test_the_contents_hash_follows_the_base_and_every_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(image_layer, "ROOT", tmp_path)
    file = tmp_path / "infra" / "worker" / "loop.py"
    file.parent.mkdir(parents=True)
    file.write_text("a = 1")
    monkeypatch.setattr(image_layer, "our_files", lambda: [file])
    before = content_hash("python:3.11")
    assert content_hash("python:3.11") == before
    assert content_hash("python:3.12") != before
    assert content_hash("python:3.11", "amd64") != before
    file.write_text("a = 2")
    assert content_hash("python:3.11") != before


@pytest.mark.usefixtures("small")
def test_the_layer_is_the_same_whoever_builds_it_and_when(tmp_path: Path) -> None:
    packages = tmp_path / "packages"
    (packages / "one").mkdir(parents=True)
    (packages / "one" / "a.py").write_text("a = 1")
    (packages / "one" / "RECORD").write_text("differs from build to build")
    write_layer(tmp_path / "first.tar", {**installed(packages), **our_entries()}, [KEYS_FOLDER])
    (packages / "one" / "a.py").touch()
    (packages / "one" / "RECORD").write_text("as said")
    write_layer(tmp_path / "second.tar", {**our_entries(), **installed(packages)}, [KEYS_FOLDER])
    assert (tmp_path / "first.tar").read_bytes() == (tmp_path / "second.tar").read_bytes()
    with tarfile.open(tmp_path / "first.tar") as layer:
        entries = {entry.name: entry for entry in layer}
    assert entries["app/site-packages/one/a.py"].mode == 0o644
    assert (entries["keys"].uid, entries["keys"].mode, entries["keys"].isdir()) == (10001, 0o755, True)
    assert entries["app/infra/worker/loop.py"].uid == 0
    assert "app/infra/worker/__main__.py" not in entries
    assert {entry.mtime for entry in entries.values()} == {0}


@pytest.fixture
def crane(tmp_path: Path) -> Crane:
    folder = tmp_path / "docker"
    folder.mkdir()
    return Crane(ensure(["crane"]).crane, folder)


@pytest.fixture
def host(crane: Crane, tmp_path: Path) -> Iterator[str]:
    with registry_server(crane.program, tmp_path) as found:
        yield found


# ELF's machine field: 183 is AArch64, 62 is x86-64.
@pytest.mark.parametrize(("architecture", "machine"), [("arm64", 183), ("amd64", 62)])
@pytest.mark.usefixtures("small")
def test_a_registry_takes_the_image_and_gives_it_back(
    crane: Crane, host: str, tmp_path: Path, architecture: str, machine: int
) -> None:
    base = make_base(crane, f"{host}/base:1", tmp_path, architecture)
    repository = f"{host}/agent-telemetry/worker"
    content = content_hash(base, architecture)
    digest = push(crane, repository, base, content, architecture)

    pulled = f"{repository}@{digest}"
    assert crane("digest", f"{repository}:{content[:32]}") == digest
    config = json.loads(crane("config", pulled))
    assert (config["os"], config["architecture"]) == ("linux", architecture)
    start = config["config"]
    assert start["Entrypoint"] == ["python"] and start["User"] == "10001:10001" and start["WorkingDir"] == "/app"
    assert start["Volumes"] == {"/keys": {}, "/tmp": {}}
    assert "PATH=/usr/local/bin:/usr/bin" in start["Env"] and "PYTHONPATH=/app:/app/site-packages" in start["Env"]
    crane("validate", "--remote", pulled)

    export = tmp_path / "files.tar"
    crane("export", pulled, str(export))
    with tarfile.open(export) as files:
        names = files.getnames()
        assert {"etc/base", "app/infra/worker/loop.py", "app/site-packages/jinja2/__init__.py"} <= set(names)
        native = next(name for name in names if re.search(r"psutil/.*\.so$", name))
        program = files.extractfile(native)
        assert program
        assert int.from_bytes(program.read(20)[18:20], "little") == machine


@pytest.mark.usefixtures("small")
def test_what_is_there_is_not_built_again(
    crane: Crane, host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = make_base(crane, f"{host}/base:1", tmp_path, "arm64")
    content = content_hash(base)
    first = push(crane, f"{host}/worker", base, content)

    def built(*_: object) -> None:
        raise AssertionError("built again")

    monkeypatch.setattr(image, "install_packages", built)
    assert push(crane, f"{host}/worker", base, content) == first


@pytest.mark.usefixtures("small")
def test_a_base_for_another_machine_is_refused(crane: Crane, host: str, tmp_path: Path) -> None:
    base = make_base(crane, f"{host}/base:1", tmp_path, "amd64")
    with pytest.raises(UserError, match=r"amd64|arm64"):
        push(crane, f"{host}/worker", base, content_hash(base))


def test_ecrs_password_reaches_crane_by_stdin_and_stays_in_its_own_folder(
    crane: Crane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    client = boto3.client("ecr", region_name="eu-west-1")
    regions: list[str] = []
    monkeypatch.setattr("infra.aws.api.client", lambda _, region: regions.append(region) or client)
    token = base64.b64encode(b"AWS:canary-password").decode()
    started: list[list[str]] = []
    original = subprocess.run

    def noted(command: list[str], **options: Any) -> Any:
        started.append(command)
        return original(command, **options)

    monkeypatch.setattr(image.subprocess, "run", noted)
    ecr = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
    with Stubber(client) as stub:
        stub.add_response("get_authorization_token", {"authorizationData": [{"authorizationToken": token}]}, {})
        sign_in(crane, f"{ecr}/team/worker")
    assert regions == ["eu-west-1"]
    assert "canary-password" not in str(started)
    kept = json.loads((crane.folder / "config.json").read_text())["auths"]
    assert kept == {ecr: {"auth": token}}


def test_only_an_ecr_repository_is_signed_in_to(crane: Crane) -> None:
    with pytest.raises(UserError, match=r"workerImageRepository: docker\.io/me/worker is no ECR repository"):
        sign_in(crane, "docker.io/me/worker")


def test_the_base_names_a_python_that_the_lock_was_made_for() -> None:
    assert base_python() == "3.11"
    assert image_reference("worker-base-image").startswith("public.ecr.aws/docker/library/python:3.11")
    assert configured({"Env": ["LANG=C"]})["Env"][0] == "LANG=C"
