"""A tenant's days of retention through a whole stack: the recorded workload, a changed setting, `telemetry retention`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from infra import otlp
from tests import workload
from tests.oracle import Oracle
from tests.pipeline.figures import expected, shown, unequal
from tests.pipeline.live import Pipeline, differences, running

SPANS = 4_000
COUNTED = """
SELECT tenant_id, retention_days AS stamp, countIf(start_ts > {young:DateTime64}) AS young, countIf(start_ts <= {young:DateTime64}) AS old
FROM telemetry.spans GROUP BY ALL ORDER BY tenant_id
"""


@pytest.fixture(scope="module")
def pipeline() -> Iterator[Pipeline]:
    """A stack of its own: its settings change. The worker does at once what it is there for."""
    with running(collectorAuth="none", workerRecomputeSeconds=1, workerAuditSeconds=3600) as made:
        yield made


def test_a_shorter_setting_reaches_what_is_stored_when_it_is_applied(pipeline: Pipeline) -> None:
    start = workload.default_start()
    days = [workload.recorded(SPANS, 11, start), workload.recorded(SPANS, 12, start - timedelta(days=7))]
    bodies = [item.body for requests in days for item in requests if item.signal == "traces"]
    for requests in days:
        for item in requests:
            signal: Any = item.signal
            otlp.send(pipeline.stack.otlp.http_url, item.body, signal)
    oracle = Oracle(bodies)
    young = start - timedelta(days=1)
    tenants = {row.tenant_id for row in oracle.spans}
    tenant = max(tenants, key=lambda name: sum(row.tenant_id == name for row in oracle.spans))
    count = "SELECT count() AS n FROM telemetry.spans WHERE tenant_id IN {t:Array(String)}"
    pipeline.until(lambda: pipeline.rows(count, t=sorted(tenants))[0]["n"] == 2 * SPANS, "all spans", 60)
    pipeline.until(lambda: pipeline.lag() == 0, "lag 0")
    before = counted(pipeline, young)
    assert {stamp for stamp, *_ in before.values()} == {0} and min(before[tenant][1:]) > 100

    pipeline.stack.configure(tenantRetentionDays={tenant: 4})
    refused = pipeline.stack.telemetry("retention", "apply", tenant, "--yes", check=False)
    assert refused.returncode == 1 and "telemetry up" in refused.stderr
    pipeline.stack.telemetry("up")
    (of_tenant,) = json.loads(pipeline.stack.telemetry("retention", "show", tenant, "--json").stdout)["tenants"]
    (stored,) = of_tenant["stored"]
    assert (of_tenant["days"], stored["stamped_days"], stored["differs"]) == (4, 0, True)
    asking = pipeline.stack.telemetry("retention", "apply", tenant, check=False)
    assert asking.returncode == 1 and "--yes" in asking.stderr, "nobody can be asked"
    assert counted(pipeline, young) == before

    told = json.loads(pipeline.stack.telemetry("retention", "apply", tenant, "--yes", "--json").stdout)
    of_spans = next(item for item in told["work"] if item["table"] == "spans_raw")
    assert told["rewritten"] and (of_spans["rows"], of_spans["past"]) == (sum(before[tenant][1:]), before[tenant][2])
    assert counted(pipeline, young) == before | {tenant: (4, before[tenant][1], 0)}
    events = "SELECT groupUniqArray(retention_days) AS stamps FROM telemetry.events_raw WHERE tenant_id = {t:String}"
    assert pipeline.rows(events, t=tenant)[0]["stamps"] == [4]

    # What was summed up of the deleted rows stays, and nobody takes them for lost.
    report = pipeline.audit()
    assert report.ok, differences(report)
    assert pipeline.stack.telemetry("backfill", "--from", f"{start - timedelta(days=8):%Y-%m-%d}").returncode == 0
    assert pipeline.stack.telemetry("audit", check=False).returncode == 0
    found, wanted = shown(pipeline, tenants), expected(oracle)
    assert unequal(found | {"spans": {}}, wanted | {"spans": {}}) == {} and found["spans"] != wanted["spans"]


def counted(pipeline: Pipeline, young: object) -> dict[str, tuple[int, int, int]]:
    """Each tenant's stamp, its young spans and its old ones; the canary's apart."""
    found = pipeline.rows(COUNTED, young=young)
    return {
        row["tenant_id"]: (row["stamp"], row["young"], row["old"]) for row in found if row["old"] or row["young"] > 50
    }
