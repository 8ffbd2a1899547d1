"""The stand-in for pulumi-kubernetes: an API server that judges by Kubernetes' own code, and a cluster in which what an
object refers to must be there, or its pods would never run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pulumi.runtime.proto import provider_pb2

from tests.kubernetes_models import Judge
from tests.providers.standin import kubernetes_references as references
from tests.providers.standin import wire
from tests.providers.standin.changes import changed_paths, visible
from tests.providers.standin.cloud import Cloud, Refused, Resource
from tests.providers.standin.server import Failures, StandIn

JUDGE = "judge"
"""A file in the cloud's folder that names the judge's program: a provider must not build one."""
AUTONAMED = "pulumi.com/autonamed"
CLUSTER = "stand-in/cluster"
"""A context's cluster, or an API server's, that a test says is there."""
NEW = {
    "ConfigMap": ("binaryData", "data"),
    "Deployment": ("spec.selector",),
    "Service": ("spec.clusterIP",),
}
"""Beside name and namespace, what makes a new object (pulumi-kubernetes, provider/pkg/provider/diff.go)."""


class Kubernetes(StandIn):
    """pulumi-kubernetes."""

    package = "kubernetes"

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.judge = Judge(Path((cloud.folder / JUDGE).read_text()))

    def configure(self, config: dict[str, Any]) -> None:
        self.config = config
        if self.cloud.get(CLUSTER, server(config)) is None:
            raise Refused(
                "Unreachable", f"configured Kubernetes cluster is unreachable: {server(config) or 'no context'}"
            )

    def DiffConfig(self, request: Any, context: Any) -> Any:
        olds, news = wire.decode(request.old_inputs), wire.decode(request.news)
        changed = sorted(key for key in olds.keys() | news.keys() if olds.get(key) != news.get(key))
        moved = wire.has_unknown(news) or server(olds) != server(news)
        kind = provider_pb2.DiffResponse.DIFF_SOME if changed else provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(changes=kind, diffs=changed, replaces=changed if changed and moved else [])

    def check(self, type_: str, urn: str, olds: dict, news: dict, seed: bytes) -> tuple[dict, Failures]:
        inputs = named(urn, olds, news, seed)
        unknown = wire.has_unknown(inputs)
        found = self.judge.problems(known(inputs), partial=unknown)
        return inputs, [("", line) for line in found]

    def diff(self, type_: str, urn: str, state: dict, olds: dict, news: dict) -> Any:
        changed = changed_paths(olds, news)
        kind = type_.rsplit(":", 1)[-1]
        renewing = ("metadata.name", "metadata.namespace", *NEW.get(kind, ()))
        replaced = [path for path in changed if any(path == new or path.startswith(f"{new}.") for new in renewing)]
        answer = provider_pb2.DiffResponse(
            changes=provider_pb2.DiffResponse.DIFF_SOME if changed else provider_pb2.DiffResponse.DIFF_NONE,
            diffs=sorted({path.split(".")[0] for path in changed}),
            replaces=sorted({path.split(".")[0] for path in replaced}),
            hasDetailedDiff=bool(changed),
            deleteBeforeReplace=bool(replaced) and not autonamed(news),
        )
        for path in changed:
            kinds = provider_pb2.PropertyDiff
            how = kinds.UPDATE_REPLACE if path in replaced else kinds.UPDATE
            answer.detailedDiff[path].CopyFrom(kinds(kind=how, inputDiff=True))
        return answer

    def create(self, type_: str, urn: str, inputs: dict) -> tuple[str, dict]:
        with self.cloud.transaction():
            id_ = identity(inputs)
            if self.cloud.get(type_, id_):
                raise Refused("AlreadyExists", f"{type_} {id_!r} already exists")
            return id_, self._stored(type_, urn, id_, inputs)

    def update(self, type_: str, urn: str, id_: str, state: dict, olds: dict, news: dict) -> dict:
        with self.cloud.transaction():
            old = self.cloud.get(type_, id_)
            if old is None:
                raise Refused("NotFound", f"{type_} {id_!r} not found")
            found = self.judge.problems(known(news), known(old.inputs))
            if found:
                raise Refused("Invalid", "; ".join(found))
            return self._stored(type_, urn, id_, news)

    def _stored(self, type_: str, urn: str, id_: str, inputs: dict) -> dict:
        references.check(self.cloud, inputs)
        outputs = {**visible(inputs), **references.status(inputs)}
        self.cloud.put(Resource(type_, id_, urn, visible(inputs), outputs))
        return outputs

    def delete(self, type_: str, urn: str, id_: str, state: dict) -> None:
        with self.cloud.transaction():
            found = self.cloud.get(type_, id_)
            if found is not None:
                references.check_unused(self.cloud, found)
                self.cloud.remove(type_, id_)

    def read(self, type_: str, urn: str, id_: str, state: dict, inputs: dict) -> tuple[dict, dict] | None:
        found = self.cloud.get(type_, id_)
        return None if found is None else (found.outputs, found.inputs)


def server(config: Mapping[str, Any]) -> str:
    """Which cluster a provider's configuration means: a context's name, or the API server's address."""
    kubeconfig = config.get("kubeconfig")
    if not isinstance(kubeconfig, str) or not kubeconfig:
        return str(config.get("context") or "")
    return yaml.safe_load(kubeconfig)["clusters"][0]["cluster"]["server"]


def identity(inputs: Mapping[str, Any]) -> str:
    """namespace/name, or the name of what has no namespace."""
    metadata = inputs["metadata"]
    return "/".join(part for part in (metadata.get("namespace"), metadata["name"]) if part)


def named(urn: str, olds: Mapping[str, Any], news: dict[str, Any], seed: bytes) -> dict[str, Any]:
    """An object without a name keeps the one that it was given, or gets one after its resource."""
    metadata = dict(news.get("metadata") or {})
    if not metadata.get("name"):
        old = olds.get("metadata") or {}
        made = f"{urn.rsplit('::', 1)[-1]}-{wire.digest(urn, seed.hex())[:8]}"
        metadata["name"] = old["name"] if autonamed(olds) else made
        metadata["annotations"] = {**(metadata.get("annotations") or {}), AUTONAMED: "true"}
    return {**news, "metadata": metadata}


def autonamed(inputs: Mapping[str, Any]) -> bool:
    """Whether the provider gave the name."""
    return (((inputs.get("metadata") or {}).get("annotations")) or {}).get(AUTONAMED) == "true"


def known(value: Any) -> Any:
    """Without what is not known yet, and without what is nothing."""
    if isinstance(value, Mapping):
        return {
            key: known(item) for key, item in visible(value).items() if item is not wire.UNKNOWN and item is not None
        }
    if isinstance(value, list):
        return [known(item) for item in value if item is not wire.UNKNOWN]
    return value
