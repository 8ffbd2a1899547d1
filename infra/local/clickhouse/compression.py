"""Content encodings of requests and responses: lz4 and zstd frames, gzip, deflate."""

from __future__ import annotations

import zlib
from typing import Any, Protocol

import lz4.frame
from backports import zstd

from infra.local.clickhouse.errors import ServerError

_PREFERENCE = ("lz4", "zstd", "gzip", "deflate")


class Compressor(Protocol):
    """Compresses a response piece by piece."""

    def compress(self, data: bytes) -> bytes: ...

    def flush(self) -> bytes: ...


class _Lz4:
    def __init__(self) -> None:
        self._frame = lz4.frame.LZ4FrameCompressor()
        self._begun = False

    def compress(self, data: bytes) -> bytes:
        start = b"" if self._begun else self._frame.begin()
        self._begun = True
        return start + self._frame.compress(data)

    def flush(self) -> bytes:
        return (b"" if self._begun else self._frame.begin()) + self._frame.flush()


def compressor(accept_encoding: str) -> tuple[str, Compressor] | None:
    """The encoding's name and its compressor for an Accept-Encoding header; None: send as it is."""
    offered = {part.partition(";")[0].strip().lower() for part in accept_encoding.split(",")}
    name = next((name for name in _PREFERENCE if name in offered), None)
    if name is None:
        return None
    makers: dict[str, Any] = {
        "lz4": _Lz4,
        "zstd": lambda: zstd.ZstdCompressor(level=1),
        "gzip": lambda: zlib.compressobj(level=3, wbits=31),
        "deflate": lambda: zlib.compressobj(level=3, wbits=15),
    }
    return name, makers[name]()


class Decompressor:
    """Decompresses a request body piece by piece; several frames in a row are one body."""

    def __init__(self, encoding: str):
        makers: dict[str, Any] = {
            "lz4": lz4.frame.LZ4FrameDecompressor,
            "zstd": zstd.ZstdDecompressor,
            "gzip": lambda: zlib.decompressobj(wbits=31),
            "deflate": lambda: zlib.decompressobj(wbits=15),
        }
        if encoding not in makers:
            raise ServerError.make(89, "UNKNOWN_COMPRESSION_METHOD", f"Unknown compression method: {encoding}")
        self._encoding = encoding
        self._make = makers[encoding]
        self._frame = self._make()

    def feed(self, data: bytes) -> bytes:
        """What `data` decompresses to."""
        parts = []
        while data:
            if self._frame.eof:
                self._frame = self._make()
            try:
                parts.append(self._frame.decompress(data))
            except (RuntimeError, zlib.error, zstd.ZstdError) as error:
                message = f"Cannot decompress the body as {self._encoding}: {error}"
                raise ServerError.make(271, "CANNOT_DECOMPRESS", message) from None
            data = (self._frame.unused_data or b"") if self._frame.eof else b""
        return b"".join(parts)
