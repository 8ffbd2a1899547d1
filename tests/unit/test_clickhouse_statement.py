"""The front's reading of SQL: one statement, its format, where an INSERT's data begins, what is closed to users."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.local.clickhouse import command
from infra.local.clickhouse.errors import ServerError
from infra.local.clickhouse.restrictions import check
from infra.local.clickhouse.statement import parse
from infra.local.clickhouse.users import User

DASHBOARDS = User("dashboards", None, (), "dashboards")


class TestOneStatement:
    @pytest.mark.parametrize(
        "text",
        [
            b"SELECT 1;",
            b"SELECT 1 ; ; -- done; really",
            b"SELECT ';', ';;' AS `a;b`, \"c;d\" /* ; */",
            b"SELECT 'it''s; \\'; '",
            b"SELECT $tag$ a;b $tag$",
            b"SELECT 1 # comment; here",
            "SELECT \u2018a;b\u2019".encode(),
        ],
    )
    def test_semicolons_that_end_nothing(self, text: bytes):
        assert parse(text).first == "SELECT"

    @pytest.mark.parametrize("text", [b"SELECT 1; SELECT 2", b"SELECT 1;;x", b"SET a = 1; DROP TABLE t"])
    def test_two_statements_are_refused(self, text: bytes):
        with pytest.raises(ServerError, match="Multi-statements are not allowed") as caught:
            parse(text)
        assert (caught.value.code, caught.value.status) == (62, 400)

    @pytest.mark.parametrize("text", [b"", b" \n", b"-- only a comment", b";"])
    def test_none_is_refused(self, text: bytes):
        with pytest.raises(ServerError, match="Empty query"):
            parse(text)


class TestFormat:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            (b"SELECT 1 FORMAT JSON", "JSON"),
            (b"SELECT 1 format TSV SETTINGS max_threads = 1", "TSV"),
            (b"SELECT format('{}', 1)", None),
            (b"SELECT format FROM t", None),
            (b"SELECT 1 AS format", None),
            (b"SELECT (SELECT 1 FORMAT x)", None),
        ],
    )
    def test_the_clause_at_the_end_counts(self, text: bytes, expected: str | None):
        assert parse(text).format == expected

    def test_it_can_be_taken_out_without_moving_anything(self):
        assert (
            parse(b"SELECT 1 FORMAT CSV SETTINGS a = 1").without_format().text == b"SELECT 1            SETTINGS a = 1"
        )

    def test_settings_given_beside_it_lose_to_its_own(self):
        statement = parse(b"SELECT 1 SETTINGS b = 2")
        assert statement.with_settings(b"a = '1'").text == b"SELECT 1 SETTINGS a = '1', b = 2"
        assert parse(b"SELECT 1").with_settings(b"a = '1'").text == b"SELECT 1 SETTINGS a = '1'"


class TestInsert:
    @pytest.mark.parametrize(
        ("text", "data", "fmt"),
        [
            (b"INSERT INTO t FORMAT TSV 1\t2\n", b"1\t2\n", "TSV"),
            (b"INSERT INTO t FORMAT Native\n\n\x00;\xff", b"\n\x00;\xff", "Native"),
            (b"insert into d.t (format, values) settings x = 1 format JSONEachRow\n{}", b"{}", "JSONEachRow"),
            (b"INSERT INTO t (a) VALUES (1), ('x;y')", b" (1), ('x;y')", "Values"),
            (b"INSERT INTO FUNCTION null('a UInt8') VALUES (1)", b" (1)", "Values"),
        ],
    )
    def test_data_begins_behind_the_format(self, text: bytes, data: bytes, fmt: str):
        statement = parse(text)
        assert statement.data_at is not None
        assert (text[statement.data_at :], statement.format) == (data, fmt)

    @pytest.mark.parametrize(
        "text",
        [b"INSERT INTO t SELECT 1 FORMAT Null", b"INSERT INTO t WITH 1 AS x SELECT x", b"INSERT INTO t (SELECT 1)"],
    )
    def test_a_select_brings_no_data(self, text: bytes):
        assert parse(text).data_at is None

    def test_the_file_stands_before_settings_and_format(self):
        statement = parse(b"INSERT INTO t (a) SETTINGS x = 1 FORMAT CSV\n1")
        assert statement.from_file("/a'b") == (
            b"INSERT INTO t (a)  FROM INFILE '/a\\'b' COMPRESSION 'none' SETTINGS x = 1  FORMAT CSV"
        )


class TestClosed:
    @pytest.mark.parametrize(
        "text",
        [b"SELECT 1 INTO OUTFILE 'x'", b"INSERT INTO t FROM INFILE 'x' FORMAT CSV", b"SELECT * FROM pYthon (x)"],
    )
    def test_for_everybody(self, text: bytes):
        with pytest.raises(ServerError):
            parse(text)

    @pytest.mark.parametrize(
        "text",
        [
            "SELECT * FROM system.mutations",
            'SELECT * FROM "sys\\tem" , system /**/ . /**/ `mutations`',
            "SELECT * FROM \u201csystem\u201d.mutations",
            "WITH x AS (SELECT * FROM uRl ('')) SELECT 1",
            "INSERT INTO t VALUES (1)",
            "EXECUTE AS default SELECT 1",
        ],
    )
    def test_for_other_users(self, text: str):
        with pytest.raises(ServerError) as caught:
            check(DASHBOARDS, "telemetry", parse(text.encode()), frozenset({"url", "numbers"}))
        assert caught.value.code == 497

    @pytest.mark.parametrize(
        "text", ["SELECT url FROM t", "SELECT * FROM numbers(3)", "SELECT name FROM system.tables", "SHOW TABLES"]
    )
    def test_but_not_this(self, text: str):
        check(DASHBOARDS, "telemetry", parse(text.encode()), frozenset({"url", "numbers"}))


class TestErrors:
    def test_the_engines_words_lose_its_repetitions(self):
        raw = (
            "Code: 115. DB::Exception: Code: 115. DB::Exception: Unknown setting 'x'. (UNKNOWN_SETTING) "
            "(version 26.1.2.1). (UNKNOWN_SETTING)"
        )
        error = ServerError.from_engine(RuntimeError(raw))
        assert (error.code, error.status) == (115, 404)
        assert error.body("26.1.2.1") == (
            b"Code: 115. DB::Exception: Unknown setting 'x'. (UNKNOWN_SETTING) (version 26.1.2.1 (official build))\n"
        )

    def test_raw_bytes_are_kept(self):
        raw = b"Code: 395. DB::Exception: \xff\xfe. (FUNCTION_THROW_IF_VALUE_IS_NON_ZERO)"
        error = ServerError.from_engine(UnicodeDecodeError("utf-8", raw, 0, 1, "x"))
        assert error.code == 395 and b"\xff\xfe" in error.text


def test_a_real_server_is_run_with_the_same_configuration(tmp_path: Path):
    found = command(tmp_path / "clickhouse", tmp_path / "data", tmp_path / "config.xml", 8123)
    assert found == [str(tmp_path / "clickhouse"), "server", f"--config-file={tmp_path / 'config.xml'}"]
