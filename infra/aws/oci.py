"""An image in an OCI layout on disk: more layers, another start configuration, all without a Docker daemon."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from infra.errors import UserError

ARCHITECTURE = "arm64"
"""Of our tasks; a cluster's nodes may have another one."""
EPOCH = "1970-01-01T00:00:00Z"
"""For `created`: the same content has the same digest."""
_LAYER = {
    "application/vnd.oci.image.manifest.v1+json": "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.docker.distribution.manifest.v2+json": "application/vnd.docker.image.rootfs.diff.tar.gzip",
}
"""A manifest's kind to its layers'."""

Configure = Callable[[dict[str, Any]], dict[str, Any]]


def add_layers(layout: Path, tars: Sequence[Path], configure: Configure, architecture: str = ARCHITECTURE) -> str:
    """Adds each tar as a layer to the layout's only image and gives it the start configuration that `configure` makes of
    the one it has. Returns the image's digest."""
    index = json.loads((layout / "index.json").read_text())
    manifest = _read(layout, index["manifests"][0])
    config = _read(layout, manifest["config"])
    found = config.get("architecture")
    if found != architecture:
        raise UserError(f"the worker's base image is for {found}, not {architecture}: name one that has both")
    kind = index["manifests"][0]["mediaType"]
    for tar in tars:
        layer, diff_id = _compressed(layout, tar)
        manifest["layers"].append({"mediaType": _LAYER[kind], **layer})
        config["rootfs"]["diff_ids"].append(diff_id)
        config.setdefault("history", []).append({"created": EPOCH, "created_by": f"agent-telemetry: {tar.stem}"})
    config["created"] = EPOCH
    config["config"] = configure(dict(config.get("config") or {}))
    manifest["config"] = {**manifest["config"], **_written(layout, config)}
    entry = {"mediaType": kind, **_written(layout, manifest)}
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    return entry["digest"]


def _read(layout: Path, descriptor: dict[str, Any]) -> dict[str, Any]:
    return json.loads(_blob(layout, descriptor["digest"]).read_text())


def _blob(layout: Path, digest: str) -> Path:
    return layout / "blobs" / Path(*digest.split(":"))


def _written(layout: Path, value: dict[str, Any]) -> dict[str, Any]:
    data = json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    _blob(layout, digest).write_bytes(data)
    return {"digest": digest, "size": len(data)}


def _compressed(layout: Path, tar: Path) -> tuple[dict[str, Any], str]:
    """Puts the tar into the layout, compressed. Returns its descriptor and the digest of what it unpacks to."""
    packed = tar.with_suffix(".gz")
    # Without name and time in the header: the same tar makes the same bytes.
    with (
        tar.open("rb") as source,
        packed.open("wb") as out,
        gzip.GzipFile(filename="", fileobj=out, mode="wb", compresslevel=6, mtime=0) as target,
    ):
        shutil.copyfileobj(source, target, 1024 * 1024)
    digest = f"sha256:{_sha256(packed)}"
    size = packed.stat().st_size
    shutil.move(packed, _blob(layout, digest))
    return {"digest": digest, "size": size}, f"sha256:{_sha256(tar)}"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
