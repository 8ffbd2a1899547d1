"""Repairs: what came twice is counted once again, for every figure, without a moment in which a figure is missing."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

from clickhouse_connect.driver.client import Client

from infra.worker.keys import Key
from infra.worker.redelivered import COMMIT_MS, find
from infra.worker.repair import raw_retention, repair
from infra.worker.statements import server_ms
from infra.worker.steps import Recompute
from infra.worker.tidy import tidy
from tests.pipeline.clickhouse_front import Front
from tests.pipeline.worker_front import client_of_empty_tables, front_with_the_schema  # noqa: F401
from tests.pipeline.worker_world import (
    again,
    client_of,
    deliver,
    expected,
    insert_into,
    make_spans,
    rows,
    shown,
)


def an_hour_ago() -> datetime:
    return datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(hours=1)


def recompute(client: Client) -> list[Key]:
    """One pass of the worker over everything that arrived in the last minutes."""
    repaired: list[Key] = []
    now = server_ms(client)
    for keys, _ in find(client, now - 600_000, now + 1):
        repaired += repair(client, keys).repaired
    return repaired


def test_the_views_alone_are_right_while_nothing_comes_twice(client: Client):
    spans = make_spans(2_000, 5, an_hour_ago())
    deliver(client, spans)
    assert shown(client) == expected(spans)
    assert recompute(client) == []


def test_a_message_that_comes_twice_is_counted_once_after_one_pass(client: Client):
    spans = make_spans(2_000, 5, an_hour_ago())
    deliver(client, spans)
    deliver(client, again(spans[500:900]))
    assert shown(client) != expected(spans)
    recompute(client)
    assert shown(client) == expected(spans)


def test_a_span_sent_again_hours_later_in_another_message_is_counted_once(client: Client):
    spans = make_spans(500, 3, an_hour_ago(), ingested=datetime.now(UTC) - timedelta(hours=6))
    deliver(client, spans)
    late = make_spans(500, 3, an_hour_ago(), seed=2)
    deliver(client, [*again(spans[10:12]), *late])
    recompute(client)
    assert shown(client) == expected([*spans, *late])


def test_a_repeat_inside_one_insert_is_found(client: Client):
    spans = make_spans(300, 2, an_hour_ago())
    deliver(client, [*spans, *spans[:50]])
    recompute(client)
    assert shown(client) == expected(spans)


def test_a_message_whose_first_arrival_failed_between_two_views_is_repaired(client: Client):
    spans = make_spans(300, 2, an_hour_ago())
    # The first arrival reached the rollups and the ledger, then the server died; the second one is whole.
    deliver(client, spans)
    for table in ("spans_raw", "span_keys"):
        client.command(f"TRUNCATE TABLE telemetry.{table}")
    deliver(client, again(spans))
    recompute(client)
    assert shown(client) == expected(spans)


def test_spans_that_come_after_a_repair_show_up_with_the_next_pass(client: Client):
    spans = make_spans(400, 1, an_hour_ago(), tenants=["acme"])
    deliver(client, [*spans[:200], *spans[:10]])
    assert recompute(client) == [spans[0].key]
    deliver(client, again(spans[200:]))
    recompute(client)
    assert shown(client) == expected(spans)


def test_a_row_that_was_stored_late_but_read_before_the_repair_is_not_forgotten(client: Client):
    spans = make_spans(400, 1, an_hour_ago(), tenants=["acme"])
    deliver(client, [*spans[:200], *spans[:10]])
    recompute(client)
    # As if the repair had been made while this block, read shortly before it, was still being stored.
    pointer = "SELECT tenant_id, minute, generation FROM telemetry.rollup_generations FINAL"
    tenant, minute, generation = rows(client, pointer)[0]
    before = server_ms(client) - COMMIT_MS - 1_000
    client.insert(
        "telemetry.rollup_generations",
        [[tenant, minute, generation + 1, datetime.fromtimestamp(before / 1000, UTC)]],
        column_names=["tenant_id", "minute", "generation", "computed_at"],
    )
    for table in ("spans_minute_data", "cost_minute_data", "tools_minute_data", "runs_data"):
        client.command(
            f"INSERT INTO telemetry.{table} SELECT * REPLACE (generation + 1 AS generation) FROM telemetry.{table} "
            f"WHERE generation = {generation}"
        )
    stamped = datetime.fromtimestamp(before / 1000 - 5, UTC)
    deliver(client, [span.__class__(**{**vars(span), "ingested": stamped}) for span in spans[200:]])
    recompute(client)
    assert shown(client) == expected(spans)


def test_repairing_again_changes_nothing(client: Client):
    spans = make_spans(2_000, 5, an_hour_ago())
    deliver(client, [*spans, *spans[:100]])
    keys = set(expected(spans))
    assert set(repair(client, keys).repaired) == keys
    assert set(repair(client, keys).repaired) == keys
    assert shown(client) == expected(spans)


def test_two_workers_at_once_do_no_harm(client: Client, front: Front):
    spans = make_spans(3_000, 5, an_hour_ago())
    deliver(client, [*spans, *spans[:500]])
    keys = set(expected(spans))

    def work() -> None:
        with client_of(front.port) as own:
            for _ in range(3):
                repair(own, keys)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert shown(client) == expected(spans)


def test_a_minute_whose_raw_may_be_deleted_is_refused_and_keeps_its_figures(client: Client):
    old = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(days=2)
    spans = make_spans(200, 2, old, tenants=["short", "acme"])
    deliver(client, spans)
    assert raw_retention(client).default_days == 180
    client.command("TRUNCATE TABLE telemetry.spans_raw")
    result = repair(client, expected(spans))
    assert {key.tenant_id for key in result.expired} == {"short"}
    assert {key.tenant_id for key in result.thinner} == {"acme"}
    assert result.repaired == []
    assert shown(client) == expected(spans)


def test_a_minute_of_which_raw_has_lost_traces_keeps_its_figures(client: Client):
    spans = make_spans(200, 1, an_hour_ago(), tenants=["acme"])
    deliver(client, spans)
    client.command("TRUNCATE TABLE telemetry.spans_raw")
    insert_into(client, "spans_raw", spans[:100])
    assert repair(client, expected(spans)).thinner == list(expected(spans))
    assert shown(client) == expected(spans)


def test_the_loops_step_begins_where_the_last_recorded_pass_ended(client: Client):
    hours_ago = datetime.now(UTC) - timedelta(hours=3)
    spans = make_spans(300, 2, an_hour_ago(), ingested=hours_ago)
    deliver(client, [*spans, *spans[:30]])
    first = Recompute()
    assert first(client).value == len(expected(spans))
    assert shown(client) == expected(spans)
    assert first(client).value == 0


def test_superseded_generations_are_deleted_and_no_figure_changes(client: Client):
    spans = make_spans(1_000, 3, an_hour_ago())
    deliver(client, [*spans, *spans[:100]])
    for _ in range(3):
        repair(client, expected(spans))
    assert tidy(client) == 0
    assert tidy(client, age_seconds=-1) > 0
    assert shown(client) == expected(spans)
    generations = (
        "SELECT max(n) FROM (SELECT uniqExact(generation) AS n FROM telemetry.runs_data GROUP BY tenant_id, minute)"
    )
    assert rows(client, generations)[0][0] == 1
