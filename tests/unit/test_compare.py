"""`telemetry compare`: what two trees declare, side by side, without an engine, a state or credentials."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from infra.comment.markdown import is_silent
from infra.config import PROJECT
from infra.paths import ROOT
from tests.stack import copy_of_the_tree

pytestmark = [pytest.mark.timeout(600), pytest.mark.xdist_group("compare")]
CREDENTIAL = "AKIACANARYCANARY0000"


def compare(tree: Path, base: Path, stack: str = "dev", check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run in `tree` as a workflow does, with credentials around that it must not use."""
    environment = {**os.environ, "PYTHONPATH": str(tree), "AWS_ACCESS_KEY_ID": CREDENTIAL, "COLUMNS": "200"}
    done = subprocess.run(
        [sys.executable, "-m", "infra.cli", "compare", str(base), "--name", stack],
        cwd=tree,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Path]:
    """A checkout to change."""
    (tmp_path / "tree").mkdir()
    made = copy_of_the_tree(tmp_path / "tree")
    for name in ("Pulumi.dev.yaml", "Pulumi.prod.yaml", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, made)
    shutil.copytree(ROOT / "policy", made / "policy", ignore=shutil.ignore_patterns("__pycache__"))
    yield made


def set_(tree: Path, stack: str, **values: object) -> None:
    file = tree / f"Pulumi.{stack}.yaml"
    content = yaml.safe_load(file.read_text())
    content["config"] |= {f"{PROJECT}:{key}": value for key, value in values.items()}
    file.write_text(yaml.safe_dump(content))


def test_the_same_tree_has_nothing_to_say(tree: Path) -> None:
    assert is_silent(compare(tree, ROOT).stdout)


def test_a_change_is_told_by_its_effects(tree: Path) -> None:
    set_(tree, "dev", retentionRawDays=21, collectorMaxTasks=3)
    number = 1 + len(list((tree / "sql" / "migrations").glob("*.sql")))
    (tree / "sql" / "migrations" / f"{number:04d}_more.sql").write_text(
        "-- More.\n-- kind: rewrite\nALTER TABLE {{ database }}.spans_raw UPDATE status_message = '' WHERE 1;\n"
    )
    query = tree / "sql" / "queries" / "dashboards" / "overview_latency.sql"
    query.write_text(query.read_text() + "-- another line\n")
    text = compare(tree, ROOT).stdout
    assert "Compared with the base branch; not with what is deployed." in text
    assert "**table spans_raw** keeps its rows for 21 days instead of 30 days" in text
    assert f"{number:04d}_more</code>: rewrites stored rows" in text and "UPDATE status_message = ''" in text
    assert "+-- another line" in text and "dashboard changed: Agents: overview" in text
    assert "`collector-scaling` (appautoscaling.Target)\n    - `maxCapacity`: `2` → `3`" in text
    assert CREDENTIAL not in text


def test_an_edited_past_migration_is_refused_in_the_verdict(tree: Path) -> None:
    first = sorted((tree / "sql" / "migrations").glob("*.sql"))[0]
    first.write_text(first.read_text().replace("PARTITION BY toDate", "PARTITION BY toYYYYMM"))
    text = compare(tree, ROOT, "prod").stdout
    assert "1 migration of the past edited, an `up` refuses that" in text
    assert f"migration `{first.stem}` was edited" in text


def test_policies_are_asked_of_what_the_tree_declares(tree: Path) -> None:
    set_(tree, "prod", protect=False)
    text = compare(tree, ROOT, "prod").stdout
    assert "1 policy refuses this" in text.splitlines()[1]
    assert ":no_entry: policy `protected` on `load-balancer`: ELB.6: not protected" in text
    set_(tree, "dev", expiresAt="2026-11-30T18:00:00Z", clickhouseInstanceType="m7g.16xlarge")
    text = compare(tree, ROOT, "dev").stdout
    assert ":warning: policy `ephemeral-ceilings` on `clickhouse-1`" in text and "m7g.16xlarge" in text
    # With a written reason it is let through; the reasons are the tree's own.
    policies = tree / "configs" / "policy.yaml"
    content = yaml.safe_load(policies.read_text())
    entry = {
        "control": "ephemeral-sizes",
        "resource": "*",
        "stack": "dev",
        "reason": "a load test that needs all of it",
    }
    policies.write_text(yaml.safe_dump({**content, "exemptions": [*(content["exemptions"] or []), entry]}))
    assert "policy `" not in compare(tree, ROOT, "dev").stdout


def test_wrong_settings_are_told_with_their_tree(tree: Path) -> None:
    set_(tree, "dev", kafkaReplication=9)
    done = compare(tree, ROOT, check=False)
    assert done.returncode == 1 and "kafkaReplication" in done.stderr and "Traceback" not in done.stderr


def test_what_is_no_checkout_is_refused(tmp_path: Path) -> None:
    done = compare(ROOT, tmp_path, check=False)
    assert done.returncode == 1 and "is no checkout of this repository" in done.stderr
