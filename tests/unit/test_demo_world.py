"""The demo's spans: the same for a seed, uneven as real traffic, and with the plot in them."""

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from statistics import median

import pytest

from examples.agents import generate, world
from examples.agents.generate import Run
from examples.agents.spelling import SPELLINGS
from tests.oracle_data import aliases

START = datetime(2026, 11, 1, tzinfo=UTC)
END = START + timedelta(days=2)


@pytest.fixture(scope="module")
def runs() -> list[Run]:
    return list(generate(7, 30_000, START, END))


def test_a_seed_always_gives_the_same_runs():
    first = list(generate(3, 500, START, END))
    assert first == list(generate(3, 500, START, END))
    assert first != list(generate(4, 500, START, END))


def test_other_ids_for_the_same_story():
    first, second = (list(generate(3, 300, START, END, ids=ids)) for ids in ("a", "b"))
    assert [[span.name for span in run.spans] for run in first] == [[span.name for span in run.spans] for run in second]
    assert not {run.spans[0].trace_id for run in first} & {run.spans[0].trace_id for run in second}


def test_exactly_the_asked_number_of_spans(runs: list[Run]):
    assert sum(len(run.spans) for run in runs) == 30_000
    assert sum(len(run.spans) for run in generate(1, 1, START, END)) == 1


def test_ids_are_unique_and_children_lie_in_their_trace(runs: list[Run]):
    ids = Counter(span.span_id for run in runs for span in run.spans)
    assert ids.most_common(1)[0][1] == 1
    for run in runs:
        seen: set[bytes] = {b""}
        for span in run.spans:
            assert span.trace_id == run.spans[0].trace_id
            assert span.parent_id in seen
            assert span.end_time == 0 or span.end_time >= span.start_time
            seen.add(span.span_id)


def test_every_span_was_ended(runs: list[Run]):
    assert all(span.end_time for run in runs for span in run.spans)


def test_runs_lie_inside_the_window(runs: list[Run]):
    spans = [span for run in runs for span in run.spans]
    assert min(span.start_time for span in spans) >= START.timestamp() * 1e9
    assert max(span.end_time for span in spans) <= END.timestamp() * 1e9


def test_two_tenants_are_large_and_some_forty_form_a_long_tail(runs: list[Run]):
    spans = Counter(span.resource.tenant for run in runs for span in run.spans)
    ranked = spans.most_common()
    assert len(ranked) == len(world.TENANTS) >= 40
    assert {tenant for tenant, _ in ranked[:2]} == set(world.LARGE_TENANTS)
    assert sum(count for _, count in ranked[:2]) > 0.5 * 30_000
    assert ranked[-1][1] < 0.01 * ranked[0][1] * 2


def test_latencies_have_a_long_tail(runs: list[Run]):
    seconds = sorted((max(s.end_time for s in run.spans) - run.spans[0].start_time) / 1e9 for run in runs)
    assert seconds[len(seconds) // 10] < 10
    assert seconds[int(len(seconds) * 0.99)] > 120


def test_every_span_kind_of_the_story_is_there(runs: list[Run]):
    names = {span.name.split()[0] for run in runs for span in run.spans}
    assert names == {"invoke_agent", "chat", "embeddings", "execute_tool"}
    assert {span.attributes.get("error.type") for run in runs for span in run.spans} >= {
        "rate_limited",
        "timeout",
        "tool_error",
        None,
    }
    events = Counter(name for run in runs for span in run.spans for _, name, _ in span.events)
    assert min(events["exception"], events["retry"], events["gen_ai.first_token"]) > 100
    assert any(run.events for run in runs)


def test_some_model_calls_report_their_cost_and_some_do_not(runs: list[Run]):
    calls = [span for run in runs for span in run.spans if span.name.startswith("chat ") and not span.status]
    reported = sum("cost.usd" in span.attributes for span in calls)
    assert 0.1 < reported / len(calls) < 0.6


def test_plot_one_tool_is_slower_than_all_others(runs: list[Run]):
    seconds: dict[str, list[float]] = defaultdict(list)
    for run in runs:
        for span in run.spans:
            if span.name.startswith("execute_tool "):
                seconds[span.name.split()[1]].append((span.end_time - span.start_time) / 1e9)
    slowest = sorted(seconds, key=lambda tool: median(seconds[tool]))
    assert slowest[-1] == world.SLOW_TOOL
    assert median(seconds[slowest[-1]]) > 2 * median(seconds[slowest[-2]])


def test_plot_one_agent_loops_in_one_version_only(runs: list[Run]):
    most: Counter[tuple[str, str]] = Counter()
    for run in runs:
        calls: Counter[tuple[str, str, str]] = Counter()
        for span in run.spans:
            if span.name.startswith("execute_tool ") and "gen_ai.agent.name" in span.attributes:
                version = str(span.attributes["gen_ai.agent.version"])
                calls[str(span.attributes["gen_ai.agent.name"]), version, span.name] += 1
        for (agent, version, _), count in calls.items():
            most[agent, version] = max(most[agent, version], count)
    looping = {key for key, count in most.items() if count > 12}
    assert looping == {(world.LOOPING_AGENT, world.LOOPING_VERSION)}


def test_plot_one_tenant_sends_far_more_tokens_than_its_share_of_spans(runs: list[Run]):
    spans: Counter[str] = Counter()
    tokens: Counter[str] = Counter()
    for run in runs:
        for span in run.spans:
            spans[span.resource.tenant] += 1
            if span.name.startswith("chat "):
                names = ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "tokens.prompt")
                tokens[span.resource.tenant] += max(int(span.attributes.get(name, 0)) for name in names)
    share = tokens[world.COSTLY_TENANT] / tokens.total() / (spans[world.COSTLY_TENANT] / spans.total())
    assert share > 5


def test_every_spelling_that_the_demo_uses_lands_in_a_column():
    known = {name for group in (aliases().text, aliases().numbers) for names in group.values() for name in names}
    content = {"gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.prompt", "gen_ai.completion"}
    used = {name for names in SPELLINGS.values() for name in names.values()} - content
    assert used - known == set()
