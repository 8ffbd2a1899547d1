"""An engine filled with all that dashboards show: the recorded workload, and what the pipeline's other parts write."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from infra.postdeploy.price_scenarios import scenario_rows
from infra.postdeploy.prices import price_rows
from tests.pipeline.schema_engine import SchemaEngine
from tests.workload import default_start, log_requests, requests

SPANS, HOURS = 4000, 6.0
SCENARIO = "one size smaller"
"""Of configs/price_scenarios.yaml."""


def fill(engine: SchemaEngine, keeper: str) -> None:
    """Sends the workload; the content of the tenant `keeper` is kept."""
    began = datetime.now(UTC)
    engine.query(
        f"INSERT INTO telemetry.tenants (tenant_id, retention_days, keep_content) VALUES ('{keeper}', 0, true)"
    )
    engine.query(
        "INSERT INTO telemetry.model_prices (* EXCEPT (removed, loaded_at)) FORMAT JSONEachRow "
        + " ".join(price_rows().values())
    )
    engine.query(
        "INSERT INTO telemetry.price_scenarios (* EXCEPT (removed, loaded_at)) FORMAT JSONEachRow "
        + " ".join(scenario_rows().values())
    )
    engine.query("SYSTEM RELOAD DICTIONARIES")
    for body in requests(SPANS, hours=HOURS):
        engine.send(body)
    for body in log_requests(SPANS, hours=HOURS):
        engine.send(body, "events")
    # Both afterwards: where the messages begin is known then.
    sample(engine, began, 0)
    sample(engine, datetime.now(UTC), 1)
    engine.query(
        "INSERT INTO telemetry.stack_costs (part, usd_a_month, usd_a_million_spans, reading) VALUES "
        "('kafka', 300, 0, 'list prices'), ('network', 40, 0.5, 'list prices')"
    )
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
    cross_budgets(engine)


def cross_budgets(engine: SchemaEngine) -> None:
    """What the worker writes of budgets: within the workload's hours one that was told of, and of now one that is open."""
    for at in (default_start() + timedelta(hours=HOURS, minutes=-5), datetime.now(UTC)):
        moment = f"fromUnixTimestamp64Milli({int(at.timestamp() * 1000)})"
        run = f"{int(at.timestamp()):032x}"
        engine.query(
            f"INSERT INTO telemetry.budget_usage SELECT {moment}, 'expensive run', 'spend_usd', 'run', 'run', 'acme', '{run}', "
            "12, 10, 40, 4"
        )
        engine.query(
            f"INSERT INTO telemetry.budget_events SELECT {moment}, 'e{run}', '{run}', 'crossed', 1, 'expensive run', 'spend_usd', "
            f"'run', 'acme', '{run}', 12, 10, 40, 4, true, {moment} + 3600, '{{}}'"
        )
        engine.query(
            f"INSERT INTO telemetry.budget_deliveries SELECT {moment} + 2, 'e{run}', 'delivered', 204, 0.1, ''"
        )


def sample(engine: SchemaEngine, at: datetime, share: int) -> None:
    """What the worker samples before (share 0) and after (share 1) all messages came."""
    moment = f"fromUnixTimestamp64Milli({int(at.timestamp() * 1000)})"
    for signal, topic in (("traces", "otel-spans"), ("logs", "otel-events")):
        counted = engine.one(
            f"SELECT sum(spans) AS records, min(offset) AS first, max(offset) + 1 AS next FROM telemetry.ingest_ledger "
            f"WHERE topic = '{topic}'"
        )
        records, end = share * int(counted["records"]), int(counted["next" if share else "first"])
        engine.query(
            f"INSERT INTO telemetry.collector_samples SELECT {moment}, 'task', 'a', now64(3) - 3600, '{signal}', "
            f"{records}, {share * 7}, {records}, 0, 100, 1000, 70000000"
        )
        engine.query(f"INSERT INTO telemetry.kafka_samples SELECT {moment}, '{topic}', 0, 'g', 0, {end}, {end}")


def telling_trace(engine: SchemaEngine) -> str:
    """One with a model call, an event, a log record and kept content."""
    return engine.one(
        "SELECT lower(hex(trace_id)) AS id FROM telemetry.spans_raw WHERE is_inference AND trace_id IN "
        "(SELECT trace_id FROM telemetry.events_raw WHERE source = 'log') AND trace_id IN "
        "(SELECT trace_id FROM telemetry.events_raw WHERE source = 'span') AND trace_id IN "
        "(SELECT trace_id FROM telemetry.content) ORDER BY id LIMIT 1"
    )["id"]
