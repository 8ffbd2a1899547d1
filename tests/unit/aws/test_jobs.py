"""Scheduled jobs: who may start them, what becomes of a call that fails, and what a job's process says of its end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.aws.ecs_stack import containers, declare, statements
from tests.unit.aws.mocks import ACCOUNT, REGION


def test_the_scheduler_starts_this_task_in_this_cluster_and_nothing_else() -> None:
    made = declare()
    schedule = made.cloud.one("aws:scheduler/schedule:Schedule").inputs
    assert schedule["scheduleExpression"] == "rate(1 day)" and schedule["flexibleTimeWindow"] == {"mode": "OFF"}
    target = schedule["target"]
    assert target["deadLetterConfig"]["arn"] == f"arn:aws:sqs:{REGION}:{ACCOUNT}:jobs-missed"
    assert target["retryPolicy"] == {"maximumEventAgeInSeconds": 3600, "maximumRetryAttempts": 5}
    assert target["ecsParameters"]["networkConfiguration"]["assignPublicIp"] is False
    by_action = {json.dumps(item["Action"]): item for item in statements(made, "jobs-backup-schedule")}
    run = by_action['"ecs:RunTask"']
    assert run["Resource"] == f"arn:aws:ecs:{REGION}:{ACCOUNT}:task-definition/agent-telemetry-dev-jobs-backup:*"
    assert run["Condition"]["ArnEquals"]["ecs:cluster"]
    passed = by_action['"iam:PassRole"']
    assert len(passed["Resource"]) == 2
    assert passed["Condition"] == {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}


def test_a_job_is_a_module_of_the_workers_image() -> None:
    [job] = containers(declare(), "jobs-backup").values()
    assert job["command"] == ["-m", "infra.aws.job", "backup", "infra.aws.clickhouse.backup"]
    assert "@sha256:" in job["image"]


def run_job(tmp_path: Path, text: str) -> tuple[int, list[str]]:
    (tmp_path / "a_job.py").write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "infra.aws.job", "nightly", "a_job", "--deep"],
        env={**os.environ, "PYTHONPATH": str(tmp_path), "METRIC_NAMESPACE": "test/tasks"},
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout.splitlines()


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("import sys; print(sys.argv[1:])", 0, "['--deep']"),
        ("import sys; sys.exit(3)", 3, None),
        ("import sys; sys.exit('no room left')", 1, "no room left"),
        (
            "from infra.errors import UserError; raise UserError('backup: the bucket is gone')",
            1,
            "backup: the bucket is gone",
        ),
        ("import os; os.nothing", 1, None),
    ],
)
def test_how_a_job_ended_is_a_figure_that_its_alarms_hear(
    tmp_path: Path, text: str, code: int, said: str | None
) -> None:
    found, lines = run_job(tmp_path, text)
    figures = json.loads(lines[-1])
    assert found == code
    assert (figures["Job"], figures["JobSucceeded"], figures["JobFailed"]) == (
        "nightly",
        int(code == 0),
        int(code != 0),
    )
    assert figures["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["Job"]]
    assert said is None or said in lines
