"""A stand-in cluster with what its owner brings, and the collectors in it as a program of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pulumi

from infra.kubernetes.collector import Collector
from tests.kubernetes_models import program as judge
from tests.providers.cloud import StandInCloud, StandInStack
from tests.providers.standin.cloud import Resource
from tests.providers.standin.kubernetes_provider import CLUSTER, JUDGE
from tests.unit.kubernetes.cluster_stack import BASE, answering, needs, settings

SECRET, NAMESPACE = "kubernetes:core/v1:Secret", "kubernetes:core/v1:Namespace"


def bring(cloud: StandInCloud, kind: str, name: str, namespace: str = "") -> None:
    """Something that its owner made by hand."""
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    id_ = f"{namespace}/{name}" if namespace else name
    cloud.state.put(Resource(kind, id_, outputs={"metadata": metadata}))


class World:
    """One cluster, one stack."""

    def __init__(self, folder: Path) -> None:
        self.cloud = StandInCloud(folder)
        (self.cloud.state.folder / JUDGE).write_text(str(judge()))
        self.cloud.state.put(Resource(CLUSTER, BASE["kubernetesContext"]))
        self.settings: dict[str, Any] = {}
        self.stack: StandInStack = self.cloud.stack(self.program)

    def program(self) -> None:
        """The collectors, with the settings as they are now."""
        with answering():
            collector = Collector("collector", needs(settings(**self.settings)))
        pulumi.export("otlpHttp", collector.endpoint.http_url)
        pulumi.export("address", collector.address)
        pulumi.export("fingerprint", collector.fingerprint)

    def left(self) -> list[str]:
        """What exists beside what the owner brought."""
        return [item.id for item in self.cloud.state.all() if item.type.startswith("kubernetes:") and item.urn]
