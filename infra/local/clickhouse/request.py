"""An HTTP request taken apart: SQL, an INSERT's data in a file, settings, parameters."""

from __future__ import annotations

import email.parser
import email.policy
import tempfile
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl

from infra.local.clickhouse.compression import Decompressor
from infra.local.clickhouse.errors import ServerError
from infra.local.clickhouse.statement import Statement, parse

HEAD_BYTES = 1 << 20
"""A request's statement is looked for in this much of it; more than that can only be an INSERT's data."""
TEXT_LIMIT = 64 << 20
_NOT_SETTINGS = frozenset(
    [
        "query",
        "database",
        "user",
        "password",
        "quota_key",
        "session_id",
        "session_timeout",
        "session_check",
        "query_id",
        "default_format",
        "compress",
        "decompress",
        "buffer_size",
        "wait_end_of_query",
        "stacktrace",
        "role",
        "client_protocol_version",
        "close_session",
    ]
)


@dataclass
class Request:
    """What the client asks for. Close it: it may hold a file."""

    statement: Statement
    options: dict[str, str]
    """Everything of the URL that is neither a setting nor a parameter."""
    settings: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)
    query_id: str = ""
    data_file: str | None = None

    def flag(self, name: str) -> bool:
        """Whether the option or setting is switched on."""
        return (self.options.get(name) or self.settings.get(name, "0")) not in ("0", "", "false")

    def close(self) -> None:
        """Removes the data file."""
        if self.data_file:
            Path(self.data_file).unlink(missing_ok=True)


def url_fields(query_string: bytes) -> dict[str, str]:
    """The URL's parameters. A later one of the same name wins, as in the server."""
    return dict(parse_qsl(query_string.decode(), keep_blank_values=True, errors="surrogateescape"))


async def read_request(
    fields: Mapping[str, str], headers: Mapping[str, str], body: AsyncIterator[bytes], spool: Path
) -> Request:
    """Reads the body; an INSERT's data goes to a file in `spool` as it comes in. Raises ServerError."""
    fields = dict(fields)
    content = _decoded(body, headers.get("content-encoding", ""))
    if headers.get("content-type", "").startswith("multipart/form-data"):
        form = b"".join([piece async for piece in content])
        fields |= _form_fields(headers["content-type"], form)
        head = bytearray()
    else:
        head = bytearray()
        async for piece in content:
            head += piece
            if len(head) > HEAD_BYTES:
                break
    query = fields.get("query", "").encode(errors="surrogateescape")
    if query and head:
        query += b"\n"
    fmt = headers.get("x-clickhouse-format") or fields.get("default_format", "")
    statement = _parse(query, bytes(head), fmt)
    data_file = None
    if statement.data_at is not None:
        data_file = await _spool((query + head)[statement.data_at :], content, spool)
    elif len(head) > HEAD_BYTES:
        async for piece in content:
            head += piece
            if len(head) > TEXT_LIMIT:
                raise ServerError.make(62, "SYNTAX_ERROR", "Max query size exceeded")
        statement = _parse(query, bytes(head), fmt)
    names = {name.removeprefix("param_"): value for name, value in fields.items() if name.startswith("param_")}
    return Request(
        statement=statement,
        options={name: value for name, value in fields.items() if name in _NOT_SETTINGS and name != "query"},
        settings={k: v for k, v in fields.items() if k not in _NOT_SETTINGS and not k.startswith("param_")},
        parameters=names,
        query_id=fields.get("query_id") or str(uuid.uuid4()),
        data_file=data_file,
    )


def _parse(query: bytes, head: bytes, fmt: str) -> Statement:
    statement = parse(query + head)
    if query.strip() and head and statement.first == "INSERT" and statement.data_at is None:
        alone = parse(query)
        if not any(t.depth == 0 and t.is_word("SELECT", "WITH", "EXECUTE") for t in alone.tokens[2:]):
            # The URL's INSERT names no format: the data's format comes from the header, else it is Values.
            return Statement(alone.text, alone.tokens, fmt or "Values", len(query))
    return statement


async def _decoded(body: AsyncIterator[bytes], encoding: str) -> AsyncIterator[bytes]:
    decompressor = Decompressor(encoding.lower()) if encoding and encoding.lower() != "identity" else None
    async for piece in body:
        if plain := decompressor.feed(piece) if decompressor else piece:
            yield plain


async def _spool(first: bytes, rest: AsyncIterator[bytes], folder: Path) -> str:
    with tempfile.NamedTemporaryFile(dir=folder, prefix="insert-", delete=False) as file:
        try:
            file.write(first)
            async for piece in rest:
                file.write(piece)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
    return file.name


def _form_fields(content_type: str, body: bytes) -> dict[str, str]:
    parser = email.parser.BytesParser(policy=email.policy.HTTP)
    message = parser.parsebytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    fields = {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        if part.get_filename() is not None:
            raise ServerError.make(48, "NOT_IMPLEMENTED", f"External table '{name}': external data is not supported")
        payload = part.get_payload(decode=True)
        fields[str(name)] = payload.decode(errors="surrogateescape") if isinstance(payload, bytes) else ""
    return fields
