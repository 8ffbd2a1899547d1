"""A collector's own metrics page as the worker reads it. The page is one that collector 0.160.0 gave, cut to what matters."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from infra.errors import UserError
from infra.worker import collector_metrics
from infra.worker.collector_metrics import parse, scrape

PAGE = """\
# HELP otelcol_exporter_enqueue_failed_spans Number of spans failed to be added to the sending queue. [Alpha]
# TYPE otelcol_exporter_enqueue_failed_spans counter
otelcol_exporter_enqueue_failed_spans{exporter="kafka"} 1004
# HELP otelcol_exporter_queue_capacity Fixed capacity of the retry queue (in batches). [Alpha]
# TYPE otelcol_exporter_queue_capacity gauge
otelcol_exporter_queue_capacity{data_type="logs",exporter="kafka"} 2.68435456e+08
otelcol_exporter_queue_capacity{data_type="traces",exporter="kafka"} 2.68435456e+08
# TYPE otelcol_exporter_queue_size gauge
otelcol_exporter_queue_size{data_type="logs",exporter="kafka"} 0
otelcol_exporter_queue_size{data_type="traces",exporter="kafka"} 176
# TYPE otelcol_exporter_send_failed_spans counter
otelcol_exporter_send_failed_spans{exporter="kafka"} 1004
# TYPE otelcol_exporter_sent_log_records counter
otelcol_exporter_sent_log_records{exporter="kafka"} 72
# TYPE otelcol_exporter_sent_spans counter
otelcol_exporter_sent_spans{exporter="kafka"} 4057
# TYPE otelcol_process_memory_rss gauge
otelcol_process_memory_rss 7.452672e+07
# TYPE otelcol_process_uptime counter
otelcol_process_uptime 28.066254384
# TYPE otelcol_receiver_accepted_log_records counter
otelcol_receiver_accepted_log_records{receiver="otlp",transport="http"} 72
# TYPE otelcol_receiver_accepted_spans counter
otelcol_receiver_accepted_spans{receiver="otlp",transport="grpc"} 57
otelcol_receiver_accepted_spans{receiver="otlp",transport="http"} 4000
# TYPE otelcol_receiver_failed_spans counter
otelcol_receiver_failed_spans{receiver="otlp",transport="http"} 2
# TYPE otelcol_receiver_refused_spans counter
otelcol_receiver_refused_spans{receiver="otlp",transport="http"} 1004
# HELP target_info Target metadata
# TYPE target_info gauge
target_info{service_instance_id="785a0979-b0a9-4881-ad3a-57fc43c6eb61",service_name="otelcol-agent-telemetry"} 1
"""


def test_a_page_is_a_row_a_signal() -> None:
    traces, logs = parse("task-1", PAGE, now=1000.0)
    assert (traces.task, traces.instance, traces.signal) == ("task-1", "785a0979-b0a9-4881-ad3a-57fc43c6eb61", "traces")
    assert traces.started_at == pytest.approx(971.933745616)
    assert (traces.accepted, traces.refused, traces.sent, traces.send_failed) == (4057, 1006, 4057, 1004)
    assert (traces.queue_bytes, traces.queue_capacity_bytes, traces.memory_bytes) == (176, 268435456, 74526720)
    # A counter that has not counted yet is not on the page.
    assert (logs.signal, logs.accepted, logs.sent, logs.send_failed, logs.refused) == ("logs", 72, 72, 0, 0)


def test_counters_with_the_openmetrics_ending_are_the_same() -> None:
    renamed = PAGE.replace("_spans{", "_spans_total{").replace("_log_records{", "_log_records_total{")
    renamed = renamed.replace("_uptime 28", "_uptime_total 28")
    assert parse("task-1", renamed, 1000.0) == parse("task-1", PAGE, 1000.0)


@pytest.mark.parametrize("page", ["", "<html>hello</html>", PAGE.replace("target_info", "other_info")])
def test_what_is_no_collector_s_page_is_refused(page: str) -> None:
    with pytest.raises((UserError, ValueError)):
        parse("task-1", page, 1000.0)


@contextmanager
def page_server(body: bytes) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/metrics"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_one_collector_that_does_not_answer_does_not_hide_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    with page_server(PAGE.encode()) as good, page_server(b"nonsense here") as bad:
        found, errors = scrape({"a": good, "b": "http://127.0.0.1:1/metrics", "c": bad})
        assert {(item.task, item.signal) for item in found} == {("a", "traces"), ("a", "logs")}
        assert [error.split(" at ")[0] for error in errors] == ["collector b", "collector c"]
        monkeypatch.setattr(collector_metrics, "MOST_BYTES", 100)
        assert "longer than 100 bytes" in scrape({"a": good})[1][0]
