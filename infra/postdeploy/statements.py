"""ClickHouse SQL text cut into statements, and the names of the objects that a CREATE statement makes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256

_TOKEN = re.compile(
    r"""
    (?P<space>\s+)
  | (?P<comment>--[^\n]*|\#[ !][^\n]*|/\*.*?\*/)
  | (?P<string>'(?:[^'\\]|\\.|'')*')
  | (?P<quoted>`(?:[^`\\]|\\.|``)*`|"(?:[^"\\]|\\.|"")*")
  | (?P<heredoc>\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)
  | (?P<word>[A-Za-z_][A-Za-z0-9_$]*)
  | (?P<open>/\*|['"`])
  | (?P<punct>.)
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True)
class Token:
    """A significant token: neither space nor comment."""

    kind: str
    text: str
    start: int
    end: int

    @property
    def name(self) -> str | None:
        """The identifier that it spells, quoted or not."""
        if self.kind == "word":
            return self.text
        if self.kind == "quoted":
            return re.sub(r"\\(.)", r"\1", self.text[1:-1], flags=re.DOTALL)
        return None

    def is_word(self, *words: str) -> bool:
        """Whether it is one of the bare words, given in upper case."""
        return self.kind == "word" and self.text.upper() in words


def tokens(sql: str) -> Iterator[Token]:
    """The significant tokens of `sql`. Raises ValueError at a quote or a comment that is never closed."""
    for match in _TOKEN.finditer(sql):
        kind = "heredoc" if match.lastgroup == "tag" else match.lastgroup or "punct"
        if kind == "open":
            line = sql.count("\n", 0, match.start()) + 1
            raise ValueError(f"line {line}: {match.group()} is opened and never closed")
        if kind not in ("space", "comment"):
            yield Token(kind, match.group(), match.start(), match.end())


def split(sql: str) -> list[str]:
    """The statements of `sql` without the semicolons and what is only comment. Raises ValueError as `tokens` does."""
    statements: list[str] = []
    first = last = None
    for token in tokens(sql):
        if token.kind == "punct" and token.text == ";":
            if first is not None:
                statements.append(sql[first:last])
            first = None
            continue
        first = token.start if first is None else first
        last = token.end
    if first is not None:
        statements.append(sql[first:last])
    return statements


def checksum(text: str) -> str:
    """The sha256 of `text`, in hex."""
    return sha256(text.encode()).hexdigest()


def excerpt(sql: str, width: int = 160) -> str:
    """The beginning of a statement on one line, for messages."""
    line = " ".join(sql.split())
    return line if len(line) <= width else line[: width - 1] + "…"


@dataclass(frozen=True)
class Created:
    """What one CREATE statement makes."""

    database: str
    name: str
    kind: str
    """table, view, materialized view or dictionary."""
    engine: str
    """The table's engine, '' for the others."""
    columns_at: int
    """For a materialized view with TO and without a column list: where in the text the list would stand. Else -1."""
    select_at: int
    """Where the SELECT begins; -1 without one."""
    reads: frozenset[tuple[str, str]]
    """Every name.name pair in the text: contains the tables that a view reads from."""


def created(sql: str) -> Created | None:
    """What the statement creates in a database; None when it is no such CREATE."""
    found = list(tokens(sql))
    if not found or not found[0].is_word("CREATE", "ATTACH"):
        return None
    words = ("TABLE", "VIEW", "DICTIONARY")
    at = next((i for i, token in enumerate(found[:5]) if token.is_word(*words)), None)
    if at is None:
        return None
    kind = found[at].text.lower()
    if kind == "view" and found[at - 1].is_word("MATERIALIZED"):
        kind = "materialized view"
    at += 1
    if found[at].is_word("IF"):
        at += 3
    database, name, at = _qualified(found, at)
    columns_at = select_at = -1
    if found[at].is_word("TO"):
        _, _, at = _qualified(found, at + 1)
        if found[at].is_word("AS"):
            columns_at = found[at - 1].end
    engine = ""
    depth = 0
    for token, after in zip(found[at:], [*found[at + 1 :], None], strict=True):
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth == 0 and token.is_word("ENGINE") and not engine and select_at < 0:
            position = found.index(token) + (2 if after and after.text == "=" else 1)
            engine = found[position].text
        if depth == 0 and token.is_word("AS") and after and select_at < 0 and after.is_word("SELECT", "WITH"):
            select_at = after.start
    pairs = frozenset(
        (str(left.name), str(right.name))
        for left, dot, right in zip(found, found[1:], found[2:], strict=False)
        if dot.text == "." and left.name and right.name
    )
    return Created(database, name, kind, engine, columns_at, select_at, pairs - {(database, name)})


def _qualified(found: list[Token], at: int) -> tuple[str, str, int]:
    """The name at `at`, with its database ('' without one), and the place after it."""
    if at + 2 < len(found) and found[at + 1].text == ".":
        return str(found[at].name), str(found[at + 2].name), at + 3
    return "", str(found[at].name), at + 1
