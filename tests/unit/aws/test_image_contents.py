"""The worker's image holds every module that its programs import, lazily or not, and what the SQL and configs are."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from importlib.metadata import packages_distributions
from itertools import pairwise
from pathlib import Path

import pytest

from infra.aws import image_layer
from infra.aws.image_files import walk
from infra.aws.image_layer import APP, LOCK, content_hash, contents, locked_requirements, our_entries, our_files
from infra.paths import ROOT
from tests.unit.aws.controls.stacks import VARIANTS, declared


def names(files: Iterable[Path], root: Path = ROOT) -> set[str]:
    return {path.relative_to(root).as_posix() for path in files}


@pytest.mark.xdist_group("controls")
def test_the_programs_are_what_the_tasks_run_and_what_their_configuration_names() -> None:
    asked: set[str] = set()
    for variant in VARIANTS:
        for _, container in declared(variant).containers():
            if container["name"] == "collector":
                continue  # another image
            words = container.get("command", [])
            asked |= {after for word, after in pairwise(words) if word == "-m"}
            text = json.dumps([words, container.get("environment", [])])
            asked |= set(re.findall(r"(infra\.[\w.]+):[A-Z]", text))
            asked |= {word for word in words if word.startswith("infra.")}
        for deployment in declared(variant).of("kubernetes:apps/v1:Deployment"):
            for side in deployment.inputs["spec"]["template"]["spec"]["initContainers"]:
                asked |= {after for word, after in pairwise(side["args"]) if word == "-m"}
    asked = {f"{module}.__main__" if module == "infra.worker" else module for module in asked}
    assert {"infra.aws.job", "infra.aws.keylist_sync", "infra.aws.pod_side", "infra.aws.access"} <= asked
    held = names(our_files())
    missing = {name for name in asked if f"{name.replace('.', '/')}.py" not in held}
    assert not missing, "configs/worker_image.yaml: programs"
    assert set(contents()["programs"]) - {"infra.worker.__main__"} <= asked, "nothing runs it any more"


IN_IT = (
    *("infra/worker/repair.py", "infra/aws/keylist_sync.py", "infra/aws/clickhouse/backup.py", "infra/errors.py"),
    *("sql/worker/recompute.sql", "sql/macros/rollups.sql", "sql/rollups/runs.sql", "configs/attributes.yaml"),
)
NOT_IN_IT = (
    *("infra/dashboards/cost.py", "infra/postdeploy/grafana.py", "infra/cli/stack.py", "infra/local/supervisor.py"),
    *("sql/migrations/0001_spans_raw.sql", "sql/queries/dashboards/cost_month.sql", "configs/clickhouse/config.xml"),
)


def test_it_holds_what_its_programs_come_to_and_nothing_else() -> None:
    held = names(our_files())
    assert set(IN_IT) <= held and not held & set(NOT_IN_IT)
    assert all((ROOT / file).is_file() for file in NOT_IN_IT)


def test_an_edit_rolls_the_worker_where_its_programs_come_to_the_file_and_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("infra", "sql", "configs"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(image_layer, "ROOT", tmp_path)
    monkeypatch.setattr(image_layer, "our_files", lambda: sorted(walk(tmp_path, wanted["programs"]).files))
    wanted = contents()
    before = content_hash("python:3.11")
    for file in ("infra/dashboards/cost.py", "infra/aws/network.py"):
        (tmp_path / file).write_text("# an edit")
        assert content_hash("python:3.11") == before, file
    for file in ("infra/worker/loop.py", "sql/macros/rollups.sql"):
        with (tmp_path / file).open("a") as edited:
            edited.write("\n")
        now = content_hash("python:3.11")
        assert now != before, file
        before = now


def test_a_new_import_and_a_new_statement_come_along(tmp_path: Path) -> None:
    made = {
        "infra/__init__.py": "",
        "infra/run.py": "def late():\n    from infra.tools import hammer\n    return hammer\n",
        "infra/tools/__init__.py": "from infra.paths import CONFIGS, SQL\n",
        "infra/tools/hammer.py": 'A = text("one/first")\nB = SQL / "two" / f"{A}.sql"\nC = CONFIGS / "c.yaml"\nD = f"three/{A}"\n',
        "infra/tools/saw.py": "",
        "sql/one/first.sql": '{% from "macros/m.sql" import m %}',
        "sql/one/second.sql": "",
        "sql/two/third.sql": "",
        "sql/three/deep/fourth.sql": "",
        "sql/macros/m.sql": '{% include "configs/c2.yaml" %}',
        "sql/macros/other.sql": "",
        "configs/c.yaml": "",
        "configs/c2.yaml": "",
        "configs/c3.yaml": "",
    }
    for name, text in made.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    left = {"infra/tools/saw.py", "sql/one/second.sql", "sql/macros/other.sql", "configs/c3.yaml"}
    assert names(walk(tmp_path, ["infra.run"]).files, tmp_path) == made.keys() - left


def test_its_programs_run_with_these_files_alone(tmp_path: Path) -> None:
    for name, file in our_entries().items():
        place = tmp_path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, place)
    app = tmp_path / APP
    modules = [module for module in contents()["programs"]]
    code = f"import importlib, infra; [importlib.import_module(name) for name in {modules!r}]; print(infra.__file__)"
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(app)}
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=app, env=environment, capture_output=True, text=True, timeout=120
    )
    assert loaded.returncode == 0, loaded.stderr
    assert loaded.stdout.strip() == str(app / "infra" / "__init__.py")


def test_every_import_of_the_images_programs_is_in_the_image() -> None:
    foreign = walk(ROOT, contents()["programs"]).foreign - set(sys.stdlib_module_names)
    locked = locked_requirements(LOCK.read_text(), contents()["packages"])
    held = {re.sub(r"[-_.]+", "-", name) for name in re.findall(r"^([a-z0-9._-]+?)(?:\[.*\])?==", locked, re.M)}
    owners = packages_distributions()
    missing = {
        module
        for module in foreign
        if not any(re.sub(r"[-_.]+", "-", owner.lower()) in held for owner in owners.get(module, []))
    }
    assert not missing


def test_what_only_other_machines_need_is_not_in_it() -> None:
    locked = locked_requirements(LOCK.read_text(), contents()["packages"])
    held = set(re.findall(r"^([a-z0-9._-]+)", locked, re.M))
    assert not held & {
        "chdb-core",
        "supervisor",
        "starlette",
        "pytest",
        "ruff",
        "pyright",
        "pulumi-aws",
        "pyarrow",
        "moto",
    }
    assert {"botocore", "urllib3", "grpcio", "protobuf"} <= held
