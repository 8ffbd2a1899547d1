"""Property bags between the engine's wire form and Python: unknown values, secrets, assets."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from google.protobuf import struct_pb2

SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"
ASSET = "c44067f5952c0a294b673a41bacd8c17"
ARCHIVE = "0def7320c3a5731c473e5ecbe6d01bc7"
UNKNOWN_STRING = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
UNKNOWN_SENTINELS = {
    UNKNOWN_STRING,
    "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
    "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
    "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
    "030794c1-ac77-496b-92df-f27374a8bd58",
    "e48ece36-62e2-4504-bad9-02848725956a",
    "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
}


class Unknown:
    """A value that is known only after an `up`."""

    def __repr__(self) -> str:
        return "<unknown>"


UNKNOWN = Unknown()


def decode(value: struct_pb2.Struct) -> dict[str, Any]:
    """A property bag; secrets arrive plain (like pulumi-aws, we don't ask for them: the engine marks them again)."""
    return {key: _decode(item) for key, item in value.fields.items()}


def _decode(value: struct_pb2.Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return UNKNOWN if value.string_value in UNKNOWN_SENTINELS else value.string_value
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    if kind == "bool_value":
        return value.bool_value
    if kind == "list_value":
        return [_decode(item) for item in value.list_value.values]
    if kind == "struct_value":
        found = decode(value.struct_value)
        if found.get(SIGNATURE) == SECRET:
            return found["value"]
        return found
    return None


def encode(values: Mapping[str, Any], secret: frozenset[str] = frozenset()) -> struct_pb2.Struct:
    """A property bag for the engine; the properties named in `secret` are wrapped as secrets."""
    bag = struct_pb2.Struct()
    for key, value in values.items():
        if value is None:
            continue
        if key in secret and value is not UNKNOWN:
            value = {SIGNATURE: SECRET, "value": value}
        _encode(bag.fields[key], value)
    return bag


def _encode(into: struct_pb2.Value, value: Any) -> None:
    if value is None:
        into.null_value = struct_pb2.NULL_VALUE
    elif value is UNKNOWN:
        into.string_value = UNKNOWN_STRING
    elif isinstance(value, bool):
        into.bool_value = value
    elif isinstance(value, (int, float)):
        into.number_value = value
    elif isinstance(value, str):
        into.string_value = value
    elif isinstance(value, Mapping):
        into.struct_value.SetInParent()
        for key, item in value.items():
            _encode(into.struct_value.fields[key], item)
    else:
        into.list_value.SetInParent()
        for item in value:
            _encode(into.list_value.values.add(), item)


def has_unknown(value: Any) -> bool:
    """Whether any part of the value is not known yet."""
    if isinstance(value, Mapping):
        return any(has_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(has_unknown(item) for item in value)
    return value is UNKNOWN


def is_asset(value: Any) -> bool:
    """Whether the value is a file or an archive."""
    return isinstance(value, Mapping) and value.get(SIGNATURE) in (ASSET, ARCHIVE)


def asset_bytes(asset: Mapping[str, Any]) -> bytes:
    """The content of a file asset."""
    if asset.get("text"):
        return str(asset["text"]).encode()
    return Path(asset["path"]).read_bytes()


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every leaf with its path; list items are not numbered, so that a rule's path fits all of them."""
    if isinstance(value, Mapping) and not is_asset(value):
        for key, item in value.items():
            yield from leaves(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item, path)
    else:
        yield path, value


def same(old: Any, new: Any) -> bool:
    """Equality as AWS sees it: JSON documents are compared by content, files by hash."""
    if is_asset(old) and is_asset(new):
        return old.get("hash") == new.get("hash")
    if isinstance(old, str) and isinstance(new, str) and old[:1] in "{[" and new[:1] in "{[" and old != new:
        try:
            return json.loads(old) == json.loads(new)
        except ValueError:
            return False
    return type(old) is type(new) and old == new


def digest(*words: str) -> str:
    """Hex that names its input: for ids and ARNs."""
    return hashlib.sha256("\0".join(words).encode()).hexdigest()
