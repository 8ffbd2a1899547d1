"""An engine filled with all that dashboards show: the recorded workload, and what the pipeline's other parts write."""

from __future__ import annotations

import json

from infra.postdeploy.prices import price_rows
from tests.pipeline.schema_engine import SchemaEngine
from tests.workload import log_requests, requests

SPANS, HOURS = 4000, 6.0


def fill(engine: SchemaEngine, keeper: str) -> None:
    """Sends the workload; the content of the tenant `keeper` is kept."""
    engine.query(
        f"INSERT INTO telemetry.tenants (tenant_id, retention_days, keep_content) VALUES ('{keeper}', 0, true)"
    )
    engine.query(
        "INSERT INTO telemetry.model_prices (* EXCEPT (removed, loaded_at)) FORMAT JSONEachRow "
        + " ".join(price_rows().values())
    )
    engine.query("SYSTEM RELOAD DICTIONARIES")
    for body in requests(SPANS, hours=HOURS):
        engine.send(body)
    for body in log_requests(SPANS, hours=HOURS):
        engine.send(body, "events")
    row = json.dumps(
        {"rows": [{"name": "spans", "expected": 3, "found": 2, "difference": 1, "detail": "otel-spans/0"}]}
    )
    engine.query(
        "INSERT INTO telemetry.worker_results (step, ok, value, detail_json) VALUES "
        f"('canary', true, 1.25, '{{}}'), ('recompute', true, 3, '{{}}'), ('audit', false, 1, '{row}')"
    )
    engine.query(
        "INSERT INTO telemetry.dead_letters VALUES ('otel-spans', 0, 99, now64(3), now64(3), 'broken', unhex('ff41'))"
    )


def telling_trace(engine: SchemaEngine) -> str:
    """One with a model call, an event, a log record and kept content."""
    return engine.one(
        "SELECT lower(hex(trace_id)) AS id FROM telemetry.spans_raw WHERE is_inference AND trace_id IN "
        "(SELECT trace_id FROM telemetry.events_raw WHERE source = 'log') AND trace_id IN "
        "(SELECT trace_id FROM telemetry.events_raw WHERE source = 'span') AND trace_id IN "
        "(SELECT trace_id FROM telemetry.content) ORDER BY id LIMIT 1"
    )["id"]
