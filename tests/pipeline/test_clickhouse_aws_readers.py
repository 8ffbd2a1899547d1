"""The fence of a tenant's reader by the nodes' own configuration, in the engine alone: no front of ours stands before a server.

Each way round is tried twice: as the configuration has it, and with the fence taken away, where it must succeed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from xml.etree import ElementTree

import pytest

from infra.aws.clickhouse import names
from infra.local.toolchain import ensure
from infra.local.toolchain.builds import OTHER_ENGINES
from infra.postdeploy.tenant_views import reconcile, statements
from infra.tenant_views import VIEWS, definer, view_of
from tests.pipeline.node_engine import GRAFANA, Engine, EngineError, buckets_of, files, s3_that_answers
from tests.pipeline.reader_attacks import FILL, FORMS, OTHER, READER, SECRET, TENANT, relation
from tests.pipeline.worker_world import apply_schema

pytestmark = pytest.mark.timeout(600)
ENGINES = ("", OTHER_ENGINES[-1])
"""chdb-core: the one in requirements.lock, and the next one after the server's version (configs/versions.yaml)."""
USERS = f"{names.SERVER_CONFIG}/users.xml"
OWN = f"telemetry_tenant.{view_of('spans', TENANT)}"


def without_a_fence(given: dict[str, str]) -> dict[str, str]:
    """No row filter, every grant, every setting: as if nothing had been done."""
    text = re.sub(r"<databases>.*?</databases>", "", given[USERS], flags=re.DOTALL)
    everything = "<grants><query>GRANT ALL ON *.*</query></grants>"
    start = text.index(f"<{READER}>")
    own = re.sub(r"<grants>.*?</grants>", everything, text[start:], count=1, flags=re.DOTALL)
    text = text[:start] + own.replace("<profile>readers</profile>", "<profile>default</profile>")
    return {**given, USERS: text}


class Client:
    """What the schema's steps call of clickhouse-connect's client."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def command(self, sql: str) -> None:
        self._engine.rows(sql)

    def query(self, sql: str) -> Any:
        return self._engine.query(sql)


@dataclass
class Asked:
    """An engine in which the reader asks."""

    engine: Engine
    views: dict[str, str]
    """The tenants' views, each as the engine keeps it."""
    own: dict[str, int]
    """How many rows of its tenant each view beneath holds."""
    users: dict[str, dict[str, Any]]

    def said(self, sql: str) -> str:
        """What the reader is told: rows or an error, without what it has asked."""
        try:
            return str(self.engine.rows(sql))
        except EngineError as error:
            return str(error).replace(sql, "")


def started(folder: Path, s3: str, version: str, changed: Callable[[dict[str, str]], dict[str, str]]) -> Asked:
    name = f"chdb-core-{version}"
    site = ensure([name]).parts[name].folder / "site" if version else None
    made = Engine(folder, s3, site, changed=changed, tenantReaders=[TENANT, OTHER])
    client = cast(Any, Client(made))
    apply_schema(client)
    for offset, (tenant, text) in enumerate([(TENANT, "mine"), (OTHER, SECRET)]):
        for statement in FILL:
            made.rows(statement.format(tenant=tenant, text=text, offset=offset))
    made.rows("SYSTEM RELOAD DICTIONARIES")
    for table in ("spans_raw", "events_raw"):
        made.rows(f"OPTIMIZE TABLE telemetry.{table} FINAL")
    views = reconcile(client, statements([TENANT, OTHER]))
    own = {view: made.one(f"SELECT count() AS n FROM {relation(view)} WHERE tenant_id = '{TENANT}'") for view in VIEWS}
    users = {row["name"]: row for row in made.rows("SELECT * FROM system.users")}
    made.become(READER)
    return Asked(made, views, own, users)


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    with s3_that_answers() as url:
        buckets_of(url)
        yield url


@pytest.fixture(scope="module", params=ENGINES, ids=lambda version: version or "locked")
def version(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def fenced(version: str, s3: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    made = started(tmp_path_factory.mktemp("fenced"), s3, version, dict)
    yield made
    made.engine.stop()


@pytest.fixture(scope="module")
def open_to_all(version: str, s3: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    made = started(tmp_path_factory.mktemp("open"), s3, version, without_a_fence)
    yield made
    made.engine.stop()


ROWS = {
    "its own view": f"SELECT * FROM {OWN}",
    "the other's view": f"SELECT * FROM telemetry_tenant.{view_of('spans', OTHER)}",
    "the other's view with parameters": (
        f"SELECT * FROM {relation(view_of('runs_between', OTHER))}, {relation(view_of('spans', OTHER))}"
    ),
    "the view beneath": "SELECT * FROM telemetry_tenant.spans",
    "the table": "SELECT operation FROM telemetry.spans_raw",
    "the table at its end": "SELECT operation FROM telemetry.spans_raw FINAL",
    "the view() function": f"SELECT * FROM view(SELECT operation FROM telemetry_tenant.{view_of('spans', OTHER)})",
    "merge": "SELECT operation FROM merge('telemetry', '^spans_raw$')",
    "merge of views": "SELECT operation FROM merge('telemetry_tenant', '^spans_of_.*')",
    "loop": "SELECT operation FROM loop(telemetry.spans_raw) LIMIT 10",
    "mergeTreeIndex": "SELECT * FROM mergeTreeIndex('telemetry', 'spans_raw')",
    "dead letters": "SELECT * FROM telemetry.dead_letters",
    "content": "SELECT * FROM telemetry.content",
    "a dictionary": "SELECT * FROM telemetry.tenant",
    "dictionary()": "SELECT * FROM dictionary('telemetry.tenant')",
    "what a function prints": f"SELECT toUInt64(replaceOne(operation, 'mine', '1')) FROM {OWN}",
    "throwIf": f"SELECT throwIf(operation = concat('x', 'yzzy'), concat('glo', 'bex')) FROM {OWN}",
    "throwIf in WHERE": f"SELECT 1 FROM {OWN} WHERE throwIf(operation = concat('x', 'yzzy'), concat('glo', 'bex')) = 0",
    "grouped": f"SELECT groupUniqArray(operation) FROM {OWN}",
    "a join": f"SELECT b.operation FROM system.one AS a CROSS JOIN {OWN} AS b",
    "a CTE": f"WITH x AS (SELECT * FROM {OWN}) SELECT max(tenant_id) FROM x",
    "keys of a map": f"SELECT groupUniqArrayArray(mapValues(attributes)) FROM {OWN}",
    "texts of events": f"SELECT * FROM telemetry_tenant.{view_of('events', TENANT)}",
    "texts of prompts": f"SELECT * FROM telemetry_tenant.{view_of('content', TENANT)}",
}
"""To a query that shows the other's name or text when nothing stands before it."""

RIGHTS = {
    "dictGet": "SELECT dictGet('telemetry.tenant', 'retention_days', concat('glo', 'bex'))",
    "dictHas": "SELECT dictHas('telemetry.tenant', concat('glo', 'bex'))",
    "mergeTreeAnalyzeIndexes": "SELECT * FROM mergeTreeAnalyzeIndexes('telemetry', 'spans_raw')",
    "remote": f"SELECT * FROM remote('127.0.0.1:1', {OWN})",
    "url": "SELECT * FROM url('{s3}/', 'LineAsString', 'a String')",
    "file": "SELECT * FROM file('/nothing', 'TSV', 'a String')",
    "executable": "SELECT * FROM executable('x', 'TSV', 'a String')",
    "columns of the table": "DESCRIBE TABLE telemetry.spans_raw",
    "columns of the other's view": f"DESCRIBE TABLE telemetry_tenant.{view_of('spans', OTHER)}",
    "whether a table is there": "EXISTS TABLE telemetry.dead_letters",
    "show create": "SHOW CREATE TABLE telemetry.spans_raw",
    "how the other's reader is made": f"SHOW CREATE USER `reader-{OTHER}`",
    "grants": "SHOW GRANTS FOR dashboards",
    "policies": "SHOW CREATE ROW POLICIES",
    "a temporary table": f"CREATE TEMPORARY TABLE t AS SELECT * FROM {OWN}",
    "insert": "INSERT INTO telemetry.tenants (tenant_id) SELECT 'x'",
    "system": "SYSTEM RELOAD DICTIONARIES",
    "a setting": f"SELECT count() FROM {OWN} SETTINGS max_threads = 1",
    "query condition cache": f"SELECT count() FROM {OWN} SETTINGS use_query_condition_cache = 1",
    "query cache": f"SELECT count() FROM {OWN} SETTINGS use_query_cache = 1",
    "policy after FINAL": f"SELECT count() FROM {OWN} SETTINGS apply_row_policy_after_final = 1",
    "another filter": f"SELECT count() FROM {OWN} SETTINGS additional_table_filters = {{'telemetry.spans_raw': '1'}}",
}
"""What needs a right or a setting that the reader has not; with these it is done, or fails of something else."""


@pytest.mark.parametrize("way", ROWS)
def test_nothing_of_the_other_tenant_is_shown(fenced: Asked, open_to_all: Asked, way: str) -> None:
    there = open_to_all.said(ROWS[way])
    assert SECRET in there or OTHER in there, ("the attack proves nothing", there)
    here = fenced.said(ROWS[way])
    assert SECRET not in here and OTHER not in here.replace(view_of("spans", OTHER), "").replace(
        view_of("runs_between", OTHER), ""
    ), here


@pytest.mark.parametrize("way", RIGHTS)
def test_what_it_has_no_right_to_is_refused(fenced: Asked, open_to_all: Asked, s3: str, way: str) -> None:
    sql, refused = RIGHTS[way].replace("{s3}", s3), re.compile("ACCESS_DENIED|READONLY")
    there, here = open_to_all.said(sql), fenced.said(sql)
    assert not refused.search(there), ("the attack proves nothing", there)
    assert refused.search(here), here


@pytest.mark.parametrize("form", FORMS)
def test_every_view_shows_its_own_rows_in_every_form(fenced: Asked, form: str) -> None:
    for name in VIEWS:
        sql = FORMS[form].format(table=relation(view_of(name, TENANT)))
        try:
            (row,) = fenced.engine.rows(sql)
        except EngineError as error:
            assert form in ("prewhere", "final"), (name, error)
            continue
        own = fenced.own[name]
        assert own and [float(value) for value in row.values()] == [own, 0], name


def test_its_settings_are_those_of_its_profile(fenced: Asked) -> None:
    wanted = {"readonly": 1, "use_query_condition_cache": 0, "use_query_cache": 0, "apply_row_policy_after_final": 0}
    sql = ", ".join(f"toUInt8(getSetting('{name}')) AS {name}" for name in wanted)
    assert fenced.engine.rows(f"SELECT {sql}") == [wanted]


def test_nobody_signs_in_as_a_definer_and_the_reader_from_the_network_alone(fenced: Asked) -> None:
    assert [fenced.users[definer(TENANT)][key] for key in ("host_ip", "host_names", "host_names_like")] == [[], [], []]
    assert fenced.users[READER]["host_ip"] == ["10.80.0.0/16"]


def test_each_view_runs_as_its_tenant_s_definer(fenced: Asked) -> None:
    assert set(fenced.views) == {view_of(view, tenant) for view in VIEWS for tenant in (TENANT, OTHER)}
    for name, text in fenced.views.items():
        assert f"DEFINER = `definer-{name.rpartition('_of_')[2]}` SQL SECURITY DEFINER" in text


def test_the_data_source_s_time_limit_is_the_one_setting_that_a_reader_may_change() -> None:
    tree = ElementTree.fromstring(files(tenantReaders=[TENANT])[GRAFANA])
    (constraint,) = tree.findall("profiles/readers/constraints/*")
    assert constraint.tag == "max_execution_time" and constraint.find("changeable_in_readonly") is not None


def test_system_tables_need_a_grant_on_a_server_and_the_reader_has_three() -> None:
    """chdb knows no such switch: here the files are all that can be asked."""
    given = files(tenantReaders=[TENANT])
    config = ElementTree.fromstring(given[f"{names.SERVER_CONFIG}/config.xml"])
    for schema in ("system", "information_schema"):
        switch = f"access_control_improvements/select_from_{schema}{'_db' * (schema == 'system')}_requires_grant"
        assert config.findtext(switch) == "true"
    grants = [
        grant.text or "" for grant in ElementTree.fromstring(given[USERS]).iterfind(f"users/{READER}/grants/query")
    ]
    assert {grant for grant in grants if "telemetry_tenant." not in grant} == {
        f"GRANT SELECT ON system.{table}" for table in ("one", "functions", "settings")
    }
