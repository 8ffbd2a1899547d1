"""Whether the worker does its work: its steps record what they find in ClickHouse. Standard library alone, since it is asked
every few seconds."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from infra.errors import UserError

ANSWER_SECONDS = 5
NEWEST = "SELECT dateDiff('second', max(at), now64(3)) FROM telemetry.worker_results WHERE at > now() - INTERVAL 1 DAY"


def check(config: Path) -> None:
    """Raises UserError when no step has recorded a result for three times as long as the canary waits between two."""
    told = json.loads(config.read_text())
    clickhouse, limit = told["clickhouse"], 3 * int(told["settings"]["workerCanarySeconds"])
    query = urllib.parse.urlencode({"query": NEWEST, "user": clickhouse["user"]})
    url = f"http://{clickhouse['host']}:{clickhouse['port']}/?{query}"
    try:
        with urllib.request.urlopen(url, timeout=ANSWER_SECONDS) as answer:
            seconds = int(answer.read())
    except (OSError, ValueError) as error:
        raise UserError(f"ClickHouse at {clickhouse['host']}:{clickhouse['port']} does not tell: {error}") from None
    if seconds > limit:
        raise UserError(f"the worker has recorded nothing for {seconds} s, {limit} at most; its log says why")
