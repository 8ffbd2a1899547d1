"""Tokens of ClickHouse SQL: enough to find clauses and the end of a statement, nothing more."""

from __future__ import annotations

import re
from dataclasses import dataclass

# ClickHouse also takes typographic quotes and the typographic minus: leaving them out would let an
# identifier slip past the checks that are made on tokens.
_TOKEN = re.compile(
    rb"""
    (?P<space>[\s\0]+)
  | (?P<comment>(?:--|(?:\xe2\x88\x92){2})[^\n]*|\#[ !][^\n]*|/\*.*?(?:\*/|\Z))
  | (?P<string>'(?:[^'\\]|\\.|'')*'|\xe2\x80\x98.*?\xe2\x80\x99)
  | (?P<quoted>`(?:[^`\\]|\\.|``)*`|"(?:[^"\\]|\\.|"")*"|\xe2\x80\x9c.*?\xe2\x80\x9d)
  | (?P<heredoc>\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)
  | (?P<word>[A-Za-z_][A-Za-z0-9_$]*)
  | (?P<number>[0-9][A-Za-z0-9_.]*)
  | (?P<punct>.)
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Token:
    """A token with its place in the text and the depth of brackets around it."""

    kind: str
    text: bytes
    start: int
    end: int
    depth: int

    def is_word(self, *words: str) -> bool:
        """Whether this is one of the bare words (given in upper case)."""
        return self.kind == "word" and self.text.upper().decode() in words

    @property
    def name(self) -> str | None:
        """The identifier that this token spells, quoted or not; None when it is no identifier."""
        if self.kind == "word":
            return self.text.decode()
        if self.kind == "quoted":
            body = self.text[3:-3] if self.text[:1] == b"\xe2" else self.text[1:-1]
            return re.sub(rb"\\(.)", rb"\1", body, flags=re.DOTALL).decode(errors="replace")
        return None


class Lexer:
    """Iterates over the significant tokens (no space, no comments) of a text."""

    def __init__(self, text: bytes):
        self._text = text

    def __iter__(self):
        depth = 0
        for match in _TOKEN.finditer(self._text):
            kind = match.lastgroup or "punct"
            if kind == "tag":
                kind = "heredoc"
            if kind in ("space", "comment"):
                continue
            text = match.group()
            if text in (b")", b"]", b"}"):
                depth -= 1
            yield Token(kind, text, match.start(), match.end(), depth)
            if text in (b"(", b"[", b"{"):
                depth += 1
