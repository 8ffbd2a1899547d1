"""An EKS cluster that exists, as AWS describes it to the program: its version, and a kubeconfig."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from infra.aws.context import Context
from infra.aws.eks_kubeconfig import kubeconfig
from infra.errors import UserError

OIDC = ":oidc-provider/"


@dataclass(frozen=True)
class EksCluster:
    """What the collectors' platform needs to know of it."""

    kubeconfig: pulumi.Output[str]
    """No secret: who uses it signs in as himself."""
    version: pulumi.Output[str]


def eks_cluster(context: Context, parent: pulumi.Resource) -> EksCluster:
    """The cluster kubernetesEksCluster."""
    settings = context.settings
    found = aws.eks.get_cluster_output(name=settings.kubernetesEksCluster, opts=pulumi.InvokeOptions(parent=parent))

    def described(cluster: Any) -> dict[str, str]:
        check_issuer(
            settings.kubernetesOidcProviderArn, [oidc["issuer"] for item in cluster[3] for oidc in item["oidcs"]]
        )
        authority = cluster[2][0]["data"]
        return {
            "version": cluster[0],
            "kubeconfig": kubeconfig(settings.kubernetesEksCluster, settings.awsRegion, cluster[1], authority),
        }

    parts = pulumi.Output.all(found.version, found.endpoint, found.certificate_authorities, found.identities)
    known = parts.apply(described)
    return EksCluster(known["kubeconfig"], known["version"])


def check_issuer(provider_arn: str, issuers: list[str]) -> None:
    """Raises UserError when the provider is not the cluster's: its pods would get no role."""
    named = f"https://{provider_arn.partition(OIDC)[2]}"
    if named not in issuers:
        raise UserError(
            f"kubernetesOidcProviderArn: {provider_arn} is not the provider of the cluster, whose issuer is "
            f"{', '.join(issuers) or 'unknown'}"
        )
