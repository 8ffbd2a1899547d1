"""What a request's SQL asks for: its kind, its output format, and where an INSERT's data begins."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass

from infra.local.clickhouse.errors import ServerError
from infra.local.clickhouse.lexer import Lexer, Token
from infra.templates import sql_string

READS = ("SELECT", "WITH", "FROM", "SHOW", "DESCRIBE", "DESC", "EXISTS", "EXPLAIN")
_DATA = re.compile(rb"[ \t\r]*;?[ \t\r]*\n?")


@dataclass(frozen=True)
class Statement:
    """One statement. `text` has no trailing semicolon and, for an INSERT with data, no data."""

    text: bytes
    tokens: tuple[Token, ...]
    format: str | None = None
    """What the FORMAT clause names: of the result, or of an INSERT's data."""
    data_at: int | None = None
    """Where an INSERT's data begins in the request's text; None when the statement brings no data."""

    @property
    def first(self) -> str:
        """The first keyword, in upper case, past opening brackets."""
        return next((t.text.decode().upper() for t in self.tokens if t.kind == "word"), "")

    @property
    def is_query(self) -> bool:
        """Whether it is a SELECT, which the engine can stream."""
        return self.first in ("SELECT", "WITH", "FROM")

    @property
    def reads_only(self) -> bool:
        """Whether nothing is lost by cancelling it."""
        return self.first in READS

    def without_format(self) -> Statement:
        """The same without its FORMAT clause: under EXECUTE AS the engine ignores the clause."""
        at = _format_clause(self.tokens)
        if at is None:
            return self
        cut, end = self.tokens[at].start, self.tokens[at + 1].end
        text = self.text[:cut] + b" " * (end - cut) + self.text[end:]
        return Statement(text, self.tokens[:at] + self.tokens[at + 2 :], self.format)

    def from_file(self, path: str) -> bytes:
        """The INSERT with its data read from a file: the engine has no other door for data of any size."""
        at = next((t.start for t in self.tokens if t.depth == 0 and t.is_word("SETTINGS")), len(self.text))
        source = f" FROM INFILE {sql_string(path)} COMPRESSION 'none' ".encode()
        return self.text[:at] + source + self.text[at:] + f" FORMAT {self.format}".encode()

    def with_settings(self, assignments: bytes) -> Statement:
        """The same with settings of lower precedence than its own SETTINGS clause. No FORMAT clause allowed."""
        last = next((t for t in reversed(self.tokens) if t.depth == 0 and t.is_word("SETTINGS")), None)
        if last is None:
            return Statement(self.text + b" SETTINGS " + assignments, self.tokens, self.format)
        text = self.text[: last.end] + b" " + assignments + b"," + self.text[last.end :]
        return Statement(text, self.tokens, self.format)


def parse(text: bytes) -> Statement:
    """The one statement in `text`. Raises ServerError for none, two, or one that HTTP does not allow."""
    tokens: list[Token] = []
    for token in Lexer(text):
        if token.text == b";" and token.depth <= 0:
            _expect_end(text, token)
            text = text[: token.start]
            break
        tokens.append(token)
        if tokens[0].is_word("INSERT") and token.depth == 0:
            insert = _insert(text, tokens)
            if insert is not None:
                return insert
    if not tokens:
        raise ServerError.make(62, "SYNTAX_ERROR", "Syntax error: failed at position 1 (end of query): . Empty query.")
    _check(tokens)
    at = _format_clause(tokens)
    return Statement(text, tuple(tokens), tokens[at + 1].text.decode() if at is not None else None)


def _insert(text: bytes, tokens: list[Token]) -> Statement | None:
    """The INSERT, once its last token shows where the data begins."""
    last, before = tokens[-1], tokens[-2] if len(tokens) > 1 else None
    if any(t.depth == 0 and t.is_word("SELECT", "WITH", "WATCH", "EXECUTE") for t in tokens[2:]):
        return None
    if last.is_word("VALUES") and len(tokens) > 2:
        return Statement(text[: last.start], tuple(tokens[:-1]), "Values", last.end)
    if before is not None and before.is_word("FORMAT") and last.kind == "word" and len(tokens) > 3:
        _check(tokens)
        gap = _DATA.match(text, last.end)
        data_at = gap.end() if gap else last.end
        return Statement(text[: before.start], tuple(tokens[:-2]), last.text.decode(), data_at)
    return None


def _format_clause(tokens: tuple[Token, ...] | list[Token]) -> int | None:
    """The index of the FORMAT keyword at the statement's end (SETTINGS may follow)."""
    for i in range(len(tokens) - 2, 0, -1):
        if tokens[i].depth == 0 and tokens[i].is_word("FORMAT") and tokens[i + 1].kind == "word":
            if i + 2 == len(tokens) or tokens[i + 2].is_word("SETTINGS"):
                return i
            return None
    return None


def _expect_end(text: bytes, semicolon: Token) -> None:
    for token in Lexer(text[semicolon.end :]):
        if token.text != b";":
            rest = text[semicolon.start : semicolon.start + 80].decode(errors="replace")
            message = (
                "Syntax error (Multi-statements are not allowed): failed at position "
                f"{semicolon.start + 1} (end of query): {rest}."
            )
            raise ServerError.make(62, "SYNTAX_ERROR", message)


def _check(tokens: list[Token]) -> None:
    """Refuses what a server's HTTP interface has no place for, and what would end this process."""
    for here, following in itertools.pairwise(tokens):
        if here.is_word("INTO") and following.is_word("OUTFILE"):
            raise ServerError.make(358, "INTO_OUTFILE_NOT_ALLOWED", "INTO OUTFILE is not allowed")
        if here.is_word("FROM") and following.is_word("INFILE"):
            message = "Query has infile and was send directly to server"
            raise ServerError.make(48, "NOT_IMPLEMENTED", message)
        if (here.name or "").lower() == "python" and following.text == b"(":
            # chdb's own table function reads this process's variables, and aborts it on bad input.
            raise ServerError.make(46, "UNKNOWN_FUNCTION", "Unknown table function Python")
    words = [t.text.upper() for t in tokens[:4]]
    if words[0] in (b"CREATE", b"REPLACE") and b"TEMPORARY" in words:
        message = "Temporary tables need a session that lasts, which this HTTP interface does not keep"
        raise ServerError.make(48, "NOT_IMPLEMENTED", message)
    if words[:2] == [b"EXECUTE", b"AS"] and len(tokens) == 3:
        message = "EXECUTE AS without a statement drops the user's profile; put the statement behind it"
        raise ServerError.make(48, "NOT_IMPLEMENTED", message)
