"""The cluster: the explicit provider, and what its API server must be and serve."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import pulumi

from infra.errors import UserError
from infra.settings import Settings

MINIMUM = (1, 30)
"""Since then a container can sleep before it is told to stop (KEP-3960) and an autoscaler can look at one container
(KEP-1610), both without a feature gate; containers beside another that end after it are there since 1.29 (KEP-753)."""
NEEDED = {
    "apps/v1": "Deployments",
    "autoscaling/v2": "HorizontalPodAutoscalers",
    "networking.k8s.io/v1": "NetworkPolicies and Ingresses",
    "policy/v1": "PodDisruptionBudgets",
    "metrics.k8s.io/v1beta1": "what HorizontalPodAutoscalers go by; install metrics-server",
}
ASK_SECONDS = 10


@dataclass(frozen=True)
class Served:
    """What the API server says of itself."""

    version: str
    """1.33, with whatever stands behind it."""
    apis: frozenset[str]
    """group/version of each."""


def ask(kubeconfig: str | None, cluster: str) -> Served:
    """Asks the API server of the kubeconfig, None: of the context `cluster`. Raises UserError when it can't be reached or
    doesn't let us in."""
    # Imported here: seconds, and nobody else needs it.
    from kubernetes import client

    api = connect(kubeconfig, cluster)
    try:
        version: Any = client.VersionApi(api).get_code(_request_timeout=ASK_SECONDS)
        groups: Any = client.ApisApi(api).get_api_versions(_request_timeout=ASK_SECONDS)
    except Exception as error:  # urllib3's, ssl's and the client's own have no common kind
        said = " ".join(str(error).split())[:300]
        hint = "" if kubeconfig is None else "; `aws eks get-token` signs in: is the AWS CLI there, and may you?"
        raise UserError(
            f"the Kubernetes cluster {cluster} did not answer: {type(error).__name__}: {said}{hint}"
        ) from None
    served = frozenset(item.group_version for group in groups.groups for item in group.versions)
    return Served(f"{version.major}.{version.minor}", served)


def connect(kubeconfig: str | None, cluster: str) -> Any:
    """A client of the API server of the kubeconfig, None: of the context `cluster`. Raises UserError for one that is not
    there."""
    import yaml
    from kubernetes import config

    try:
        if kubeconfig is None:
            return config.new_client_from_config(context=cluster)
        return config.new_client_from_config_dict(yaml.safe_load(kubeconfig))
    except config.ConfigException as error:
        raise UserError(
            f"kubernetesContext: {cluster!r}: {error}; `kubectl config get-contexts` has the names"
        ) from None


def check_version(version: str) -> None:
    """Raises UserError when the cluster is older than MINIMUM."""
    found = re.match(r"v?(\d+)\.(\d+)", version)
    if not found or (int(found[1]), int(found[2])) < MINIMUM:
        raise UserError(
            f"collectorPlatform: the cluster has Kubernetes {version}, and {'.'.join(map(str, MINIMUM))} is the least: older "
            "ones can't stop a collector without losing what is on its way to it; upgrade it, or use collectorPlatform ecs"
        )


def checked(
    settings: Settings, kubeconfig: pulumi.Input[str] | None, version: pulumi.Input[str]
) -> pulumi.Output[str] | None:
    """The kubeconfig, known once the cluster is known to be one that we can use."""
    if kubeconfig is None:
        check_cluster(settings, None, "")
        return None

    def known(found: list[str]) -> str:
        check_cluster(settings, found[0], found[1])
        return found[0]

    return pulumi.Output.all(kubeconfig, version).apply(known)


def check_cluster(settings: Settings, kubeconfig: str | None, version: str) -> None:
    """Raises UserError for a cluster that is too old or misses an API. One that doesn't answer is told in a preview, and
    refused by an `up`."""
    if version:
        check_version(version)
    try:
        served = ask(kubeconfig, settings.kubernetes_cluster)
    except UserError as error:
        if not pulumi.runtime.is_dry_run():
            raise
        pulumi.log.warn(f"{error}; an `up` will ask again")
        return
    check_served(served)


def check_served(served: Served) -> None:
    """Raises UserError for a cluster that is too old or misses an API."""
    check_version(served.version)
    missing = [f"{api} ({what})" for api, what in NEEDED.items() if api not in served.apis]
    if missing:
        raise UserError(f"collectorPlatform: the Kubernetes cluster does not serve {', '.join(missing)}")


def make_provider(
    name: str, settings: Settings, kubeconfig: pulumi.Input[str] | None, opts: pulumi.ResourceOptions
) -> Any:
    """The explicit provider: this cluster and no other, whatever the shell says."""
    import pulumi_kubernetes as kubernetes

    return kubernetes.Provider(
        name,
        kubeconfig=kubeconfig,
        context=settings.kubernetesContext or None,
        # A cluster that doesn't answer is an error, never a reason to forget what is in it.
        delete_unreachable=False,
        opts=opts,
    )
