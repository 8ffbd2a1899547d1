"""The HTTP interface as curl and HTTP drivers use it: the requests, answers and errors of a ClickHouse server."""

from __future__ import annotations

import gzip
import json
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import lz4.frame
import pytest

from tests.pipeline.clickhouse_front import Front, running_front  # noqa: F401

SLOW = "SELECT count() FROM numbers(1000000000000) WHERE NOT ignore(sipHash64(number))"


def wait_until(condition, seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


class TestAsking:
    def test_the_body_is_the_statement(self, front: Front):
        assert front.post("SELECT 1, 'é'").text == "1\té\n"

    def test_the_url_is_the_statement(self, front: Front):
        assert front.get(query="SELECT 2").text == "2\n"

    def test_url_and_body_are_joined(self, front: Front):
        assert front.post("+ 1", query="SELECT 2").text == "3\n"

    def test_a_get_without_a_statement_says_ok(self, front: Front):
        assert front.get().text == "Ok.\n"

    def test_default_format_is_for_statements_that_name_none(self, front: Front):
        assert front.sql("SELECT 1 AS x", default_format="JSONEachRow") == '{"x":1}\n'
        assert front.sql("SELECT 1 AS x FORMAT CSV", default_format="JSONEachRow") == "1\n"

    def test_the_format_clause_takes_any_format(self, front: Front):
        answer = json.loads(front.sql("SELECT number AS n FROM numbers(200000) FORMAT JSON"))
        assert answer["rows"] == 200000
        assert answer["data"][-1] == {"n": 199999} or answer["data"][-1] == {"n": "199999"}
        lines = front.sql("SELECT number AS n FROM numbers(200000) FORMAT CSVWithNames").splitlines()
        assert lines[0] == '"n"' and len(lines) == 200001 and lines[-1] == "199999"

    def test_parameters_are_bound_never_pasted(self, front: Front):
        text = r"it's a \t tab; DROP"
        answer = front.sql("SELECT {s:String}, {n:UInt64} + 1", param_s=text.replace("\\", "\\\\"), param_n="41")
        assert answer == "it\\'s a \\\\t tab; DROP\t42\n"

    def test_a_parameter_of_the_wrong_type_is_refused(self, front: Front):
        answer = front.post("SELECT {n:UInt64}", param_n="x")
        assert (answer.status, answer.headers["X-ClickHouse-Exception-Code"]) == (500, "457")

    def test_raw_bytes_pass_in_both_directions(self, front: Front):
        assert front.post(b"SELECT 'a\xff\x01'").data == b"a\xff\x01\n"
        assert front.post("SELECT unhex('FF00FE80') FORMAT RowBinary").data == b"\x04\xff\x00\xfe\x80"

    def test_settings_are_url_parameters_of_one_request(self, front: Front):
        assert front.sql("SELECT getSetting('max_threads')", max_threads="7") == "7\n"
        assert front.sql("SELECT getSetting('max_block_size')", max_block_size="77") == "77\n"
        assert front.sql("SELECT getSetting('max_block_size')") != "77\n"

    def test_the_database_is_of_one_request(self, front: Front):
        assert front.sql("SELECT currentDatabase()", database="telemetry") == "telemetry\n"
        assert front.sql("SELECT currentDatabase()") == "default\n"

    def test_a_session_remembers_set_and_use(self, front: Front):
        front.sql("SET max_threads = 3", session_id="s1")
        front.sql("USE telemetry", session_id="s1")
        assert front.sql("SELECT getSetting('max_threads'), currentDatabase()", session_id="s1") == "3\ttelemetry\n"
        assert front.sql("SELECT currentDatabase()", session_id="s2") == "default\n"

    def test_a_lost_session_is_told_when_asked_for(self, front: Front):
        assert front.post("SELECT 1", session_id="lost", session_check="1").headers["X-ClickHouse-Exception-Code"] == (
            "372"
        )


class TestAnswering:
    def test_the_headers_tell_about_the_query(self, front: Front):
        headers = front.post("SELECT 1 FROM numbers(5) FORMAT CSV", query_id="mine").headers
        assert headers["X-ClickHouse-Query-Id"] == "mine"
        assert headers["X-ClickHouse-Format"] == "CSV"
        assert headers["X-ClickHouse-Timezone"] in ("UTC", "Etc/UTC")
        summary = json.loads(headers["X-ClickHouse-Summary"])
        assert (summary["read_rows"], summary["result_rows"]) == ("5", "5")

    @pytest.mark.parametrize("encoding", ["gzip", "deflate", "lz4", "zstd"])
    def test_results_are_compressed_when_asked(self, front: Front, encoding: str):
        sql = "SELECT number FROM numbers(300000)"
        plain = front.post(sql).data
        url = {"enable_http_compression": "1"}
        answer = front.request("POST", sql, {"Accept-Encoding": encoding}, **url)
        assert answer.headers["Content-Encoding"] == encoding
        if encoding == "lz4":  # the others are undone by the HTTP client
            answer.data = lz4.frame.decompress(answer.data)
        elif encoding == "zstd" and answer.data != plain:
            from backports import zstd

            answer.data = zstd.decompress(answer.data)
        assert answer.data == plain

    def test_results_are_not_compressed_unasked(self, front: Front):
        answer = front.request("POST", "SELECT 1", {"Accept-Encoding": "gzip"})
        assert "Content-Encoding" not in answer.headers

    def test_a_large_result_is_streamed(self, front: Front):
        with socket.create_connection(("127.0.0.1", front.port)) as client:
            sql = b"SELECT number, repeat('x', 100) FROM numbers(1000000000000)"
            client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(sql), sql))
            assert client.recv(65536).startswith(b"HTTP/1.1 200")
        # The client has gone without reading on: the engine must not go on for ever.
        assert wait_until(lambda: "1000000000000" not in front.sql("SELECT query FROM system.processes"))

    def test_an_error_after_the_first_rows_cannot_pass_for_the_end(self, front: Front):
        sql = "SELECT number, throwIf(number = 900000, 'late') FROM numbers(1000000) SETTINGS max_threads = 1"
        with socket.create_connection(("127.0.0.1", front.port)) as client:
            body = sql.encode()
            client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
            answer = b""
            while piece := client.recv(1 << 20):
                answer += piece
        assert b"__exception__" in answer and b"FUNCTION_THROW_IF_VALUE_IS_NON_ZERO" in answer
        assert not answer.endswith(b"0\r\n\r\n"), "a chunked answer that is cut off must not be ended"

    def test_waiting_for_the_end_turns_a_late_error_into_a_status(self, front: Front):
        sql = "SELECT number, throwIf(number = 900000) FROM numbers(1000000)"
        assert front.post(sql, wait_end_of_query="1").status == 500


class TestRefusing:
    @pytest.mark.parametrize(
        ("sql", "status", "code"),
        [
            ("SELECT 1; SELECT 2", 400, 62),
            ("SELECT nope", 404, 47),
            ("SELECT * FROM nope", 404, 60),
            ("SELEC 1", 400, 62),
            ("", 400, 62),
            ("SELECT throwIf(1)", 500, 395),
            ("SELECT 1 INTO OUTFILE '/tmp/x'", 500, 358),
            ("INSERT INTO t FROM INFILE '/etc/passwd' FORMAT CSV", 501, 48),
            ("CREATE TEMPORARY TABLE t (a UInt8)", 501, 48),
            ("SELECT * FROM Python('x')", 404, 46),
            ("EXECUTE AS dashboards", 501, 48),
        ],
    )
    def test_errors_have_the_servers_code_and_status(self, front: Front, sql: str, status: int, code: int):
        answer = front.post(sql)
        assert (answer.status, answer.headers["X-ClickHouse-Exception-Code"]) == (status, str(code)), answer.text
        assert answer.text.startswith(f"Code: {code}. DB::Exception: ") and "(version 26." in answer.text
        assert "query_id:" not in answer.text

    def test_a_semicolon_within_a_literal_or_comment_is_none(self, front: Front):
        assert front.sql("SELECT ';', \"x;\" FROM (SELECT 1 AS `x;`) -- ; \n ; -- end") == ";\t1\n"

    def test_an_unknown_setting_is_refused(self, front: Front):
        answer = front.post("SELECT 1", no_such_setting="1")
        assert (answer.status, answer.headers["X-ClickHouse-Exception-Code"]) == (404, "115")
        assert "Unknown setting 'no_such_setting'" in answer.text

    def test_an_unknown_database_is_refused(self, front: Front):
        assert front.post("SELECT 1", database="nope").headers["X-ClickHouse-Exception-Code"] == "81"

    def test_an_error_that_quotes_raw_bytes_comes_through(self, front: Front):
        answer = front.post("SELECT throwIf(1, unhex('FFFE'))")
        assert answer.status == 500 and b"\xff\xfe" in answer.data

    def test_a_get_cannot_write(self, front: Front):
        answer = front.get(query="CREATE TABLE t_get (a UInt8) ENGINE = Memory")
        assert (answer.status, answer.headers["X-ClickHouse-Exception-Code"]) == (500, "164")

    def test_readonly_1_can_neither_write_nor_set(self, front: Front):
        create = front.post("CREATE TABLE t_ro (a UInt8) ENGINE = Memory", readonly="1")
        change = front.post("SELECT 1 SETTINGS max_threads = 1", readonly="1")
        assert [a.headers["X-ClickHouse-Exception-Code"] for a in (create, change)] == ["164", "164"]

    def test_an_unknown_content_encoding_is_refused(self, front: Front):
        answer = front.request("POST", b"x", {"Content-Encoding": "snappy"})
        assert answer.headers["X-ClickHouse-Exception-Code"] == "89"

    def test_a_body_that_is_not_what_its_encoding_says_is_refused(self, front: Front):
        answer = front.request("POST", b"no gzip", {"Content-Encoding": "gzip"})
        assert answer.headers["X-ClickHouse-Exception-Code"] == "271"


class TestInserting:
    @pytest.fixture
    def table(self, front: Front) -> str:
        front.sql("CREATE OR REPLACE TABLE t (a UInt64, b String) ENGINE = MergeTree ORDER BY a")
        return "t"

    def test_statement_in_the_url_data_in_the_body(self, front: Front, table: str):
        answer = front.post('{"a":1,"b":"x;y"}\n', query=f"INSERT INTO {table} FORMAT JSONEachRow")
        assert json.loads(answer.headers["X-ClickHouse-Summary"])["written_rows"] == "1"
        assert front.sql(f"SELECT * FROM {table}") == "1\tx;y\n"

    def test_statement_and_data_in_the_body(self, front: Front, table: str):
        front.sql(f"INSERT INTO {table} (a, b) FORMAT TabSeparated\n1\tx\n2\ty\n")
        front.sql(f"INSERT INTO {table} (b, a) VALUES ('z;', 3), (lower('Q'), 2 + 2);")
        front.sql(f"INSERT INTO {table} SETTINGS max_threads = 1 FORMAT CSV 5,e\n")
        assert front.sql(f"SELECT * FROM {table} ORDER BY a") == "1\tx\n2\ty\n3\tz;\n4\tq\n5\te\n"

    def test_insert_select(self, front: Front, table: str):
        front.sql(f"INSERT INTO {table} SELECT number, 'n' FROM numbers(3)")
        assert front.sql(f"SELECT count() FROM {table}") == "3\n"

    @pytest.mark.parametrize("encoding", ["gzip", "lz4"])
    def test_large_compressed_native_data(self, front: Front, table: str, encoding: str):
        native = front.post("SELECT number AS a, unhex('FF00') AS b FROM numbers(500000) FORMAT Native").data
        packed = gzip.compress(native, 1) if encoding == "gzip" else lz4.frame.compress(native)
        body = f"INSERT INTO {table} FORMAT Native\n".encode()
        in_url = front.request("POST", packed, {"Content-Encoding": encoding}, query=body.decode().strip())
        assert in_url.status == 200, in_url.data
        assert front.post(body + native).status == 200
        assert front.sql(f"SELECT count(), sum(a), min(hex(b)) FROM {table}") == "1000000\t249999500000\tFF00\n"

    def test_bad_data_stores_nothing_and_leaves_no_file(self, front: Front, table: str):
        assert front.post("1\tx\nnot a number\ty\n", query=f"INSERT INTO {table} FORMAT TSV").status == 400
        assert front.sql(f"SELECT count() FROM {table}") == "0\n"
        assert list((front.folder / "data" / "http").iterdir()) == []


class TestTogether:
    def test_statements_run_at_the_same_time(self, front: Front):
        started = time.monotonic()
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda _: front.sql("SELECT sleep(3)"), range(8)))
        assert time.monotonic() - started < 20, "24 s, one after the other"

    def test_a_long_statement_blocks_nobody_and_ends_with_its_client(self, front: Front):
        with socket.create_connection(("127.0.0.1", front.port)) as client:
            body = SLOW.encode()
            client.sendall(
                b"POST /?query_id=long HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
            )
            running = "SELECT count() FROM system.processes WHERE query LIKE '%query_id: long%'"
            # The question itself contains the text, so it counts itself.
            assert wait_until(lambda: front.sql(running) == "2\n")
            assert front.sql("SELECT 1") == "1\n"
        assert wait_until(lambda: front.sql(running) == "1\n")

    def test_kill_query_finds_a_statement_by_its_id(self, front: Front):
        with ThreadPoolExecutor(1) as threads:
            slow = threads.submit(front.post, SLOW, query_id="to-kill")
            kill = (
                "KILL QUERY WHERE query LIKE '%query_id: to-kill *%' AND elapsed > 0.5 AND query LIKE 'SELECT%' ASYNC"
            )
            # chdb loses a kill that comes while the statement is being planned, hence `elapsed`.
            assert wait_until(lambda: front.sql(kill) == "" and slow.done())
            assert slow.result().headers["X-ClickHouse-Exception-Code"] == "394"


class TestLiving:
    def test_data_and_kafka_tables_survive_restarts_and_kills(self, tmp_path: Path):
        front = Front(tmp_path)
        front.start()
        front.sql("CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a SETTINGS storage_policy = 'tiered'")
        front.sql("INSERT INTO t VALUES (1)")
        front.sql("ALTER TABLE t MOVE PARTITION tuple() TO VOLUME 's3'")
        started = time.monotonic()
        front.sql(
            "CREATE TABLE k (a UInt8) ENGINE = Kafka SETTINGS kafka_broker_list = '127.0.0.1:1', "
            "kafka_topic_list = 'x', kafka_group_name = 'g', kafka_format = 'JSONEachRow'"
        )
        front.sql("CREATE MATERIALIZED VIEW v TO t AS SELECT a FROM k")
        assert time.monotonic() - started < 5, "a broker that is not there must not hold up the server"
        size = "SELECT value FROM system.metrics WHERE metric = 'BackgroundMessageBrokerSchedulePoolSize'"
        assert front.sql(size) == "2\n"
        assert front.stop() == 0
        front.start()
        assert front.sql("SELECT a FROM t") == "1\n"
        assert front.sql("SELECT disk_name FROM system.parts WHERE active AND database = 'default'") == "s3\n"
        assert front.stop(signal.SIGKILL) == -signal.SIGKILL
        front.start()
        assert front.sql("SELECT a FROM t") == "1\n"
        assert front.stop() == 0

    def test_sigterm_ends_it_although_a_statement_runs(self, tmp_path: Path):
        front = Front(tmp_path)
        front.start()
        with ThreadPoolExecutor(1) as threads:
            slow = threads.submit(front.post, SLOW)
            assert wait_until(lambda: "1000000000000" in front.sql("SELECT query FROM system.processes LIMIT 1"))
            started = time.monotonic()
            assert front.stop() == 0
            assert time.monotonic() - started < 15
            assert slow.exception() is not None or slow.result().status != 200
