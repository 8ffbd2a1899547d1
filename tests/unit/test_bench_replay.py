"""A replay of the workload has the same spans under new ids and at new times."""

from __future__ import annotations

from tests import workload
from tests.bench.replay import Replay, Template

SPANS = 2_000


def spans_of(body: bytes):
    return [
        (resource, scope, span)
        for resource in workload.decode(body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def test_only_ids_and_times_differ_and_all_by_the_same() -> None:
    shift = 86_400_000_000_123
    mask = 0x0123456789ABCDEF
    for request in workload.recorded(SPANS):
        if request.signal != "traces":
            continue
        template = Template.of(request)
        again = template.stamped(mask, template.newest_ns + shift)
        for (_, _, old), (_, _, new) in zip(spans_of(request.body), spans_of(again), strict=True):
            assert int.from_bytes(new.span_id, "little") == int.from_bytes(old.span_id, "little") ^ mask
            assert new.trace_id[8:] == old.trace_id[8:] and new.trace_id != old.trace_id
            assert len(new.parent_span_id) == len(old.parent_span_id)
            assert new.start_time_unix_nano - old.start_time_unix_nano == shift
            assert new.end_time_unix_nano - old.end_time_unix_nano == shift
            assert [e.time_unix_nano - o.time_unix_nano for e, o in zip(new.events, old.events, strict=True)] == [
                shift
            ] * len(old.events)
            assert new.attributes == old.attributes and new.name == old.name and new.status == old.status


def test_parents_are_found_and_no_span_comes_twice() -> None:
    replay = Replay(batch=workload.BATCH, spans=SPANS)
    seen: set[tuple[bytes, bytes]] = set()
    parents: set[tuple[bytes, bytes]] = set()
    count = 0
    while count < 3 * SPANS:
        request = replay.take()
        count += request.count
        for _, _, span in spans_of(request.body):
            seen.add((span.trace_id, span.span_id))
            if span.parent_span_id:
                parents.add((span.trace_id, span.parent_span_id))
    assert len(seen) == count == 3 * SPANS
    assert parents and parents <= seen
