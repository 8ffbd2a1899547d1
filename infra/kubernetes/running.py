"""The collectors that run in a cluster, as its API server tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from infra.collector import workload_name
from infra.config import PROJECT
from infra.errors import UserError
from infra.kubernetes.cluster import ASK_SECONDS, connect
from infra.settings import Settings


@dataclass(frozen=True)
class Running:
    """Pods of one Deployment."""

    available: int
    wanted: int
    image: str


def collectors(settings: Settings, stack: str, kubeconfig: str | None) -> Running | None:
    """A stack's; None when there is no Deployment. Raises UserError when the cluster does not say."""
    from kubernetes import client

    namespace, workload = settings.kubernetesNamespace, workload_name(f"{PROJECT}-{stack}")
    apps = client.AppsV1Api(connect(kubeconfig, settings.kubernetes_cluster))
    try:
        found: Any = apps.read_namespaced_deployment(workload, namespace, _request_timeout=ASK_SECONDS)
    except client.ApiException as error:
        if error.status == 404:
            return None
        raise UserError(
            f"the cluster does not show Deployments in {namespace}: {error.status} {error.reason}"
        ) from None
    except Exception as error:  # urllib3's, ssl's and the client's own have no common kind
        raise UserError(f"the cluster did not answer: {type(error).__name__}") from None
    image = next(item.image for item in found.spec.template.spec.containers if item.name == "collector")
    return Running(int(found.status.available_replicas or 0), int(found.spec.replicas or 0), image)
