"""`telemetry retention`: what it refuses before it touches anything, what it says when ClickHouse can't, its tables."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from clickhouse_connect.driver.client import Client
from rich.console import Console
from typer.testing import CliRunner

from infra.cli import app
from infra.cli import retention as command
from infra.cli.retention_shown import Shown, shown_json, shown_lines, shown_table
from infra.errors import UserError
from infra.tenant_retention.rewrite import Work, rewrite, work
from infra.tenant_retention.stored import Stored

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
NO_ROOM = "Code: 243. DB::Exception: Cannot reserve 2.00 GiB, not enough space (version 26.1.2.1)"


class Server:
    """Answers by a word of the query, one answer after the other (the last one again); remembers what it was told."""

    def __init__(self, **answers: Sequence[Sequence[tuple[Any, ...]]]) -> None:
        self.answers = {word: list(said) for word, said in answers.items()}
        self.told: list[tuple[str, dict[str, Any]]] = []

    def query(self, sql: str, **_: Any) -> Any:
        for word, said in self.answers.items():
            if word in sql:
                found = said.pop(0) if len(said) > 1 else said[0]
                return type("Answer", (), {"result_rows": found})
        return type("Answer", (), {"result_rows": []})

    def command(self, sql: str, settings: dict[str, Any]) -> None:
        self.told.append((sql, settings))


def client(server: Server) -> Client:
    return cast(Client, server)


def run(*words: str) -> str:
    """The error's text."""
    done = CliRunner().invoke(app, ["retention", *words])
    assert done.exit_code == 1 and isinstance(done.exception, UserError), done.output
    return str(done.exception)


# --- refused


@pytest.mark.parametrize("words", [("show",), ("apply", "acme", "--yes")])
def test_a_stack_that_is_not_up_is_said_to_be(words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    def down(name: str) -> None:
        raise UserError(f"the stack {name} is not up")

    monkeypatch.setattr("infra.cli.reach.check_up", down)
    assert run(*words) == "the stack local is not up"
    assert "Pulumi.nobody-s.yaml" in run(*words, "--name", "nobody-s")


@pytest.mark.parametrize("tenant", ["*", ""])
def test_all_tenants_at_once_are_none(tenant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "reach_of", lambda _: pytest.fail("nothing may be opened"))
    assert "retentionRawDays" in run("apply", tenant, "--yes")


def test_a_disk_without_room_for_the_largest_part_is_refused() -> None:
    for free, fits in ((2**30, False), (3 * 2**30, True)):
        server = Server(disk_name=[[("slow", 2, 3 * 2**30, 2 * 2**30, free)]])
        if fits:
            assert [item.part_bytes for item in work(client(server), "acme", 5)] == [3 * 2**30] * 2
            continue
        with pytest.raises(UserError, match=r"the disk slow has 1\.0 GiB free .* 2\.0 GiB .*A disk is full"):
            work(client(server), "acme", 5)


# --- mutations


def todo(rows: int = 1, running: bool = False) -> list[Work]:
    return [Work("spans_raw", rows, 0, 0, 1, 1, running)]


def test_it_says_why_clickhouse_can_t_and_how_to_end_it() -> None:
    server = Server(
        unfinished=[[]],
        mutation_id=[[], [("0000000007", 3, "")], [("0000000007", 3, NO_ROOM)]],
    )
    with pytest.raises(UserError) as refused:
        rewrite(client(server), "acme", 5, todo())
    said = str(refused.value)
    assert "not enough space" in said and "(version" not in said and "0000000007" in said
    assert "KILL MUTATION WHERE table = 'spans_raw'" in said and len(server.told) == 1


def test_it_is_begun_once_in_the_background_and_followed_to_its_end() -> None:
    three, one, none = [("7", 3, "")], [("7", 1, "")], []
    server = Server(mutation_id=[none, three, one, none], **{"SELECT count()": [[(0,)]]})
    seen: list[tuple[str, int, int]] = []
    assert rewrite(client(server), "o'd", 5, todo(), lambda *at: seen.append(at)) == {}
    ((sql, settings),) = server.told
    assert sql == (
        "ALTER TABLE telemetry.spans_raw UPDATE retention_days = 5 WHERE tenant_id = 'o\\'d' AND retention_days != 5"
    )
    assert settings == {"mutations_sync": 0}
    assert seen == [("spans_raw", 0, 3), ("spans_raw", 2, 3), ("spans_raw", 3, 3)]


def test_one_that_runs_is_not_begun_again_and_nothing_is_not_begun() -> None:
    running = Server(mutation_id=[[("7", 3, "")], [("7", 3, "")], []], **{"SELECT count()": [[(0,)]]})
    assert rewrite(client(running), "acme", 5, todo(0, running=True)) == {} and not running.told
    idle = Server(**{"SELECT count()": [[(0,)]]})
    assert rewrite(client(idle), "acme", 5, todo(0)) == {} and not idle.told


def test_rows_that_came_meanwhile_are_told() -> None:
    server = Server(mutation_id=[[]], **{"SELECT count()": [[(4,)], [(0,)]]})
    assert rewrite(client(server), "acme", 5, todo()) == {"spans_raw": 4}


# --- shown


def rows_of(tenant: str, stamped: int, wanted: int, count: int = 12_345_678_901, past: int = 0) -> list[Stored]:
    size = count * 100
    return [
        Stored(table, tenant, stamped, wanted, count, NOON, past, count // 2, size, size // 2)
        for table in ("spans_raw", "events_raw")
    ]


def shown() -> Shown:
    found = Shown({"acme": 10, "new": 4}, "")
    acme = [*rows_of("acme", 0, 10), *rows_of("acme", 10, 10, 5)]
    found.add(180, {"acme": 10, "former": 0, "*": 0}, [*acme, *rows_of("globex", 0, 0, past=1)])
    return found


def test_the_table_fits_80_columns_whole() -> None:
    console = Console(width=80, force_terminal=True, color_system=None)
    with console.capture() as captured:
        console.print(shown_table(shown()), highlight=False)
    text = captured.get()
    assert max(map(len, text.splitlines())) <= 80 and "…" not in text
    for word in ("acme", "globex", "24,691,357,802", "2026-11-30", "stack's 180", "(file: 4)"):
        assert word in " ".join(text.split()), text


def test_each_tenant_with_a_setting_or_a_row_is_listed() -> None:
    told = {item["tenant"]: item for item in shown_json(shown())["tenants"]}
    assert told.keys() == {"acme", "globex", "new"}
    assert [item["stamped_days"] for item in told["acme"]["stored"]] == [0, 10]
    assert (told["new"]["days"], told["new"]["days_in_stack_file"], told["new"]["stored"]) == (0, 4, [])


def test_what_to_do_is_said_for_those_that_need_it() -> None:
    lines = list(shown_lines(shown()))
    assert [line.partition(":")[0] for line in lines] == ["now", "past", "acme", "new"]
    assert "24,691,357,802 rows" in lines[2] and "telemetry retention apply acme" in lines[2]
    assert "the stack file wants 4 days" in lines[3]
