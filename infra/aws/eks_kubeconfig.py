"""A kubeconfig for an EKS cluster: whoever uses it signs in as himself, by the AWS CLI. No secret."""

from __future__ import annotations

import json

from infra.aws.api import client
from infra.errors import UserError
from infra.settings import Settings


def kubeconfig(name: str, region: str, endpoint: str, authority: str) -> str:
    """As `aws eks update-kubeconfig` writes it; always the same text for the same cluster."""
    sign_in = {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "command": "aws",
        "args": ["--region", region, "eks", "get-token", "--cluster-name", name, "--output", "json"],
        "interactiveMode": "IfAvailable",
    }
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": endpoint, "certificate-authority-data": authority}}],
        "users": [{"name": name, "user": {"exec": sign_in}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }
    return json.dumps(config, sort_keys=True)


def described(settings: Settings) -> str | None:
    """That of kubernetesEksCluster, asked of AWS; None where kubernetesContext names the cluster. Raises UserError for one that
    is not there, and botocore's errors."""
    if settings.kubernetesContext:
        return None
    eks = client("eks", settings.awsRegion)
    try:
        found = eks.describe_cluster(name=settings.kubernetesEksCluster)["cluster"]
    except eks.exceptions.ResourceNotFoundException:
        raise UserError(
            f"kubernetesEksCluster: {settings.awsAccount} has no EKS cluster {settings.kubernetesEksCluster} in "
            f"{settings.awsRegion}; `aws eks list-clusters --region {settings.awsRegion}` has the names"
        ) from None
    return kubeconfig(found["name"], settings.awsRegion, found["endpoint"], found["certificateAuthority"]["data"])
