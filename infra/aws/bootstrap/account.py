"""What an account has already, of which there can be one: GitHub's provider, and roles of these names."""

from __future__ import annotations

from collections.abc import Collection

from infra.aws.api import as_user_error, client
from infra.aws.bootstrap.policies import ISSUER, roles
from infra.aws.bootstrap.settings import BootstrapSettings
from infra.errors import UserError


def check_account(found: BootstrapSettings, made: Collection[str]) -> None:
    """Raises UserError where somebody else has made what this would make (IAM refuses it half-way). `made`: the URNs of what
    is the bootstrap's own."""
    if not found.repository:
        return
    own = {urn.rpartition("::")[2] for urn in made}
    with as_user_error("what IAM has of the bootstrap's"):
        iam = client("iam", found.region)
        if not found.oidcProviderArn and "github" not in own:
            for item in iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]:
                if item["Arn"].endswith(f":oidc-provider/{ISSUER}"):
                    raise UserError(
                        "the account has a provider for GitHub's tokens, and there can be one: set `oidcProviderArn: "
                        f"{item['Arn']}` in configs/bootstrap.yaml"
                    )
        wanted = {f"agent-telemetry-{name}" for name in roles(found) if name not in own}
        pages = iam.get_paginator("list_roles").paginate() if wanted else ()
        there = sorted(item["RoleName"] for page in pages for item in page["Roles"] if item["RoleName"] in wanted)
    if there:
        raise UserError(
            f"the account has the role{'s' if len(there) > 1 else ''} {', '.join(there)} already, of another bootstrap (or "
            "of one that was killed in that second: then delete it): an account has one, in one region. For another region set `repository: ''` in configs/bootstrap.yaml (state and key "
            "alone, no roles), or take another account"
        )
