"""Who may ask what: `default` from loopback without a password, `dashboards` only reads and only its database."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest

from tests.pipeline.clickhouse_front import Front, running_front  # noqa: F401


@pytest.fixture(scope="module", autouse=True)
def tables(front: Front) -> Iterator[None]:
    front.sql("CREATE TABLE telemetry.spans (a UInt64) ENGINE = MergeTree ORDER BY a")
    front.sql("INSERT INTO telemetry.spans VALUES (1), (2)")
    front.sql("CREATE TABLE default.secret (a UInt64) ENGINE = MergeTree ORDER BY a")
    yield


def code(front: Front, sql: str, **query: str) -> str:
    return front.post(sql, user="dashboards", **query).headers.get("X-ClickHouse-Exception-Code", "0")


class TestSigningIn:
    @pytest.mark.parametrize(
        "headers",
        [
            {"X-ClickHouse-User": "dashboards"},
            {"Authorization": "Basic " + base64.b64encode(b"dashboards:").decode()},
        ],
    )
    def test_by_header(self, front: Front, headers: dict[str, str]):
        assert front.request("POST", "SELECT currentUser()", headers).text == "dashboards\n"

    def test_by_url(self, front: Front):
        assert front.sql("SELECT currentUser()", user="dashboards") == "dashboards\n"
        assert front.sql("SELECT currentUser()") == "default\n"

    @pytest.mark.parametrize(("user", "password"), [("nobody", ""), ("default", "wrong"), ("dashboards", "wrong")])
    def test_every_failure_has_the_same_words(self, front: Front, user: str, password: str):
        answer = front.post("SELECT 1", user=user, password=password)
        assert (answer.status, answer.headers["X-ClickHouse-Exception-Code"]) == (403, "516")
        assert answer.text.startswith(
            f"Code: 516. DB::Exception: {user}: Authentication failed: password is incorrect, or there is no user"
        )


class TestDashboards:
    def test_reads_its_database_in_any_format(self, front: Front):
        assert front.sql("SELECT sum(a) FROM telemetry.spans", user="dashboards") == "3\n"
        assert front.sql("SELECT a FROM spans FORMAT JSONEachRow", user="dashboards", database="telemetry") == (
            '{"a":1}\n{"a":2}\n'
        )
        assert front.sql("SELECT {x:UInt8} AS x FORMAT CSVWithNames", user="dashboards", param_x="3") == '"x"\n3\n'

    def test_runs_under_its_own_profile(self, front: Front):
        limits = "SELECT getSetting('readonly'), getSetting('max_execution_time'), getSetting('max_result_rows')"
        assert front.sql(limits, user="dashboards") == "1\t30\t1000000\n"
        assert code(front, "SELECT number FROM numbers(1000001)") == "396"

    @pytest.mark.parametrize("query", [{"max_execution_time": "600"}, {"max_result_rows": "0"}])
    def test_cannot_lift_its_limits_by_url(self, front: Front, query: dict[str, str]):
        assert code(front, "SELECT 1", **query) == "164"

    @pytest.mark.parametrize(
        ("sql", "expected"),
        [
            ("SELECT 1 SETTINGS max_result_rows = 0", "164"),
            ("SET max_result_rows = 0", "164"),
            ("SELECT a FROM default.secret", "497"),
            ("INSERT INTO telemetry.spans VALUES (3)", "497"),
            ("DROP TABLE telemetry.spans", "497"),
            ("ALTER TABLE telemetry.spans DELETE WHERE 1", "497"),
            ("CREATE TABLE telemetry.t (a UInt8) ENGINE = Memory", "497"),
            ("EXECUTE AS default SELECT 1", "497"),
            ("SELECT 1; DROP TABLE telemetry.spans", "62"),
            ("SELECT * FROM system.mutations", "497"),
            ('SELECT * FROM `system`."processes"', "497"),
            ("SELECT * FROM \u201csystem\u201d.\u201cprocesses\u201d", "497"),
            ("SELECT * FROM system /* x */ . query_log", "497"),
            ("SELECT * FROM information_schema.tables", "497"),
            ("SELECT * FROM url('http://127.0.0.1:1/', 'TSV', 'a String')", "497"),
            ("DESCRIBE TABLE url('http://127.0.0.1:1/')", "497"),
            ("SELECT * FROM file('/etc/passwd', 'TSV', 'a String')", "497"),
            ("SELECT file('/etc/passwd')", "497"),
            ("SELECT * FROM s3('http://127.0.0.1:1/b/x', 'TSV', 'a String')", "497"),
            ("SELECT * FROM remote('127.0.0.1', system.one)", "497"),
            ("SELECT * FROM mergeTreeIndex('telemetry', 'spans')", "497"),
            ("SELECT * FROM merge('system', 'parts')", "497"),
            ("SELECT * FROM executable('x', 'TSV', 'a String')", "497"),
            ("SELECT * FROM telemetry.spans INTO OUTFILE '/tmp/x'", "358"),
        ],
    )
    def test_is_kept_from(self, front: Front, sql: str, expected: str):
        assert code(front, sql) == expected
        assert front.sql("SELECT count() FROM telemetry.spans") == "2\n"

    def test_cannot_make_system_its_database(self, front: Front):
        assert code(front, "SELECT count() FROM parts", database="system") == "497"

    def test_sees_only_its_tables_in_the_catalogue(self, front: Front):
        sql = "SELECT database, name FROM system.tables WHERE database != 'system'"
        assert front.sql(sql, user="dashboards") == "telemetry\tspans\n"

    def test_sees_only_its_tables_parts(self, front: Front):
        front.sql("CREATE TABLE default.closed ENGINE = MergeTree ORDER BY a AS SELECT 1 AS a")
        sql = "SELECT DISTINCT database FROM system.parts WHERE database IN ('default', 'telemetry') ORDER BY database"
        assert front.sql(sql) == "default\ntelemetry\n"
        assert front.sql(sql, user="dashboards") == "telemetry\n"
