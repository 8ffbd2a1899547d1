"""Migration files, and what is left to run by the record: no database involved."""

from pathlib import Path

import pytest

from infra.errors import UserError
from infra.postdeploy.migration_runner import Applied, pending
from infra.postdeploy.migration_steps import MigrationProvider
from infra.postdeploy.migrations import Migration, migration_files
from infra.postdeploy.statements import checksum

GOOD = "-- What it is for.\n-- kind: metadata\nSELECT {{ number }};\n"


def folder(tmp_path: Path, **files: str) -> Path:
    for name, text in files.items():
        (tmp_path / f"{name.removeprefix('m')}.sql").write_text(text)
    return tmp_path


def test_files_are_read_in_order_with_kind_and_a_checksum_of_the_template(tmp_path: Path):
    files = migration_files(folder(tmp_path, m0002_b=GOOD.replace("metadata", "rewrite"), m0001_a=GOOD))
    assert [(file.number, file.name, file.kind) for file in files] == [
        (1, "0001_a", "metadata"),
        (2, "0002_b", "rewrite"),
    ]
    assert files[0].checksum == files[0].rendered({"number": 7}).checksum == checksum(GOOD)
    assert files[0].rendered({"number": 7}).statements() == ["SELECT 7"]


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"mfirst": GOOD}, ["first.sql", "NNNN_"]),
        ({"m0001_Big": GOOD}, ["0001_Big.sql", "NNNN_"]),
        ({"m0001_a": GOOD, "m0003_c": GOOD}, ["0003_c.sql", "0002 is missing"]),
        ({"m0002_b": GOOD}, ["0002_b.sql", "0001 is missing"]),
        ({"m0001_a": GOOD, "m0001_b": GOOD}, ["0001_a.sql", "0001_b.sql", "same number"]),
        ({"m0001_a": "SELECT 1;"}, ["0001_a.sql", "kind"]),
        ({"m0001_a": GOOD + "-- kind: delete\n"}, ["0001_a.sql", "2 lines"]),
        ({"m0001_a": GOOD.replace("metadata", "magic")}, ["0001_a.sql", "'magic'", "rewrite"]),
        ({"m0001_a": GOOD + "{% import 'macros/x.sql' as x %}"}, ["0001_a.sql", "macros/x.sql", "checksum"]),
        ({"m0001_a": GOOD + "{% include 'x.sql' %}"}, ["0001_a.sql", "x.sql", "checksum"]),
        ({"m0001_a": GOOD + "{% import 'macros/' ~ x as x %}"}, ["0001_a.sql", "a file", "checksum"]),
        ({"m0001_a": GOOD + "{% if %}"}, ["0001_a.sql"]),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, files: dict[str, str], words: list[str]):
    with pytest.raises(UserError) as error:
        migration_files(folder(tmp_path, **files))
    assert all(word in str(error.value) for word in words), str(error.value)


def test_an_unknown_placeholder_an_open_quote_and_an_empty_file_are_named(tmp_path: Path):
    files = migration_files(folder(tmp_path, m0001_a=GOOD, m0002_b=GOOD + "SELECT 'x", m0003_c="-- kind: delete\n"))
    for file, values, word in (
        (files[0], {}, "number"),
        (files[1], {"number": 1}, "line 4"),
        (files[2], {}, "no stat"),
    ):
        with pytest.raises(UserError, match=word) as error:
            file.rendered(values).statements()
        assert file.path.name in str(error.value)


def test_an_edited_macro_changes_the_checksum_of_its_migration(tmp_path: Path):
    """A macro can only stand in the migration itself, so a later edit of it is refused as an edited past."""
    macro = GOOD + "{% macro column() %}a UInt8{% endmacro %}\nSELECT '{{ column() }}';\n"
    before = migration_files(folder(tmp_path, m0001_a=macro))[0]
    after = migration_files(folder(tmp_path, m0001_a=macro.replace("UInt8", "UInt16")))[0]
    record = {1: Applied("0001_a", before.checksum, True, {})}
    assert pending(record, [before.rendered({"number": 1})]) == []
    with pytest.raises(UserError) as error:
        pending(record, [after.rendered({"number": 1})])
    assert all(word in str(error.value) for word in ("0001_a", before.checksum, after.checksum))


def migration(number: int, sql: str = "SELECT 1; SELECT 2", file_checksum: str = "c") -> Migration:
    return Migration(number, f"{number:04}_m", "metadata", file_checksum, sql)


def applied(number: int, statements: list[str], finished: bool, file_checksum: str = "c") -> Applied:
    sums = {index: checksum(statement) for index, statement in enumerate(statements, start=1)}
    return Applied(f"{number:04}_m", file_checksum, finished, sums)


def test_without_a_record_everything_is_pending():
    left = pending({}, [migration(1), migration(2)])
    assert [(todo.migration.number, todo.remaining) for todo in left] == [(n, ["SELECT 1", "SELECT 2"]) for n in (1, 2)]


def test_an_interrupted_migration_continues_with_the_next_statement():
    left = pending({1: applied(1, ["SELECT 1"], finished=False)}, [migration(1)])
    assert [todo.remaining for todo in left] == [["SELECT 2"]]


def test_a_failed_statement_can_be_corrected_but_not_one_that_was_applied():
    record = {1: applied(1, ["SELECT 1"], finished=False, file_checksum="old")}
    assert pending(record, [migration(1, "SELECT 1; SELECT 3")])[0].remaining == ["SELECT 3"]
    with pytest.raises(UserError, match="statement 1 was edited"):
        pending(record, [migration(1, "SELECT 9; SELECT 3")])


def test_a_setting_that_changes_the_text_of_an_interrupted_migration_repeats_from_there():
    left = pending({1: applied(1, ["SELECT 0"], finished=False)}, [migration(1)])
    assert left[0].remaining == ["SELECT 1", "SELECT 2"]


def test_a_finished_migration_whose_rendered_text_changed_is_not_pending():
    assert pending({1: applied(1, ["SELECT 8080"], finished=True)}, [migration(1, "SELECT 9090")]) == []


def test_an_edited_past_is_refused_with_its_name_and_both_checksums():
    with pytest.raises(UserError) as error:
        pending({1: applied(1, ["SELECT 1"], True, "before")}, [migration(1, "SELECT 1", "now")])
    assert all(word in str(error.value) for word in ("0001_m", "before", "now"))


def test_a_file_that_is_gone_or_renamed_or_late_is_refused():
    done = {1: applied(1, ["x"], True), 2: applied(2, ["x"], True)}
    with pytest.raises(UserError, match="no file 0002"):
        pending(done, [migration(1)])
    with pytest.raises(UserError, match="0001_m is not applied but 0002_m is"):
        pending({2: done[2]}, [migration(1), migration(2)])
    with pytest.raises(UserError, match="was applied as 0001_m and is now 0001_other"):
        pending(done, [Migration(1, "0001_other", "metadata", "c", "x"), migration(2)])


def test_the_preview_refuses_an_edited_past_and_ignores_a_changed_rendering():
    address = {"clickhouse": {"host": "h", "port": 1}, "clickhouse_access": {}}
    old = {"number": 1, "name": "0001_m", "kind": "metadata", "checksum": "aaa", "sql": "SELECT 1", **address}
    provider = MigrationProvider()
    failures = provider.check(old, {**old, "checksum": "bbb"}).failures
    assert len(failures) == 1 and all(word in failures[0].reason for word in ("0001_m", "aaa", "bbb"))
    assert not provider.check({}, old).failures
    assert provider.diff("0001_m", old, {**old, "sql": "SELECT 2"}).changes is False
    assert provider.diff("0001_m", old, {**old, "clickhouse": {"host": "h", "port": 2}}).changes is True
