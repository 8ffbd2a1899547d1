"""The recorded workload that tests and benchmarks share: made once by the demo's generator, then read from a cache."""

from __future__ import annotations

import base64
import functools
import json
import os
import tempfile
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from examples.agents import record
from examples.agents.send import Request
from infra.paths import ROOT

BATCH = 500
"""Spans a request, about: a run is never cut."""


@functools.cache
def default_start() -> datetime:
    """Yesterday at 00:00 UTC: recent enough that no TTL touches what a test stored. Yesterday of the process's first call:
    a file that runs across midnight looks for its spans where it put them."""
    return datetime.combine(datetime.now(UTC).date() - timedelta(days=1), time(), UTC)


def _cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    folder = (Path(base) if base else Path(tempfile.gettempdir())) / f"agent-telemetry-workload-{os.getuid()}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@functools.cache
def _generator_version() -> str:
    """Changes with the generator's code, so that an old cache is not used."""
    import hashlib

    digest = hashlib.sha256()
    for path in sorted((ROOT / "examples" / "agents").glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


@functools.lru_cache(maxsize=4)
def _recorded(spans: int, seed: int, start: datetime, hours: float, batch: int) -> tuple[Request, ...]:
    name = f"{seed}-{spans}-{start:%Y%m%dT%H%M}-{hours:g}h-{batch}-{_generator_version()}.otlp"
    path = _cache_folder() / name
    if not path.exists():
        # A name of its own: xdist workers may make the same file at once, and the last rename wins.
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            made = Path(folder) / name
            record.write(made, record.record(spans, seed, start, hours, batch))
            made.replace(path)
    return tuple(record.read(path))


def recorded(
    spans: int = 20_000, seed: int = 7, start: datetime | None = None, hours: float = 6.0, batch: int = BATCH
) -> list[Request]:
    """All export requests of the workload, traces and logs, with their counts. Exactly `spans` spans."""
    return list(_recorded(spans, seed, start or default_start(), hours, batch))


def requests(
    spans: int = 20_000, seed: int = 7, start: datetime | None = None, hours: float = 6.0, batch: int = BATCH
) -> list[bytes]:
    """The ExportTraceServiceRequests (protobuf) that hold the workload's spans."""
    return [item.body for item in recorded(spans, seed, start, hours, batch) if item.signal == "traces"]


def log_requests(
    spans: int = 20_000, seed: int = 7, start: datetime | None = None, hours: float = 6.0, batch: int = BATCH
) -> list[bytes]:
    """The ExportLogsServiceRequests (protobuf) that go with `requests` of the same arguments."""
    return [item.body for item in recorded(spans, seed, start, hours, batch) if item.signal == "logs"]


def decode(body: bytes) -> ExportTraceServiceRequest:
    """A trace request as message."""
    return ExportTraceServiceRequest.FromString(body)


def decode_logs(body: bytes) -> ExportLogsServiceRequest:
    """A logs request as message."""
    return ExportLogsServiceRequest.FromString(body)


def to_json(body: bytes, signal: str = "traces") -> bytes:
    """The same request as OTLP JSON: ids in hex, numbers of 64 bits as text, enums as numbers."""
    message = decode(body) if signal == "traces" else decode_logs(body)
    value = MessageToDict(message, use_integers_for_enums=True)
    _hex_ids(value)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _hex_ids(value: Any) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            if key in ("traceId", "spanId", "parentSpanId") and isinstance(item, str):
                value[key] = base64.b64decode(item).hex()
            else:
                _hex_ids(item)
    elif isinstance(value, list):
        for item in value:
            _hex_ids(item)
