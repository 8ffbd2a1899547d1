"""Cutting SQL into statements, and reading off what a CREATE statement makes."""

import pytest

from infra.postdeploy.statements import created, excerpt, split


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT 1; SELECT 2;", ["SELECT 1", "SELECT 2"]),
        ("SELECT 1", ["SELECT 1"]),
        ("SELECT ';', 'it''s; \\'; x';SELECT 2", ["SELECT ';', 'it''s; \\'; x'", "SELECT 2"]),
        ('SELECT `a;b`, "c;""d";', ['SELECT `a;b`, "c;""d"']),
        ("-- one; two\nSELECT 1 /* ; */ + 1; # three; four\n", ["SELECT 1 /* ; */ + 1"]),
        ("SELECT $$a;'b$$; SELECT $tag$;$$;$tag$", ["SELECT $$a;'b$$", "SELECT $tag$;$$;$tag$"]),
        (";;\n-- nothing\n;", []),
        ("SELECT 'ü;😀';SELECT 2", ["SELECT 'ü;😀'", "SELECT 2"]),
    ],
)
def test_semicolons_divide_only_outside_of_quotes_comments_and_heredocs(sql: str, expected: list[str]):
    assert split(sql) == expected


@pytest.mark.parametrize(("sql", "sign"), [("SELECT\n'open", "'"), ("SELECT\n/* open", "/*"), ("SELECT\n`open", "`")])
def test_what_is_never_closed_is_named_with_its_line(sql: str, sign: str):
    with pytest.raises(ValueError, match="line 2") as error:
        split(sql)
    assert sign in str(error.value)


def test_a_table_is_read_with_its_engine():
    made = created("CREATE TABLE IF NOT EXISTS db.`k t` (engine String DEFAULT 'x') ENGINE = Kafka SETTINGS a = 1")
    assert made and (made.database, made.name, made.kind, made.engine) == ("db", "k t", "table", "Kafka")


def test_a_view_is_read_with_where_its_columns_and_its_select_go():
    sql = "CREATE MATERIALIZED VIEW IF NOT EXISTS db.v TO db.t AS WITH 1 AS x SELECT x FROM db.s WHERE f(db.q) = 1"
    made = created(sql)
    assert made and made.kind == "materialized view" and made.engine == ""
    assert sql[: made.columns_at].endswith("TO db.t") and sql[made.select_at :].startswith("WITH 1")
    assert ("db", "s") in made.reads and ("db", "v") not in made.reads


def test_a_view_with_a_column_list_needs_no_other():
    made = created("CREATE MATERIALIZED VIEW db.v TO db.t (x UInt8) AS SELECT x FROM db.s")
    assert made and made.columns_at == -1 and made.select_at > 0


def test_other_statements_create_nothing():
    assert created("ALTER TABLE db.t ADD COLUMN x UInt8") is None
    assert created("CREATE USER someone") is None


def test_an_excerpt_is_one_line_of_bounded_length():
    assert excerpt("SELECT\n   1") == "SELECT 1"
    assert len(excerpt("x " * 1000)) == 160
