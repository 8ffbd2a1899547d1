"""Every alert's query: on the recorded workload against plain Python, on an empty database, and as the user who can only read."""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from infra.dashboards.alerts import RUNBOOKS, build_rule_groups
from infra.dashboards.alerts_config import Alerts, shipped
from infra.dashboards.alerts_evaluation import evaluate, number_set
from infra.dashboards.objectives import objectives
from infra.dashboards.render.macros import View, expand
from infra.paths import ROOT
from tests.oracle import Oracle, SpanRow
from tests.pipeline.alerts_world import PREFIX, World, rules, start_world
from tests.pipeline.schema_engine import SchemaEngine
from tests.workload import default_start, requests

SPANS, HOURS = 2000, 6.0
ANSWER_SECONDS = 20
"""Generous: the machine may be busy."""
DAY = 1440
SECTIONS = re.split(r"^## (\S+)$", (ROOT / RUNBOOKS).read_text(), flags=re.M)[1:]
FIRST_QUERIES = {
    title: "\n".join(line for line in text.splitlines() if line.startswith("    "))
    for title, text in zip(SECTIONS[::2], SECTIONS[1::2], strict=True)
    if "    SELECT" in text
}


def wide() -> Alerts:
    """The shipped rules, with windows that hold the whole workload and no traffic too little."""
    config = shipped()
    found: dict[str, Any] = {}
    for name, rule in config:
        if name == "slo_burn":
            given = {"long_minutes": DAY, "short_minutes": DAY - 1, "least_requests": 1}
            found[name] = {"fast": rule["fast"].model_copy(update=given)}
        elif rule is not None:
            least = {key: 1 for key in type(rule).model_fields if key.startswith("least_") and "usd" not in key}
            window = {"window_minutes": DAY} if "window_minutes" in type(rule).model_fields else {}
            found[name] = rule.model_copy(update={**least, **window})
    return config.model_copy(update=found)


WIDE = rules(wide())


@pytest.fixture(scope="module")
def oracle() -> Oracle:
    return Oracle(requests(SPANS, hours=HOURS))


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SchemaEngine]:
    engine = SchemaEngine(tmp_path_factory.mktemp("workload"), "otlp_proto")
    for body in requests(SPANS, hours=HOURS):
        engine.send(body)
    yield engine
    engine.stop()


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    yield from start_world(tmp_path_factory.mktemp("empty"))


def statement(name: str, at: datetime) -> str:
    return expand(WIDE[name].rule["data"][0]["model"]["rawSql"], View(at - timedelta(hours=1), at))


def end() -> datetime:
    return default_start() + timedelta(hours=HOURS)


def found(engine: SchemaEngine, name: str) -> dict[tuple[str, ...], float]:
    """By the labels' values, in the query's order."""
    rows = number_set(engine.query(statement(name, end())))
    return {tuple(value for _, value in labels): figure for labels, figure in rows.items()}


@pytest.mark.parametrize("name", WIDE)
def test_it_answers_with_text_and_one_figure_in_time(engine: SchemaEngine, name: str) -> None:
    text = statement(name, end())
    began = time.monotonic()
    number_set(engine.query(text))
    assert time.monotonic() - began < ANSWER_SECONDS
    kinds = {row["name"]: row["type"] for row in engine.query(f"DESCRIBE ({text.strip()})")}
    # Grafana makes labels of text, and of exactly one figure the value. A Nullable one could be none at all.
    assert kinds.pop("value") == "Float64"
    assert set(kinds.values()) <= {"String", "LowCardinality(String)"}


@pytest.mark.parametrize("name", WIDE)
def test_the_read_only_user_may_ask_it_and_an_empty_database_has_nothing_to_say(empty: World, name: str) -> None:
    rows = empty.ask(statement(name, datetime.now(UTC)))
    if name == "canary":
        assert len(rows) == 1 and 0 <= rows[0]["value"] < 300, "since the tables were made"
    elif name == "disk-used":
        assert rows and all(0 < row["value"] < 1 for row in rows)
    else:
        assert rows == []


def test_on_an_empty_database_nothing_fires(empty: World) -> None:
    fired = evaluate(build_rule_groups(PREFIX), datetime.now(UTC), empty.ask)
    # This machine's own disk may be full.
    assert [one.title for one in fired if "disk" not in one.labels] == []
    later = evaluate(build_rule_groups(PREFIX), datetime.now(UTC) + timedelta(minutes=20), empty.ask)
    assert [(one.title, one.state) for one in later if "disk" not in one.labels] == [("Canary fails", "firing")]


@pytest.mark.parametrize("section", FIRST_QUERIES)
def test_the_runbook_s_first_query_runs(empty: World, section: str) -> None:
    empty.ask(FIRST_QUERIES[section])


def test_each_rule_s_section_has_a_first_query() -> None:
    assert FIRST_QUERIES.keys() == {rule.rule["annotations"]["runbook"].partition("#")[2] for rule in WIDE.values()}


def test_error_rates_are_those_of_the_spans(engine: SchemaEngine, oracle: Oracle) -> None:
    spans: dict[tuple[str, str, str], list[bool]] = defaultdict(list)
    for row in oracle.spans:
        spans[row.tenant_id, row.env, row.service_name].append(row.is_error)
    wanted = {key: sum(failed) / len(failed) for key, failed in spans.items()}
    rates = found(engine, "error-rate")
    assert rates and _worst(rates, wanted)
    assert max(rates.values()) == pytest.approx(max(wanted.values()))


def test_latencies_are_those_of_the_requests(engine: SchemaEngine, oracle: Oracle) -> None:
    (objective,) = objectives()
    durations: dict[tuple[str, ...], list[float]] = defaultdict(list)
    for row in _requests(oracle):
        durations[row.tenant_id, row.env, row.service_name].append(row.duration_ns / 1e6)
    multiples = {key[:3]: value for key, value in found(engine, "latency").items()}
    assert multiples
    for key, value in multiples.items():
        ordered = sorted(durations[key])
        p95 = ordered[int(0.95 * (len(ordered) - 1))]
        assert value == pytest.approx(p95 / objective.latency_ms, rel=0.03)


def test_burn_rates_are_those_of_the_requests(engine: SchemaEngine, oracle: Oracle) -> None:
    (objective,) = objectives()
    by: dict[tuple[str, str], list[SpanRow]] = defaultdict(list)
    for row in _requests(oracle):
        by[row.tenant_id, row.service_name].append(row)
    wanted: dict[tuple[str, ...], float] = {}
    for (tenant, service), rows in by.items():
        failed = sum(row.is_error for row in rows) / len(rows)
        slow = sum(row.duration_ns / 1e6 > objective.latency_ms for row in rows) / len(rows)
        wanted[objective.name, "availability", tenant, service] = failed / (1 - objective.availability)
        wanted[objective.name, "latency", tenant, service] = slow / (1 - objective.latency_share)
    rates = found(engine, "burn-fast")
    assert max(rates.values()) > 0 and _worst(rates, wanted)


def test_unpriced_shares_are_those_of_the_model_calls(engine: SchemaEngine, oracle: Oracle) -> None:
    calls: dict[tuple[str, str], list[SpanRow]] = defaultdict(list)
    for row in oracle.spans:
        if row.is_inference:
            calls[row.tenant_id, row.env].append(row)
    shares = found(engine, "unpriced")
    assert shares
    for (tenant, env, provider, model), share in shares.items():
        unpriced = [row for row in calls[tenant, env] if row.cost_source not in ("reported", "failed")]
        assert share == pytest.approx(len(unpriced) / len(calls[tenant, env])), "this engine has no prices"
        of_it = [row for row in unpriced if (row.lifted["provider"], row.lifted["model"]) == (provider, model)]
        assert len(of_it) >= len(unpriced) / 10


def _requests(oracle: Oracle) -> list[SpanRow]:
    return [row for row in oracle.spans if row.is_entry]


def _worst(rates: dict[tuple[str, ...], float], wanted: dict[Any, float]) -> bool:
    """The same figures as far as they are told, and none that is worse is left out."""
    assert {key: wanted[key] for key in rates} == pytest.approx(rates)
    left = [value for key, value in wanted.items() if key not in rates]
    return not left or max(left) <= min(rates.values()) + 1e-9
