"""Agents: how their runs go, where they loop, which tools and models fail them, and one version beside another."""

from __future__ import annotations

from typing import Any

from infra.dashboards.page import drill, page
from infra.dashboards.panels import BAD, COST, COUNT, GOOD, MS, OUTCOMES, SHARE, USD, bars, figure, grid, line

VARIABLES = ("environment", "tenant", "service", "agent", "model", "workflow", "tool")


def agents(prefix: str) -> dict[str, Any]:
    """The dashboard's JSON."""
    trace = drill(prefix, "traces", ("environment", "tenant"), {"trace_id": "trace_id"}, "Open the trace")

    def narrowed(name: str, column: str) -> tuple[str, str]:
        kept = [other for other in VARIABLES if other != name]
        return drill(prefix, "agents", kept, {name: column}, f"Only this {name}")

    return page(
        prefix,
        "agents",
        "Agents: runs and tools",
        "Runs (a trace each), steps, loops, tools, models and versions. Click a name to look at it alone.",
        VARIABLES,
        [
            (
                "In short",
                [
                    figure("Runs", "Traces that began in the range.", "agents_totals", "runs", COUNT, 5),
                    figure(
                        "Success",
                        "Ended runs whose root span did not fail.",
                        "agents_totals",
                        "success",
                        SHARE,
                        5,
                        GOOD,
                    ),
                    figure("Steps a run", "Spans a trace, on average.", "agents_totals", "steps_a_run", COUNT, 5),
                    figure(
                        "Looping runs",
                        "Runs that made a tool call again with the same arguments.",
                        "agents_totals",
                        "looping",
                        SHARE,
                        5,
                    ),
                    figure("Duration p95", "95 of 100 runs took at most this.", "agents_totals", "p95", MS, 4),
                ],
            ),
            (
                "Runs",
                [
                    line("Runs a minute", "By agent.", "agents_runs", COUNT, stacked=True),
                    line("Duration p95", "Of ended runs, by agent.", "agents_duration", MS),
                    line("Steps a run", "Spans a trace.", "agents_steps", COUNT),
                    line("Calls a run", "Model calls and tool calls, on average.", "agents_calls", COUNT),
                    line(
                        "Loops a run",
                        "Tool calls that repeat one of the run: the same agent, tool and arguments. Retries count.",
                        "agents_loops",
                        COUNT,
                    ),
                    bars("Why models stopped", "Model calls by finish reason.", "agents_finish_reasons", COUNT),
                ],
            ),
            (
                "Tools",
                [
                    grid(
                        "Tools",
                        "Calls, failures and latency, most failures first.",
                        "agents_tools",
                        {"success": SHARE, "p50": MS, "p95": MS},
                        8,
                        {"tool": narrowed("tool", "tool")},
                        height=8,
                        steps={"success": GOOD},
                    ),
                    line(
                        "Tool success",
                        "Share of calls without an error.",
                        "agents_tool_success",
                        SHARE,
                        from_zero=False,
                    ),
                    line("Tool latency p95", "By tool.", "agents_tool_latency", MS),
                ],
            ),
            (
                "Slow, dear and going in circles",
                [
                    grid(
                        "Workflows",
                        "The costliest first; sort by p95 for the slowest.",
                        "agents_workflows",
                        {"success": SHARE, "p50": MS, "p95": MS, "usd": USD, "usd_a_run": USD},
                        11,
                        {"workflow": narrowed("workflow", "workflow")},
                        steps={"success": GOOD},
                        words={"cost": COST},
                    ),
                    grid(
                        "Runs with the most loops",
                        "Click the id to see the trace.",
                        "agents_looping_runs",
                        {"duration": MS, "usd": USD},
                        13,
                        {"trace_id": trace, "tenant": narrowed("tenant", "tenant")},
                        words={"outcome": OUTCOMES, "cost": COST},
                    ),
                ],
            ),
            (
                "Versions and models",
                [
                    grid(
                        "Versions",
                        "Agent and prompt versions side by side.",
                        "agents_versions",
                        {"error_rate": SHARE, "p95": MS, "usd_a_run": USD},
                        24,
                        {"agent": narrowed("agent", "agent")},
                        steps={"error_rate": BAD},
                        words={"cost": COST},
                    ),
                    grid(
                        "Models",
                        "Calls, failures, latency, output tokens a call and cost.",
                        "agents_models",
                        {"error_rate": SHARE, "p50": MS, "p95": MS, "usd": USD},
                        24,
                        {"model": narrowed("model", "model")},
                        steps={"error_rate": BAD},
                        words={"cost": COST},
                    ),
                ],
            ),
        ],
    )
