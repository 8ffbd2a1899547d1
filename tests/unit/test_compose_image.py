"""The Dockerfile as BuildKit reads it: its bases are the pinned ones, its copies exist, its packages are enough."""

from __future__ import annotations

import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from infra.aws.image_files import walk
from infra.aws.image_layer import LOCK, locked_requirements, package_names
from infra.paths import CONFIGS, ROOT
from tests.compose_project import RefusedError, dockerfile, load

LISTS = ("worker_packages.txt", "compose/packages.txt")
PROGRAMS = ("infra.compose.__main__", "infra.worker.__main__")


def test_the_dockerfile_s_bases_are_the_arguments_that_the_services_give() -> None:
    services = load()["services"]
    given = {arg for service in services.values() for arg in service.get("build", {}).get("args", {})}
    found = dockerfile()
    assert {stage["base"].strip("${}") for stage in found["stages"]} == given == set(found["arguments"])
    names = {stage["name"] for stage in found["stages"]}
    for name, service in services.items():
        assert "build" not in service or service["build"]["target"] in names, name


def test_buildkit_refuses_what_is_wrong_with_a_dockerfile(tmp_path: Path) -> None:
    text = (ROOT / "Dockerfile").read_text()
    for before, after, said in (
        ("USER 10001:10001", "USSER 10001:10001", "USSER"),
        ("${UV_IMAGE} AS uv", "${UV_IMAGE} as uv", "FromAsCasing"),
        ("--mount=from=uv", "--mounts=from=uv", "mounts"),
    ):
        assert before in text
        (tmp_path / "Dockerfile").write_text(text.replace(before, after))
        with pytest.raises(RefusedError, match=said):
            dockerfile(tmp_path / "Dockerfile")


def test_the_dockerfile_copies_only_what_the_context_has() -> None:
    shown = [line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"]
    copied = [step for stage in dockerfile()["stages"] for step in stage["steps"] if step["kind"] == "COPY"]
    sources = {source for step in copied if "from" not in step for source in step["sources"]}
    assert len(sources) > 5
    for source in sources:
        assert (ROOT / source).exists() and source.split("/")[0] in shown, source


def test_our_own_images_don_t_run_as_root() -> None:
    (program,) = [stage for stage in dockerfile()["stages"] if stage["name"] == "program"]
    assert [step["command"] for step in program["steps"] if step["kind"] == "USER"] == ["10001:10001"]


def test_every_import_of_its_programs_is_in_the_image() -> None:
    named = [name for file in LISTS for name in package_names((CONFIGS / file).read_text())]
    locked = locked_requirements(LOCK.read_text(), named)
    held = {re.sub(r"[-_.]+", "-", name) for name in re.findall(r"^([a-z0-9._-]+?)(?:\[.*\])?==", locked, re.M)}
    owners = packages_distributions()
    foreign = walk(ROOT, PROGRAMS).foreign - set(sys.stdlib_module_names)
    assert {"pulumi", "grafana_foundation_sdk", "psutil"} <= foreign
    missing = {
        module
        for module in foreign
        if not any(re.sub(r"[-_.]+", "-", owner.lower()) in held for owner in owners.get(module, []))
    }
    assert not missing
