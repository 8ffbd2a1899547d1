"""What runs by itself beside the pipeline leaves its findings in ClickHouse."""

from __future__ import annotations

import json
from typing import Any

from tests.pipeline.live import Pipeline

RESULTS = "SELECT ok, value, detail_json FROM telemetry.worker_results WHERE step = {step:String} ORDER BY at DESC"


def test_the_canary_is_sent_again_and_again_and_its_delay_recorded(proto: Pipeline) -> None:
    rows: list[dict[str, Any]] = []

    def two() -> bool:
        rows[:] = [row for row in proto.rows(RESULTS, step="canary") if row["ok"]]
        return len(rows) >= 2

    proto.until(two, "two canaries that came through")
    assert all(0 < row["value"] < 30 for row in rows)
    spans = "SELECT count() AS n FROM telemetry.spans WHERE tenant_id = 'canary'"
    assert proto.rows(spans)[0]["n"] >= len(rows)


def test_the_canary_has_a_credential_of_its_own_where_tokens_are_asked_for(json_jwt: Pipeline) -> None:
    json_jwt.until(
        lambda: any(row["ok"] for row in json_jwt.rows(RESULTS, step="canary")), "a canary that came through"
    )


def test_audit_and_recompute_are_recorded(pipeline: Pipeline) -> None:
    (audit, *_) = pipeline.wait_rows(RESULTS, step="audit")
    names = {row["name"] for row in json.loads(audit["detail_json"])["rows"]}
    assert {"offsets otel-spans/0", "dead letters"} <= names
    pipeline.wait_rows(RESULTS, step="recompute")
