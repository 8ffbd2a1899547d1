"""The dashboards' page as a part of a running stack: it shows what was just sent, and comes back when it is killed."""

from __future__ import annotations

import json
import os
import signal
import urllib.request

from infra.config import PROJECT
from infra.dashboards.catalogue import build_all
from infra.local.dashboards import page_url
from tests.pipeline.live import Pipeline
from tests.pipeline.otlp_messages import span, traces


def test_what_was_just_sent_is_on_the_page_also_after_it_was_killed(proto: Pipeline, tenant: str) -> None:
    built = build_all(f"{PROJECT}-{proto.stack.name}")
    model = built["agents"]
    (runs,) = [panel for panel in model["panels"] if panel["title"] == "Runs" and panel["type"] == "stat"]
    url = page_url(proto.stack.settings)
    asked = f"{url}/api/dashboards/{model['uid']}/panels/{runs['id']}?from=now-15m&to=now&var-tenant={tenant}"

    def shown() -> int:
        with urllib.request.urlopen(asked, timeout=30) as answer:
            found = json.load(answer)
        names = [column["name"] for column in found["columns"]]
        return found["rows"][0][names.index("runs")] if found["rows"] else 0

    assert shown() == 0
    proto.send(traces(tenant, span(), span()))
    proto.until(lambda: shown() == 2, "two runs on the page")
    before = proto.pid("dashboards")
    os.kill(before, signal.SIGKILL)
    proto.until(lambda: shown() == 2 and proto.pid("dashboards") != before, "the page is there again", 120)
    with urllib.request.urlopen(url, timeout=30) as answer:
        assert answer.url == f"{url}/d/{built['overview']['uid']}" and answer.status == 200
