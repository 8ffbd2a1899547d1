"""The page's own parts without an engine: addresses to times and variables, types to kinds, what is shipped with it."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

import pytest
import yaml

from infra.dashboards.catalogue import build_all
from infra.dashboards.clickhouse import QUERIES, sql
from infra.dashboards.render import variables
from infra.dashboards.render.macros import All, View, expand
from infra.dashboards.render.page import STATIC
from infra.dashboards.render.source import Source, kind_of
from infra.dashboards.render.timerange import TimeRange, moment, time_range
from infra.errors import UserError
from infra.paths import CONFIGS

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
MODELS = build_all("agent-telemetry-test")


@pytest.mark.parametrize(
    "text,found",
    [
        ("now", NOW),
        ("now-90s", NOW - timedelta(seconds=90)),
        ("now-6h", NOW - timedelta(hours=6)),
        ("now-2w", NOW - timedelta(weeks=2)),
        ("1769860800000", NOW),
        ("2026-01-31T12:00:00Z", NOW),
        ("2026-01-31T14:00:00+02:00", NOW),
        ("2026-01-31T14:00:00 02:00", NOW),
        ("2026-01-31 12:00", NOW),
    ],
)
def test_a_time_as_grafana_writes_it(text: str, found: datetime) -> None:
    assert moment("from", text, NOW) == found


@pytest.mark.parametrize("text", ["", "yesterday", "now+1h", "now-6", "9" * 15, "2026-13-01", "now-999999y"])
def test_another_time_is_refused_by_name(text: str) -> None:
    with pytest.raises(UserError, match=r"^from: found"):
        moment("from", text, NOW)


def test_a_range_has_to_begin_before_it_ends() -> None:
    assert time_range("now-1h", "now", NOW) == TimeRange(NOW - timedelta(hours=1), NOW)
    for start, end in (("now", "now"), ("now", "now-1h"), ("now-11y", "now")):
        with pytest.raises(UserError, match="begin before it ends"):
            time_range(start, end, NOW)


@pytest.mark.parametrize(
    "hours,least,width", [(1, 60, 60), (1, 1, 30), (6, 60, 300), (24, 60, 900), (24 * 30, 60, 21600)]
)
def test_points_are_round_few_and_not_narrower_than_the_data(hours: int, least: int, width: int) -> None:
    assert TimeRange(NOW - timedelta(hours=hours), NOW).interval_s(least) == width


def test_a_value_never_ends_its_string_nor_is_a_macro() -> None:
    names = {name: ["a'\\", "$__fromTime ${tenant} \\' OR 1=1 --"] for name in ("tenant", "environment")}
    text = expand("SELECT 1 WHERE $__timeFilter(at) AND t IN (${tenant:singlequote})", View(NOW, NOW, 60, names))
    seconds = int(NOW.timestamp())
    assert text == (
        f"SELECT 1 WHERE at >= toDateTime({seconds}) AND at <= toDateTime({seconds}) AND t IN "
        "('a\\'\\\\','$__fromTime ${tenant} \\\\\\' OR 1=1 --')"
    )
    for unknown in ("${nothing:singlequote}", "${tenant:csv}", "${tenant}", "$__nothing", "$tenant"):
        with pytest.raises(KeyError):
            expand(f"SELECT {unknown}", View(NOW, NOW, 60, names))


def test_every_query_knows_its_variables_and_macros() -> None:
    for model in MODELS.values():
        view = View(NOW, NOW, 60, variables.chosen(model, {}))
        for panel in model["panels"]:
            for target in panel.get("targets", []):
                text = expand(target["rawSql"], view)
                assert "$__" not in text and "${" not in text
    assert {path.stem for path in QUERIES.glob("*.sql")} >= {"overview_totals"} and sql("overview_totals")


def test_an_address_chooses_variables() -> None:
    model = MODELS["traces"]
    assert variables.chosen(model, {})["tenant"] == All("'*'")
    assert variables.chosen(model, {})["trace_id"] == ""
    chosen = variables.chosen(
        model, {"var-tenant": ["acme", "globex"], "var-service": ["$__all"], "var-trace_id": ["ab"], "var-other": ["x"]}
    )
    assert (chosen["tenant"], chosen["service"], chosen["trace_id"]) == (["acme", "globex"], All("'*'"), "ab")
    assert "other" not in chosen and "datasource" not in chosen
    for many in (["x"] * 501, ["x" * 2001]):
        with pytest.raises(UserError, match=r"^var-tenant"):
            variables.chosen(model, {"var-tenant": many})


def test_a_table_offers_the_first_trace() -> None:
    ((name, panel, column),) = variables.first_choices(MODELS["traces"])
    assert (name, panel["title"], column) == ("trace_id", "Traces", "trace_id")
    assert not list(variables.first_choices(MODELS["overview"]))


@pytest.mark.parametrize(
    "declared,kind",
    [
        ("DateTime", "time"),
        ("DateTime64(9, 'UTC')", "time"),
        ("SimpleAggregateFunction(min, DateTime64(9))", "time"),
        ("Nullable(Float64)", "number"),
        ("SimpleAggregateFunction(sum, UInt64)", "number"),
        ("Decimal(18, 9)", "number"),
        ("LowCardinality(Nullable(String))", "string"),
        ("Enum8('unset' = 0)", "string"),
        ("Array(Map(String, String))", "other"),
    ],
)
def test_kinds_of_columns(declared: str, kind: str) -> None:
    assert kind_of(declared) == kind


def test_the_same_question_at_the_same_moment_is_asked_once() -> None:
    source = Source("http://127.0.0.1:9")
    try:
        first, second, other = source.ask("SELECT 1"), source.ask("SELECT 1"), source.ask("SELECT 2")
        assert first is second and first is not other
        assert "does not answer on http://127.0.0.1:9" in str(first.exception())
    finally:
        source.close()


def test_what_is_shipped_with_the_page_is_what_its_makers_published() -> None:
    listed = yaml.safe_load((CONFIGS / "versions.yaml").read_text())["shipped"]
    found = {path.name for path in (STATIC / "vendor").iterdir() if not path.name.endswith(".LICENSE")}
    assert found == {name for item in listed.values() for name in item["files"]}
    for item in listed.values():
        for name, digest in item["files"].items():
            assert hashlib.sha256((STATIC / "vendor" / name).read_bytes()).hexdigest() == digest, name
    head = (STATIC / "vendor" / "uPlot.iife.min.js").read_text()[:200]
    assert f"v{listed['uplot']['version']}" in head
