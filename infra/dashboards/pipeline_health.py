"""Pipeline health: whether what was sent is stored, how late, at what price on disk, and what could not be read."""

from __future__ import annotations

from typing import Any

from infra.dashboards.page import page
from infra.dashboards.panels import BYTES, COUNT, DAYS, SECONDS, SHARE, figure, grid, line

VARIABLES = ("environment", "tenant", "service", "agent")


def pipeline_health(prefix: str) -> dict[str, Any]:
    """The dashboard's JSON."""
    return page(
        prefix,
        "health",
        "Agents: pipeline health",
        "Delay, losses, dead letters, tables and disks of the pipeline itself.",
        VARIABLES,
        [
            (
                "Delay",
                [
                    figure(
                        "Last arrival",
                        "Time since ClickHouse stored anything.",
                        "overview_live",
                        "seconds",
                        SECONDS,
                        8,
                        {0: "green", 60: "orange", 300: "red"},
                    ),
                    figure(
                        "A million spans, raw",
                        "Their compressed bytes in spans_raw, with all parts there are.",
                        "health_per_million",
                        "raw",
                        BYTES,
                        8,
                    ),
                    figure(
                        "A million spans, everything",
                        "Their compressed bytes in all tables: rollups, events, keys and ledger too.",
                        "health_per_million",
                        "everything",
                        BYTES,
                        8,
                    ),
                    line(
                        "End to end",
                        "From a span's end at its agent to its row; what was sent late is late.",
                        "health_end_to_end",
                        SECONDS,
                        6,
                    ),
                    line("From Kafka to a row", "From Kafka's timestamp to the row.", "health_delay", SECONDS, 6),
                    line("Canary", "A trace of the worker's own, until it can be read.", "health_canary", SECONDS, 6),
                    line("Arrivals a second", "Spans and log records.", "health_arrivals", COUNT, 6),
                ],
            ),
            (
                "Loss ledger",
                [
                    grid(
                        "Hop by hop",
                        "By topic: offsets between the first and the last that arrived, messages stored, dead ones, ones "
                        "that came again, and gaps. What came again is counted once: spans are told apart by their id.",
                        "health_ledger",
                        {},
                        12,
                        steps={"missing": {0: "green", 1: "red"}, "dead_letters": {0: "green", 1: "orange"}},
                    ),
                    grid(
                        "Newest audit",
                        "What each hop should hold and what it holds, up to Kafka's own offsets (`telemetry audit`).",
                        "health_audit",
                        {},
                        12,
                        steps={"difference": {0: "green", 1: "red"}},
                    ),
                    grid(
                        "Partitions",
                        "How far each is read; behind: how old its newest message was when it was stored.",
                        "health_partitions",
                        {"behind": SECONDS, "seconds_ago": SECONDS},
                        8,
                    ),
                    line(
                        "Repaired minutes",
                        "Minutes computed anew after a re-delivery.",
                        "health_repairs",
                        COUNT,
                        height=9,
                    ),
                    grid("Worker", "Its steps' newest results.", "health_worker", {"seconds_ago": SECONDS}, 8),
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
                        nothing="None: all messages could be read.",
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
                        nothing="None: all messages could be read.",
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
                        steps={"used": {0: "green", 0.8: "orange", 0.9: "red"}},
                    ),
                    grid("Parts", "Of each table, the largest first.", "health_parts", {"disk": BYTES}, 12),
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
