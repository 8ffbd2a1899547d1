"""The dashboards' user, which can only read, may ask every query of every panel and variable, within its limits."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from infra.dashboards.clickhouse import QUERIES, sql
from infra.dashboards.render.macros import expand
from tests.pipeline.clickhouse_front import Front
from tests.pipeline.dashboard_world import everything, six_hours
from tests.pipeline.schema_engine import schema


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    front = Front(tmp_path_factory.mktemp("rights"))
    front.start()
    for statement in schema("otlp_proto"):
        front.sql(statement)
    yield front
    front.stop()


@pytest.mark.parametrize("name", sorted(path.stem for path in QUERIES.glob("*.sql")))
def test_the_read_only_user_may_ask_it(front: Front, name: str) -> None:
    answer = front.post(expand(sql(name), six_hours(everything("0" * 32))), user="dashboards")
    assert answer.status == 200, answer.text
