"""Each alert fires for what it is for and resolves when it is over, on crafted data in the real engine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from infra.dashboards.alerts_config import shipped
from infra.dashboards.alerts_evaluation import Evaluator, QueryError, Row, results
from infra.dashboards.alerts_rules import rules as all_rules
from tests.pipeline.alerts_world import World, quiet_hour, rules, start_world

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
BOTH_WAYS = ["ok", "pending", "firing", "ok"]
AT_ONCE = ["ok", "firing", "ok"]
TESTED: set[str] = set()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    yield from start_world(tmp_path_factory.mktemp("alerts"))


@pytest.fixture
def start() -> datetime:
    return quiet_hour()


def about(found: datetime, wanted: datetime, give: timedelta) -> bool:
    return abs(found - wanted) <= give


def rule(name: str) -> Evaluator:
    TESTED.add(name)
    return rules()[name]


class TestErrorRate:
    def test_it_fires_after_five_minutes_over_two_percent_and_resolves(self, world: World, start: datetime) -> None:
        bad = world.spans("failing", start, 15)
        good = world.spans("failing", bad, 15, failed=2)
        end = world.spans("failing", good, 15)
        story = world.evaluate(rule("error-rate"), start, end, tenant="failing")
        assert story.states == BOTH_WAYS
        assert story.first("firing") - story.first("pending") == 5 * MINUTE
        assert bad < story.first("pending") < bad + 2 * MINUTE
        assert good < story.over() <= good + 6 * MINUTE
        assert story.fired().labels == {"tenant": "failing", "environment": "prod", "service": "api"}
        assert story.fired().value == pytest.approx(0.1)

    def test_it_resolves_when_the_service_stops(self, world: World, start: datetime) -> None:
        stopped = world.spans("stopping", start, 15, failed=2)
        story = world.evaluate(rule("error-rate"), start, stopped + 10 * MINUTE, tenant="stopping")
        assert story.states == BOTH_WAYS
        assert stopped < story.over() <= stopped + 7 * MINUTE

    def test_a_short_burst_and_a_handful_of_spans_make_no_noise(self, world: World, start: datetime) -> None:
        calm = world.spans("bursting", world.spans("bursting", start, 15), 1, failed=8)
        end = world.spans("bursting", calm, 15)
        assert world.evaluate(rule("error-rate"), start, end, tenant="bursting").states == ["ok", "pending", "ok"]
        end = world.spans("tiny", start, 20, a_minute=5, failed=3)
        assert world.evaluate(rule("error-rate"), start, end, tenant="tiny").states == ["ok"]


def test_latency_over_its_target_for_ten_minutes(world: World, start: datetime) -> None:
    slow = world.spans("slow", start, 15)
    good = world.spans("slow", slow, 30, slow=2)
    end = world.spans("slow", good, 15)
    story = world.evaluate(rule("latency"), start, end, tenant="slow")
    assert story.states == BOTH_WAYS
    assert story.first("firing") - story.first("pending") == 10 * MINUTE
    assert good < story.over() <= good + 11 * MINUTE
    assert story.fired().value == pytest.approx(2, rel=0.02), "240 s, and the objective is 120 s"
    assert story.fired().labels["target_ms"] == "120000"
    end = world.spans("one-in-fifty", start, 40, a_minute=50, slow=1)
    assert world.evaluate(rule("latency"), start, end, tenant="one-in-fifty").states == ["ok"]


class TestCostSpike:
    def test_it_fires_over_three_times_the_usual_and_resolves(self, world: World, start: datetime) -> None:
        spike = world.spans("spending", start - 5 * DAY, 5 * 1440, a_minute=1, usd=0.1, workflow="report")
        good = world.spans("spending", spike, 25, a_minute=5, usd=0.1, workflow="report")
        end = world.spans("spending", good, 25, a_minute=1, usd=0.1, workflow="report")
        story = world.evaluate(rule("cost-spike"), spike - 5 * MINUTE, end, tenant="spending")
        assert story.states == BOTH_WAYS
        assert story.first("firing") - story.first("pending") == 5 * MINUTE
        assert spike < story.first("pending") < good < story.over() <= good + 15 * MINUTE
        assert story.fired().labels["workflow"] == "report"
        assert 3 < (story.fired().value or 0) <= 5

    def test_a_daily_peak_a_new_workflow_and_small_change_are_no_spikes(self, world: World, start: datetime) -> None:
        for day in range(6):
            at = start - day * DAY
            world.spans("peaky", at - HOUR / 6, 60, a_minute=1, usd=1)
            world.spans("peaky", at + HOUR, 60, a_minute=1, usd=0.01)
        world.spans("new", start - 2 * HOUR, 120, a_minute=1, usd=0.1)
        world.spans("new", start, 40, a_minute=10, usd=0.1)
        world.spans("cheap", start - 2 * DAY, 2 * 1440, a_minute=1, usd=0.0001)
        world.spans("cheap", start, 40, a_minute=10, usd=0.0001)
        for tenant in ("peaky", "new", "cheap"):
            story = world.evaluate(rule("cost-spike"), start, start + 40 * MINUTE, tenant=tenant)
            assert story.states == ["ok"], tenant


class TestNoData:
    def test_it_fires_five_minutes_after_the_last_span_and_resolves_with_the_next(
        self, world: World, start: datetime
    ) -> None:
        silent = world.spans("silent", start - HOUR, 60)
        world.spans("silent", silent + 20 * MINUTE, 5)
        story = world.evaluate(rule("no-data"), silent, silent + 25 * MINUTE, tenant="silent")
        assert story.states == AT_ONCE
        assert silent + 5 * MINUTE <= story.first("firing") < silent + 6 * MINUTE
        assert story.over() < silent + 21 * MINUTE

    def test_a_tenant_that_comes_and_goes_is_not_waited_for(self, world: World, start: datetime) -> None:
        world.spans("now-and-then", start - HOUR, 30)
        world.spans("now-and-then", start, 5)
        assert world.evaluate(rule("no-data"), start, start + HOUR, tenant="now-and-then").states == ["ok"]

    def test_one_that_is_gone_for_good_is_forgotten(self, world: World, start: datetime) -> None:
        gone = world.spans("gone", start - HOUR, 60)
        forgotten = gone + shipped().no_data.forget_hours * HOUR  # type: ignore[union-attr]
        story = world.evaluate(rule("no-data"), forgotten - 5 * MINUTE, forgotten + 10 * MINUTE, tenant="gone")
        assert story.states == ["firing", "ok"]


def test_unpriced_calls_fire_and_resolve_when_they_are_priced(world: World, start: datetime) -> None:
    priced = world.spans("unpriced", start, 60, unpriced=2, usd=0.001)
    end = world.spans("unpriced", priced, 70, usd=0.001)
    story = world.evaluate(rule("unpriced"), start, end, tenant="unpriced")
    assert story.states == ["ok", "pending", "firing", "ok"] or story.states == ["pending", "firing", "ok"]
    assert story.first("firing") - story.first("pending") == 15 * MINUTE
    assert story.fired().labels["model"] == "secret-model" and story.fired().value == pytest.approx(0.1)
    assert priced < story.over() < end
    end = world.spans("nearly", start, 30, a_minute=50, unpriced=2, usd=0.001)
    assert world.evaluate(rule("unpriced"), start, end, tenant="nearly").states == ["ok"]


class TestBurn:
    @pytest.mark.parametrize(("indicator", "bad"), [("availability", {"failed": 12}), ("latency", {"slow": 20})])
    def test_fast(self, world: World, start: datetime, indicator: str, bad: dict[str, int]) -> None:
        tenant = f"burning-{indicator}"
        begun = world.spans(tenant, start - HOUR, 60)
        good = world.spans(tenant, begun, 59, **bad)
        end = world.spans(tenant, good, 15)
        story = world.evaluate(rule("burn-fast"), start, end, tenant=tenant, indicator=indicator)
        assert story.states == BOTH_WAYS
        assert story.first("firing") - story.first("pending") == 2 * MINUTE
        # The hour has to hold the burn; the five minutes end it at once.
        share = 14.4 * 0.03 / 0.6 if indicator == "availability" else 14.4 * 0.05
        assert about(story.first("pending"), begun + share * HOUR, 2 * MINUTE)
        assert good < story.over() <= good + 5 * MINUTE

    def test_medium_and_slow(self, world: World, start: datetime) -> None:
        begun = world.spans("smouldering", start - 3 * DAY, 3 * 1440, a_minute=5)
        good = world.spans("smouldering", begun, 10 * 60, a_minute=5, failed=2)
        end = world.spans("smouldering", good, 7 * 60, a_minute=5)
        # A third as often as Grafana will, which changes nothing but the time that this takes.
        seldom = {"interval": 15 * MINUTE}
        medium = world.evaluate(
            replace(rule("burn-medium"), **seldom), begun, end, tenant="smouldering", indicator="availability"
        )
        assert medium.states == BOTH_WAYS
        # 40% fail; 18% of six hours is 2.7 hours of it.
        assert about(medium.first("pending"), begun + 2.7 * HOUR, 20 * MINUTE)
        assert good < medium.over() <= good + 45 * MINUTE
        slow = world.evaluate(
            replace(rule("burn-slow"), **seldom), begun, end, tenant="smouldering", indicator="availability"
        )
        assert slow.states == BOTH_WAYS
        # 3% of three days is 5.4 hours of it.
        assert about(slow.first("pending"), begun + 5.4 * HOUR, 20 * MINUTE)
        assert slow.first("firing") - slow.first("pending") == HOUR
        assert good < slow.over() <= good + 6 * HOUR

    def test_a_failure_of_one_request_of_few_burns_nothing(self, world: World, start: datetime) -> None:
        world.spans("rare", start, 10, a_minute=1, failed=1)
        assert world.evaluate(rule("burn-fast"), start, start + HOUR, tenant="rare").states == ["ok"]


class TestRefused:
    """Two collector processes, sampled every 15 s, each taking 100 spans between two samples."""

    def _samples(self, world: World, start: datetime, process: str, accepted: str, refused: str, samples: int) -> None:
        begin = int(start.timestamp())
        world.front.sql(
            "INSERT INTO telemetry.collector_samples (at, task, instance, started_at, signal, accepted, refused) SELECT "
            f"toDateTime64({begin} + number * 15, 3, 'UTC'), 'a', '{process}', toDateTime64({begin} - 60, 3, 'UTC'), 'traces', "
            f"{accepted}, {refused} FROM numbers({samples})"
        )

    def test_both_ways_and_a_restart_is_no_refusal(self, world: World, start: datetime) -> None:
        start = start + 12 * HOUR  # of processes there is no tenant: a time of its own
        self._samples(world, start, "one", "100 * number", "least(greatest(number - 40, 0), 60) * 10", 160)
        self._samples(world, start, "two", "1000000 + 100 * number", "5000", 60)
        story = world.evaluate(rule("refused"), start, start + 40 * MINUTE, signal="traces")
        assert story.states == BOTH_WAYS
        assert about(story.first("pending"), start + 10.5 * MINUTE, 1.5 * MINUTE)
        assert story.first("firing") - story.first("pending") == 5 * MINUTE
        assert about(story.over(), start + 30 * MINUTE, 1.5 * MINUTE), "10 of 110 are refused from minute 10 to 25"
        self._samples(world, start + 45 * MINUTE, "three", "100 * number", "if(number > 2, 1, 0)", 40)
        later = world.evaluate(rule("refused"), start + 45 * MINUTE, start + 55 * MINUTE, signal="traces")
        assert later.states == ["ok"]


def test_lag_by_topic_and_partition(world: World, start: datetime) -> None:
    for first, minutes, late in ((0, 10, 1), (10, 15, 300), (25, 10, 1)):
        begin = int((start + first * MINUTE).timestamp())
        world.front.sql(
            "INSERT INTO telemetry.ingest_ledger SELECT 'otel-late', 3, number, "
            f"toDateTime64({begin} + number - {late}, 3, 'UTC'), toDateTime64({begin} + number, 3, 'UTC'), 1, false "
            f"FROM numbers({minutes * 60})"
        )
    story = world.evaluate(rule("lag"), start, start + 35 * MINUTE, topic="otel-late")
    assert story.states == BOTH_WAYS
    assert story.fired().labels == {"topic": "otel-late", "partition": "3"} and story.fired().value == 300
    assert story.over() <= start + 31 * MINUTE


def test_a_partition_that_nobody_reads_lags_though_no_row_is_late(world: World, start: datetime) -> None:
    """Ten messages a second; from minute 10 to 25 none is read. The worker samples every 15 s."""
    at = f"toDateTime64({int(start.timestamp())} + number * 15, 3, 'UTC')"
    read = "if(number BETWEEN 40 AND 100, 150 * 40, 150 * number) - least(number, 20)"
    world.front.sql(
        f"INSERT INTO telemetry.kafka_samples SELECT {at}, 'otel-stuck', 1, 'clickhouse', 0, 150 * number, {read} "
        "FROM numbers(160)"
    )
    story = world.evaluate(rule("lag"), start, start + 40 * MINUTE, topic="otel-stuck")
    assert story.states == BOTH_WAYS
    assert about(story.first("pending"), start + 11 * MINUTE, MINUTE)
    assert story.first("firing") - story.first("pending") == 5 * MINUTE
    assert about(story.over(), start + 25.5 * MINUTE, MINUTE)
    behind = story.fired().value or 0
    assert behind == pytest.approx((story.first("firing") - start - 10 * MINUTE).total_seconds(), abs=30)


def test_one_dead_letter_is_told_and_is_over_half_an_hour_later(world: World, start: datetime) -> None:
    at = int((start + 5 * MINUTE).timestamp())
    for _ in range(2):  # read again, it is still one
        world.front.sql(
            f"INSERT INTO telemetry.dead_letters VALUES ('otel-dead', 0, 7, toDateTime64({at}, 3, 'UTC'), "
            f"toDateTime64({at}, 3, 'UTC'), 'broken', 'x')"
        )
    story = world.evaluate(rule("dead-letters"), start, start + 40 * MINUTE, topic="otel-dead")
    assert story.states == AT_ONCE
    assert story.first("firing") <= start + 6 * MINUTE and story.fired().value == 1
    assert about(story.over(), start + 35 * MINUTE, 2 * MINUTE)


def test_a_crossed_budget_until_the_worker_says_that_it_is_over(world: World, start: datetime) -> None:
    for minute, kind, level in ((5, "warned", 0.8), (10, "crossed", 1), (15, "crossed", 2), (25, "resolved", 0)):
        at = f"{start + minute * MINUTE:%Y-%m-%d %H:%M:%S}"
        world.front.sql(
            "INSERT INTO telemetry.budget_events (at, event_id, episode, type, level, budget, measure, scope, tenant_id, subject) "
            f"VALUES ('{at}', 'e{minute}', 'one', '{kind}', {level}, 'day', 'spend_usd', 'workflow', 'over', 'report')"
        )
    story = world.evaluate(rule("budget"), start, start + 40 * MINUTE, tenant="over")
    assert story.states == AT_ONCE
    assert about(story.first("firing"), start + 10 * MINUTE, MINUTE) and story.fired().value == 1
    assert about(story.over(), start + 25 * MINUTE, MINUTE)
    wanted = {"tenant": "over", "budget": "day", "scope": "workflow", "subject": "report"}
    assert story.fired().labels == wanted


def test_a_tenant_s_own_budget_names_the_tenant(world: World, start: datetime) -> None:
    at = f"{start + 5 * MINUTE:%Y-%m-%d %H:%M:%S}"
    world.front.sql(
        "INSERT INTO telemetry.budget_events (at, event_id, episode, type, level, budget, measure, scope, tenant_id, subject) "
        f"VALUES ('{at}', 'whole', 'two', 'crossed', 1, 'day', 'spend_usd', 'tenant', 'whole', '')"
    )
    story = world.evaluate(rule("budget"), start, start + 10 * MINUTE, tenant="whole")
    assert story.fired().labels == {"tenant": "whole", "budget": "day", "scope": "tenant", "subject": "whole"}


def test_a_difference_that_the_worker_does_not_put_right(world: World, start: datetime) -> None:
    for minute in range(40):
        at, left = f"{start + minute * MINUTE:%Y-%m-%d %H:%M:%S}", 2 if minute == 3 or 10 <= minute < 25 else 0
        world.front.sql(f"INSERT INTO telemetry.worker_results VALUES ('{at}', 'audit', {not left}, {left}, '{{}}')")
    story = world.evaluate(rule("audit"), start, start + 40 * MINUTE)
    assert story.states == ["ok", "pending", "ok", "pending", "firing", "ok"], (
        "one that was repaired is only waited for"
    )
    assert about(story.first("firing"), start + 20 * MINUTE, MINUTE)
    assert about(story.over(), start + 25 * MINUTE, MINUTE)


class TestDisks:
    """A disk is what it is: the threshold is moved to either side of it."""

    def test_days_left(self, world: World, start: datetime) -> None:
        world.spans("filling", start, 10)
        TESTED.add("disk-days")
        now = datetime.now(UTC)
        config = shipped()
        (found,) = results(rules()["disk-days"].rule, now, world.ask).values()
        days = found[0] or 0
        free = world.ask("SELECT min(free_space) AS free FROM system.disks WHERE type = 'Local'")[0]["free"]
        stored = world.ask(
            "SELECT sum(bytes_on_disk) AS bytes FROM system.parts WHERE active AND database = 'telemetry'"
        )
        assert days == pytest.approx(int(free) / int(stored[0]["bytes"]), rel=0.2), "all of it came today"
        for below, states in ((days * 2, ["pending", "firing"]), (days / 2, ["ok"])):
            moved = config.disk_days.model_copy(update={"below": below})  # type: ignore[union-attr]
            found = rules(config.model_copy(update={"disk_days": moved}))["disk-days"]
            story = world.evaluate(found, now - 40 * MINUTE, now, disk="default")
            assert story.states == states

    def test_used_share(self, world: World) -> None:
        TESTED.add("disk-used")
        now = datetime.now(UTC)
        config = shipped()
        row = world.ask("SELECT 1 - free_space / total_space AS used FROM system.disks WHERE name = 'default'")[0]
        # Other tests' files come and go on this disk meanwhile.
        for above, states in ((0.0, ["pending", "firing"]), (1.0, ["ok"])):
            moved = config.disk_used.model_copy(update={"above": above})  # type: ignore[union-attr]
            found = rules(config.model_copy(update={"disk_used": moved}))["disk-used"]
            story = world.evaluate(found, now - 15 * MINUTE, now, disk="default")
            assert story.states == states
            assert states == ["ok"] or story.fired().value == pytest.approx(row["used"], abs=0.1)


class TestCanary:
    def test_it_fires_five_minutes_after_the_last_success(self, world: World, start: datetime) -> None:
        for minute in range(40):
            ok = minute < 10 or minute >= 25
            at = (start + minute * MINUTE).strftime("%Y-%m-%d %H:%M:%S")
            world.front.sql(f"INSERT INTO telemetry.worker_results VALUES ('{at}', 'canary', {ok}, 1, '{{}}')")
        story = world.evaluate(rule("canary"), start, start + 40 * MINUTE)
        assert story.states == AT_ONCE
        assert about(story.first("firing"), start + 14.5 * MINUTE, MINUTE)
        assert story.over() <= start + 26 * MINUTE

    def test_no_answer_at_all_fires_it_alone(self, world: World, start: datetime) -> None:
        def down(_statement: str) -> list[Row]:
            raise QueryError("connection refused")

        end = world.spans("unasked", start, 20, failed=10)
        for name, evaluator in rules().items():
            if name == "error-rate":
                assert world.evaluate(evaluator, start, end, tenant="unasked").states[-1] == "firing"
            fired = evaluator.step(end + MINUTE, down)
            assert [one.state for one in fired] == (["firing"] if name == "canary" else []), name


def test_every_alert_is_tested_both_ways() -> None:
    if len(TESTED) > 8:  # not when a single test of this file is run
        assert {alert.name for alert in all_rules(shipped())} == TESTED
