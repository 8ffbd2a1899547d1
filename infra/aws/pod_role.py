"""The role of collectors in a Kubernetes cluster: taken by a token of their service account, by nobody else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
import pulumi_aws as aws

from infra.aws.context import Context
from infra.aws.ecs import policy
from infra.aws.eks import OIDC
from infra.collector import Identity, workload_name

AUDIENCE = "sts.amazonaws.com"


def pod_role(
    context: Context, parent: pulumi.Resource, name: str, statements: pulumi.Input[Sequence[Mapping[str, Any]]]
) -> tuple[Identity, list[pulumi.Resource]]:
    """How the pods sign in, and what must be there before they do."""
    settings = context.settings
    role = aws.iam.Role(
        f"{name}-pod",
        assume_role_policy=policy(
            [trust(settings.kubernetesOidcProviderArn, settings.kubernetesNamespace, context.prefix)]
        ),
        description=f"{context.prefix} {name} in Kubernetes",
        opts=context.options(parent),
    )
    inline = aws.iam.RolePolicy(
        f"{name}-pod-policy",
        role=role.name,
        policy=pulumi.Output.from_input(statements).apply(policy),
        opts=context.options(parent),
    )
    environment: dict[str, pulumi.Input[str]] = {
        "AWS_REGION": settings.awsRegion,
        "AWS_ROLE_ARN": role.arn,
        "AWS_STS_REGIONAL_ENDPOINTS": "regional",
    }
    return Identity(AUDIENCE, "AWS_WEB_IDENTITY_TOKEN_FILE", environment), [role, inline]


def trust(provider_arn: str, namespace: str, prefix: str) -> dict[str, Any]:
    """Exactly one service account of exactly one cluster."""
    issuer = provider_arn.partition(OIDC)[2]
    return {
        "Effect": "Allow",
        "Principal": {"Federated": provider_arn},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {
            "StringEquals": {
                f"{issuer}:aud": AUDIENCE,
                f"{issuer}:sub": f"system:serviceaccount:{namespace}:{workload_name(prefix)}",
            }
        },
    }
