"""S3: objects and their versions."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

from tests.providers.api.table import serves
from tests.providers.standin import objects
from tests.providers.standin.cloud import Cloud, Refused
from tests.providers.standin.objects import Stored

BUCKET = "aws:s3/bucket:Bucket"


def _bucket(cloud: Cloud, name: str) -> None:
    if not cloud.get(BUCKET, name):
        raise Refused("NoSuchBucket", "The specified bucket does not exist")


def _etag(item: Stored) -> str:
    return f'"{hashlib.md5(item.body, usedforsecurity=False).hexdigest()}"'


def _found(cloud: Cloud, asked: dict[str, Any]) -> Stored:
    _bucket(cloud, asked["Bucket"])
    wanted = asked.get("VersionId")
    pool = objects.versions(cloud, asked["Bucket"]) if wanted else objects.latest(cloud, asked["Bucket"])
    found = [item for item in pool if item.key == asked["Key"] and wanted in (None, item.version)]
    if not found or found[0].marker:
        raise Refused("NoSuchKey", "The specified key does not exist.")
    if (given := asked.get("IfMatch")) and given.strip('"') != _etag(found[0]).strip('"'):
        raise Refused("PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
    return found[0]


@serves("s3", "PutObject")
def put(plane: Any, asked: dict[str, Any], region: str) -> dict[str, Any]:
    _bucket(plane.cloud, asked["Bucket"])
    present = [item for item in objects.latest(plane.cloud, asked["Bucket"]) if item.key == asked["Key"]]
    if asked.get("IfNoneMatch") == "*" and present:
        raise Refused("PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
    if (given := asked.get("IfMatch")) and (not present or given.strip('"') != _etag(present[0]).strip('"')):
        raise Refused("PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
    body = asked.get("Body", b"")
    body = body if isinstance(body, bytes) else body.encode()
    metadata = {key: asked[key] for key in ("ContentType", "Metadata", "ServerSideEncryption") if asked.get(key)}
    stored = objects.write(plane.cloud, asked["Bucket"], asked["Key"], body, **metadata)
    return {"ETag": _etag(stored)} | ({} if stored.version == "null" else {"VersionId": stored.version})


def _described(item: Stored) -> dict[str, Any]:
    answer = {
        "ETag": _etag(item),
        "ContentLength": len(item.body),
        "LastModified": datetime.fromtimestamp(item.made, UTC),
    }
    return answer | ({} if item.version == "null" else {"VersionId": item.version}) | item.metadata


@serves("s3", "GetObject")
def get(plane: Any, asked: dict[str, Any], region: str) -> dict[str, Any]:
    item = _found(plane.cloud, asked)
    return _described(item) | {"Body": item.body}


@serves("s3", "HeadObject")
def head(plane: Any, asked: dict[str, Any], region: str) -> dict[str, Any]:
    return _described(_found(plane.cloud, asked))


@serves("s3", "HeadBucket")
def head_bucket(plane: Any, asked: dict[str, Any], region: str) -> dict[str, Any]:
    _bucket(plane.cloud, asked["Bucket"])
    return {"BucketRegion": region}


@serves("s3", "ListObjectsV2")
def listing(plane: Any, asked: dict[str, Any], region: str) -> dict[str, Any]:
    _bucket(plane.cloud, asked["Bucket"])
    prefix, delimiter = asked.get("Prefix", ""), asked.get("Delimiter")
    found, groups = objects.latest(plane.cloud, asked["Bucket"], prefix), set()
    if delimiter:
        inside = [item for item in found if delimiter in item.key[len(prefix) :]]
        groups = {prefix + item.key[len(prefix) :].split(delimiter)[0] + delimiter for item in inside}
        found = [item for item in found if item not in inside]
    found = [item for item in found if item.key > asked.get("StartAfter", asked.get("ContinuationToken", ""))]
    most = asked.get("MaxKeys", 1000)
    page = found[:most]
    contents = [
        {
            "Key": item.key,
            "Size": len(item.body),
            "ETag": _etag(item),
            "LastModified": datetime.fromtimestamp(item.made, UTC),
        }
        for item in page
    ]
    answer: dict[str, Any] = {
        "Name": asked["Bucket"],
        "Prefix": prefix,
        "KeyCount": len(page),
        "MaxKeys": most,
        "IsTruncated": len(found) > most,
        "Contents": contents,
    }
    answer["CommonPrefixes"] = [{"Prefix": group} for group in sorted(groups)]
    return answer | ({"NextContinuationToken": page[-1].key} if len(found) > most else {})


@serves("s3", "ListObjectVersions")
def list_versions(plane: Any, asked: dict[str, Any], region: str) -> dict[str, Any]:
    _bucket(plane.cloud, asked["Bucket"])
    seen: set[str] = set()
    versions, markers = [], []
    for item in objects.versions(plane.cloud, asked["Bucket"], asked.get("Prefix", "")):
        entry = {
            "Key": item.key,
            "VersionId": item.version,
            "IsLatest": item.key not in seen,
            "LastModified": datetime.fromtimestamp(item.made, UTC),
        }
        seen.add(item.key)
        if item.marker:
            markers.append(entry)
        else:
            versions.append(entry | {"Size": len(item.body), "ETag": _etag(item)})
    return {
        "Name": asked["Bucket"],
        "Prefix": asked.get("Prefix", ""),
        "IsTruncated": False,
        "Versions": versions,
        "DeleteMarkers": markers,
    }


@serves("s3", "DeleteObject")
def delete(plane: Any, asked: dict[str, Any], region: str) -> dict[str, Any]:
    _bucket(plane.cloud, asked["Bucket"])
    if asked.get("VersionId"):
        objects.erase(plane.cloud, asked["Bucket"], asked["Key"], asked["VersionId"])
        return {"VersionId": asked["VersionId"]}
    if objects.versioned(plane.cloud, asked["Bucket"]):
        stored = objects.write(plane.cloud, asked["Bucket"], asked["Key"], b"", marker=True)
        return {"DeleteMarker": True, "VersionId": stored.version}
    objects.erase(plane.cloud, asked["Bucket"], asked["Key"])
    return {}
