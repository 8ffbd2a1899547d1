"""The objects in the cloud's buckets, as programs make them and boto3 reads them."""

from __future__ import annotations

import base64
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.providers.standin import wire
from tests.providers.standin.cloud import Cloud

SELECT = "SELECT bucket, key, version, marker, made, metadata, body FROM object"


@dataclass
class Stored:
    """One version of an object."""

    bucket: str
    key: str
    version: str
    body: bytes
    marker: bool = False
    """A delete marker: the object is gone, its older versions are not."""
    made: float = 0.0
    metadata: dict[str, Any] = field(default_factory=dict)


def content_of(inputs: Mapping[str, Any]) -> bytes:
    """What a BucketObject resource uploads."""
    if inputs.get("content") is not None:
        return str(inputs["content"]).encode()
    if inputs.get("contentBase64") is not None:
        return base64.b64decode(inputs["contentBase64"])
    source = inputs.get("source")
    return wire.asset_bytes(source) if isinstance(source, Mapping) else b""


def versioned(cloud: Cloud, bucket: str) -> bool:
    """Whether the bucket keeps old versions."""
    found = cloud.get("aws:s3/bucketVersioning:BucketVersioning", bucket)
    return found is not None and found.get("versioningConfiguration.status") == "Enabled"


def write(cloud: Cloud, bucket: str, key: str, body: bytes, marker: bool = False, **metadata: Any) -> Stored:
    """Writes an object; in a versioned bucket the older ones stay."""
    keeps = versioned(cloud, bucket)
    version = secrets.token_hex(16) if keeps else "null"
    row = (bucket, key, version, cloud.next("object"), int(marker), time.time(), json.dumps(metadata), body)
    with cloud.transaction() as connection:
        if not keeps:
            connection.execute("DELETE FROM object WHERE bucket = ? AND key = ? AND version = 'null'", (bucket, key))
        if keeps or not marker:
            connection.execute("INSERT INTO object VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
    return Stored(bucket, key, version, body, marker, row[5], metadata)


def versions(cloud: Cloud, bucket: str, prefix: str = "") -> list[Stored]:
    """All versions, newest first within a key."""
    with cloud.transaction() as connection:
        rows = connection.execute(f"{SELECT} WHERE bucket = ? ORDER BY key, number DESC", (bucket,)).fetchall()
    found = [Stored(b, k, v, body, bool(m), made, json.loads(meta)) for b, k, v, m, made, meta, body in rows]
    return [item for item in found if item.key.startswith(prefix)]


def latest(cloud: Cloud, bucket: str, prefix: str = "") -> list[Stored]:
    """What a listing shows: each key's newest version, unless that is a delete marker."""
    newest: dict[str, Stored] = {}
    for item in versions(cloud, bucket, prefix):
        newest.setdefault(item.key, item)
    return [item for item in newest.values() if not item.marker]


def erase(cloud: Cloud, bucket: str, key: str | None = None, version: str | None = None) -> None:
    """Really gone: a version, a key with all its versions, or everything."""
    with cloud.transaction() as connection:
        for item in versions(cloud, bucket):
            if key in (None, item.key) and version in (None, item.version):
                values = (bucket, item.key, item.version)
                connection.execute("DELETE FROM object WHERE bucket = ? AND key = ? AND version = ?", values)
