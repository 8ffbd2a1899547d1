"""ClickHouse's exceptions as the HTTP interface reports them: code, name, text, HTTP status."""

from __future__ import annotations

import re

# The mapping of ClickHouse's own exceptionCodeToHTTPStatus.
_STATUS = {
    400: "BAD_ARGUMENTS CANNOT_COMPILE_REGEXP CANNOT_PARSE_TEXT CANNOT_PARSE_ESCAPE_SEQUENCE "
    "CANNOT_PARSE_QUOTED_STRING CANNOT_PARSE_DATE CANNOT_PARSE_DATETIME CANNOT_PARSE_NUMBER "
    "CANNOT_PARSE_DOMAIN_VALUE_FROM_STRING CANNOT_PARSE_IPV4 CANNOT_PARSE_IPV6 CANNOT_PARSE_UUID "
    "CANNOT_PARSE_INPUT_ASSERTION_FAILED DUPLICATE_COLUMN ILLEGAL_COLUMN UNKNOWN_ELEMENT_IN_AST "
    "UNKNOWN_TYPE_OF_AST_NODE TOO_DEEP_AST TOO_BIG_AST UNEXPECTED_AST_STRUCTURE SYNTAX_ERROR "
    "INCORRECT_DATA TYPE_MISMATCH VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE",
    401: "REQUIRED_PASSWORD",
    403: "UNKNOWN_USER WRONG_PASSWORD AUTHENTICATION_FAILED SET_NON_GRANTED_ROLE",
    404: "THERE_IS_NO_COLUMN UNKNOWN_TABLE UNKNOWN_FUNCTION UNKNOWN_IDENTIFIER UNKNOWN_TYPE UNKNOWN_STORAGE "
    "UNKNOWN_DATABASE UNKNOWN_SETTING UNKNOWN_DIRECTION_OF_SORTING UNKNOWN_AGGREGATE_FUNCTION "
    "UNKNOWN_FORMAT UNKNOWN_DATABASE_ENGINE UNKNOWN_TYPE_OF_QUERY UNKNOWN_ROLE",
    408: "TIMEOUT_EXCEEDED",
    411: "HTTP_LENGTH_REQUIRED",
    413: "QUERY_IS_TOO_LARGE",
    501: "NOT_IMPLEMENTED",
    503: "SOCKET_TIMEOUT CANNOT_OPEN_FILE CANNOT_SCHEDULE_TASK",
}
_STATUS_BY_NAME = {name: status for status, names in _STATUS.items() for name in names.split()}
_CODE = re.compile(rb"Code: (\d+)\. ")
_NAME = re.compile(rb"\(([A-Z][A-Z0-9_]+)\)")
_REPEATED = re.compile(rb"^(?:Code: \d+\. DB::Exception: )+(?=Code: \d+\. DB::Exception: )")
_TAG = re.compile(rb" ?/\* query_id: [\w.-]*(?: \*/)?")
"""What engine.py adds to a statement."""
_NAMED_TWICE = re.compile(rb"(\([A-Z][A-Z0-9_]+\))\.? \1$")
"""At the end of an exception that is wrapped in itself."""
_VERSION = re.compile(rb" ?\(version [^()]*(?:\([^()]*\))?\)\.?")


class ServerError(Exception):
    """An exception of ClickHouse: `text` is raw bytes, because it may quote ids that are not UTF-8."""

    def __init__(self, code: int, name: str, text: bytes):
        super().__init__(text.decode(errors="replace"))
        self.code = code
        self.name = name
        self.text = text

    @classmethod
    def make(cls, code: int, name: str, message: str) -> ServerError:
        """An exception that the front itself raises, worded as the server words it."""
        return cls(code, name, f"Code: {code}. DB::Exception: {message} ({name})".encode())

    @classmethod
    def from_engine(cls, error: BaseException) -> ServerError:
        """The exception that chdb raised: RuntimeError, or UnicodeDecodeError around the raw text."""
        raw = error.object if isinstance(error, UnicodeDecodeError) else str(error).encode()
        found = _CODE.search(raw)
        if not found:
            return cls(1002, "UNKNOWN_EXCEPTION", b"Code: 1002. DB::Exception: " + bytes(raw).strip())
        text = _REPEATED.sub(b"", bytes(raw[found.start() :]).strip())
        text = _VERSION.sub(b"", _TAG.sub(b"", text))
        names = _NAME.findall(text)
        name = names[-1].decode() if names else "UNKNOWN_EXCEPTION"
        text = _NAMED_TWICE.sub(rb"\1", text)
        found = _CODE.search(text)
        return cls(int(found.group(1)) if found else 1002, name, text)

    @property
    def status(self) -> int:
        """The HTTP status that the server answers with."""
        return _STATUS_BY_NAME.get(self.name, 500)

    def body(self, version: str) -> bytes:
        """The response's body."""
        return self.text + f" (version {version} (official build))\n".encode()
