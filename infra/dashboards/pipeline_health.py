"""Pipeline health: whether what was sent is stored, how late, at what price, and what could not be read."""

from __future__ import annotations

from typing import Any

from infra.dashboards.page import drill, page
from infra.dashboards.panels import BYTES, COUNT, DAYS, SECONDS, SHARE, USD, Steps, figure, grid, line

VARIABLES = ("environment", "tenant", "service", "agent")
NONE_DEAD = "None: all messages could be read."


def pipeline_health(prefix: str) -> dict[str, Any]:
    """The dashboard's JSON."""
    tenant = drill(prefix, "cost", ("environment",), {"tenant": "tenant"}, "What its agents cost")
    none: Steps = {0: "green", 1: "red"}
    return page(
        prefix,
        "health",
        "Agents: pipeline health",
        "Whether all that agents sent is stored, how late, and what the pipeline itself costs.",
        VARIABLES,
        [
            (
                "Right now",
                [
                    figure(
                        "Last arrival",
                        "Time since ClickHouse stored anything.",
                        "overview_live",
                        "seconds",
                        SECONDS,
                        4,
                        {0: "green", 60: "orange", 300: "red"},
                    ),
                    figure(
                        "Waiting in Kafka",
                        "Messages that Kafka has and ClickHouse has not read, at the newest sample.",
                        "health_totals",
                        "waiting",
                        COUNT,
                        4,
                        {0: "green", 100: "orange", 10_000: "red"},
                    ),
                    figure(
                        "Canary",
                        "What the worker's newest trace took until it could be read.",
                        "health_canary_newest",
                        "seconds",
                        SECONDS,
                        4,
                        {0: "green", 10: "orange", 60: "red"},
                    ),
                    figure(
                        "Refused",
                        "Spans and log records that the collectors answered with an error; their senders still have them.",
                        "health_totals",
                        "refused",
                        COUNT,
                        4,
                        {0: "green", 1: "orange"},
                    ),
                    figure(
                        "Dead letters",
                        "Messages that could not be parsed.",
                        "health_totals",
                        "dead_letters",
                        COUNT,
                        4,
                        none,
                    ),
                    figure(
                        "Differences",
                        "What the newest audit found missing or too much, from Kafka's offsets to the rollups.",
                        "health_totals",
                        "differences",
                        COUNT,
                        4,
                        none,
                    ),
                ],
            ),
            (
                "Loss ledger",
                [
                    grid(
                        "Hop by hop",
                        "Between the range's first and last sample. Messages are compared exactly, by their offsets; spans and "
                        "log records by counters, between which up to a second of traffic lies.",
                        "health_hops",
                        {},
                        24,
                        height=11,
                        steps={"missing": none},
                    ),
                    grid(
                        "Newest audit",
                        "What each hop should hold and what it holds, up to Kafka's own offsets (`telemetry audit`).",
                        "health_audit",
                        {},
                        16,
                        steps={"difference": none},
                    ),
                    line(
                        "Repaired minutes",
                        "Minutes computed anew after a re-delivery.",
                        "health_repairs",
                        COUNT,
                        height=9,
                    ),
                ],
            ),
            (
                "Delay",
                [
                    line(
                        "End to end",
                        "From a span's end at its agent to its row; what was sent late is late.",
                        "health_end_to_end",
                        SECONDS,
                    ),
                    line("From Kafka to a row", "From Kafka's timestamp to the row.", "health_delay", SECONDS),
                    line("Canary", "A trace of the worker's own, until it can be read.", "health_canary", SECONDS),
                ],
            ),
            (
                "Collectors",
                [
                    line(
                        "Accepted and refused a second",
                        "Spans and log records; refused: answered with an error, so that the sender tries again.",
                        "health_refused",
                        COUNT,
                    ),
                    line(
                        "Queue to Kafka",
                        "How full each collector's queue is; a full one refuses.",
                        "health_queue",
                        SHARE,
                    ),
                    line(
                        "Arrivals a second", "Spans and log records that ClickHouse stored.", "health_arrivals", COUNT
                    ),
                    grid(
                        "Collectors",
                        "Each process of the range: since when it runs, what it took and refused, its fullest queue.",
                        "health_collectors",
                        {"seconds_ago": SECONDS, "fullest_queue": SHARE, "memory": BYTES},
                        24,
                        height=6,
                        steps={"refused": {0: "green", 1: "orange"}, "not_taken_by_kafka": none},
                    ),
                ],
            ),
            (
                "Kafka and the worker",
                [
                    line(
                        "Lag by partition",
                        "Messages that Kafka has and ClickHouse has not read: the broker's end against what is committed.",
                        "health_lag",
                        COUNT,
                    ),
                    grid(
                        "Partitions",
                        "The broker's end and what ClickHouse has committed; behind: how old the newest message was when it "
                        "was stored.",
                        "health_partitions",
                        {"behind": SECONDS, "seconds_ago": SECONDS},
                        8,
                        height=8,
                        steps={"lag": {0: "green", 100: "orange", 10_000: "red"}},
                    ),
                    grid(
                        "Worker",
                        "Its steps' newest results.",
                        "health_worker",
                        {"seconds_ago": SECONDS},
                        8,
                        height=8,
                        steps={"failed_today": {0: "green", 1: "orange"}},
                    ),
                ],
            ),
            (
                "What could not be read",
                [
                    line(
                        "Dead letters a minute",
                        "Messages that could not be parsed.",
                        "health_dead_rate",
                        COUNT,
                        12,
                        nothing=NONE_DEAD,
                    ),
                    line(
                        "Unusable attributes",
                        "Spans with a value that was set to NULL or to a bound, as a share of all.",
                        "health_invalid",
                        SHARE,
                        12,
                    ),
                    grid(
                        "Dead letters",
                        "The newest, with the beginning of their raw text.",
                        "health_dead_letters",
                        {"bytes": BYTES},
                        24,
                        nothing=NONE_DEAD,
                    ),
                ],
            ),
            (
                "What it costs",
                [
                    grid(
                        "A million spans, in dollars",
                        "By part at the traffic of the time range: what is paid anyway shared out among the spans that came, and "
                        "what each million adds. Estimated from the settings and the provider's list prices; empty: not known.",
                        "health_stack_cost",
                        {"usd_a_month_now": USD, "usd_a_million_spans_now": USD},
                        24,
                        height=7,
                    ),
                    figure(
                        "A million spans, raw",
                        "Their compressed bytes in spans_raw, with all parts there are.",
                        "health_per_million",
                        "raw",
                        BYTES,
                        12,
                    ),
                    figure(
                        "A million spans, everything",
                        "Their compressed bytes in all tables: rollups, events, keys and ledger too.",
                        "health_per_million",
                        "everything",
                        BYTES,
                        12,
                    ),
                    grid(
                        "For whom",
                        "Each tenant's share of the spans, and of the cost at the traffic of the time range.",
                        "health_tenant_share",
                        {"share": SHARE, "usd_a_month": USD},
                        24,
                        {"tenant": tenant},
                        height=8,
                        shares=("share",),
                    ),
                ],
            ),
            (
                "Tables and disks",
                [
                    grid(
                        "Disks",
                        "What is free, what 7 days added on average, and the days until it is full at that pace.",
                        "health_disks",
                        {
                            "total": BYTES,
                            "free": BYTES,
                            "used": SHARE,
                            "telemetry": BYTES,
                            "a_day": BYTES,
                            "days_left": DAYS,
                        },
                        24,
                        height=6,
                        steps={
                            "used": {0: "green", 0.8: "orange", 0.9: "red"},
                            "days_left": {0: "red", 7: "orange", 30: "green"},
                        },
                    ),
                    grid(
                        "Parts",
                        "Of each table, the largest first; hundreds in a partition: merges fall behind.",
                        "health_parts",
                        {"disk": BYTES},
                        12,
                        steps={"most_in_a_partition": {0: "green", 150: "orange", 600: "red"}},
                    ),
                    grid(
                        "Merges and mutations",
                        "Those that run now; none is fine.",
                        "health_merges",
                        {"running": SECONDS, "progress": SHARE, "bytes": BYTES},
                        12,
                        nothing="None is running now.",
                    ),
                ],
            ),
        ],
    )
