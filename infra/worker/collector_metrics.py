"""What the collectors say of themselves: their Prometheus page, read into one row a process and signal."""

from __future__ import annotations

import http.client
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from infra.errors import UserError

SIGNALS = {"traces": "spans", "logs": "log_records"}
"""Signal to what the collector's counters call its records."""
ANSWER_SECONDS = 2.0
MOST_BYTES = 8 * 2**20


@dataclass(frozen=True)
class CollectorSample:
    """One process's counters for one signal; see sql/migrations/0011_samples_and_costs.sql."""

    task: str
    instance: str
    started_at: float
    """Unix seconds."""
    signal: str
    accepted: int
    refused: int
    sent: int
    send_failed: int
    queue_bytes: int
    queue_capacity_bytes: int
    memory_bytes: int


def scrape(pages: Mapping[str, str]) -> tuple[list[CollectorSample], list[str]]:
    """The samples of the collectors whose pages (task to URL) answered, and what the others' errors were."""
    found: list[CollectorSample] = []
    errors: list[str] = []
    for task, url in pages.items():
        try:
            found += parse(task, _fetch(url), time.time())
        except (OSError, ValueError, http.client.HTTPException, UserError) as error:
            errors.append(f"collector {task} at {url}: {error}")
    return found, errors


def _fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=ANSWER_SECONDS) as answer:
        text = answer.read(MOST_BYTES + 1)
    if len(text) > MOST_BYTES:
        raise UserError(f"its metrics are longer than {MOST_BYTES} bytes; lower the level in configs/collector")
    return text.decode()


def parse(task: str, page: str, now: float) -> list[CollectorSample]:
    """The samples of one page. Raises UserError when it is not a collector's, ValueError when it is no metrics page."""
    # Counters have the suffix _total or not, by the exporter's settings.
    values: dict[str, list[tuple[Mapping[str, str], float]]] = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            values.setdefault(sample.name.removesuffix("_total"), []).append((sample.labels, sample.value))
    about = [labels for labels, _ in values.get("target_info", [])]
    uptime = [value for _, value in values.get("otelcol_process_uptime", [])]
    if not about or not about[0].get("service_instance_id") or not uptime:
        raise UserError("the page has no target_info with a service_instance_id, or no uptime: is it a collector's?")

    def total(name: str, **labels: str) -> int:
        rows = values.get(name, [])
        # A counter that has not counted yet is not on the page.
        return int(sum(value for found, value in rows if labels.items() <= found.items()))

    return [
        CollectorSample(
            task=task,
            instance=about[0]["service_instance_id"],
            started_at=now - uptime[0],
            signal=signal,
            accepted=total(f"otelcol_receiver_accepted_{records}"),
            # refused: by what comes behind the receiver (memory limit, Kafka); failed: by the receiver itself.
            refused=total(f"otelcol_receiver_refused_{records}") + total(f"otelcol_receiver_failed_{records}"),
            sent=total(f"otelcol_exporter_sent_{records}"),
            send_failed=total(f"otelcol_exporter_send_failed_{records}"),
            queue_bytes=total("otelcol_exporter_queue_size", data_type=signal),
            queue_capacity_bytes=total("otelcol_exporter_queue_capacity", data_type=signal),
            memory_bytes=total("otelcol_process_memory_rss"),
        )
        for signal, records in SIGNALS.items()
    ]
