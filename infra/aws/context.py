"""What every part on AWS is built with: settings, provider, names, tags, and what protects stateful things."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import pulumi
import pulumi_aws as aws

from infra.aws.lent import Lent
from infra.config import PROJECT
from infra.settings import Settings

NAME_LENGTH = 32
"""What load balancers and target groups take at most (ELB API reference)."""


SHARES_WITH = "SharesWith"
"""The tag that names the stack whose network this one is in."""


@dataclass(frozen=True)
class Context:
    """One stack on AWS. Made once, in platform.py."""

    settings: Settings
    stack: str
    provider: aws.Provider
    lent: Lent | None = None
    """What another stack lends this one (shareStack)."""

    @property
    def prefix(self) -> str:
        """Leads every fixed name: agent-telemetry-dev."""
        return f"{PROJECT}-{self.stack}"

    @property
    def tags(self) -> dict[str, str]:
        """For what AWS makes by itself (a root volume); everything else gets them by `tagging`."""
        return common_tags(self.settings, self.stack)

    def name(self, part: str) -> str:
        """A fixed name, for where another thing must know it beforehand. Elsewhere names are Pulumi's own, so that a
        replacement can be created before the old one is deleted."""
        return f"{self.prefix}-{part}"

    def arn(self, service: str, resource: str, region: bool = True) -> str:
        """An ARN in this account, for policies that name what does not exist yet."""
        where = self.settings.awsRegion if region else ""
        return f"arn:aws:{service}:{where}:{self.settings.awsAccount}:{resource}"

    def lends(self, part: str) -> Lent | None:
        """The lender's values where it lends this part: network, kafka, grafana."""
        return self.lent if self.settings.shares(part) else None

    def options(self, parent: pulumi.Resource, **more: Any) -> pulumi.ResourceOptions:
        """Options of a part's child."""
        return pulumi.ResourceOptions(parent=parent, **more)

    def stateful(self, parent: pulumi.Resource, **more: Any) -> pulumi.ResourceOptions:
        """Options of a child that holds data: protected with the setting `protect`, and kept when the stack goes."""
        kept = self.settings.protect
        return pulumi.ResourceOptions(parent=parent, protect=kept, retain_on_delete=kept, **more)


def make_provider(settings: Settings, opts: pulumi.ResourceOptions | None = None) -> aws.Provider:
    """The explicit provider: the region and account of the settings and no other, whatever the shell says."""
    return aws.Provider("aws", region=settings.awsRegion, allowed_account_ids=[settings.awsAccount], opts=opts)


def common_tags(settings: Settings, stack: str) -> dict[str, str]:
    """The tags of everything in the stack."""
    borrows = {SHARES_WITH: settings.shareStack} if settings.shareStack else {}
    ours = {"Project": PROJECT, "Stack": stack, "Environment": settings.env, "ManagedBy": "pulumi", **borrows}
    return {**ours, **settings.tags}


def tagging(settings: Settings, stack: str) -> pulumi.ResourceTransformation:
    """The one place where tags are set: on every child whose type has tags.

    The provider's default tags are not used: their diffs are wrong across versions, and volumes made by instances miss
    them. What AWS makes by itself (root volumes, network interfaces) is tagged by its resource's own arguments.
    """
    ours = common_tags(settings, stack)

    def add(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult | None:
        if not args.type_.startswith("aws:") or not hasattr(type(args.resource), "tags"):
            return None
        # The logical name (dev's stays the same over replacements) is what people see in the console.
        own = {"Name": f"{PROJECT}-{stack}-{args.name}", **ours}
        given = cast("dict[str, str]", args.props.get("tags") or {})
        props = {**args.props, "tags": {**own, **given}}
        return pulumi.ResourceTransformationResult(props, args.opts)

    return add


IAM_PATH = f"/{PROJECT}/"
WITH_PATH = ("aws:iam/role:Role", "aws:iam/instanceProfile:InstanceProfile", "aws:iam/policy:Policy")


def iam_path(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult | None:
    """Roles and instance profiles under a path of their own: who deploys may be allowed these and no others
    (docs/deployer-policy.json)."""
    if args.type_ not in WITH_PATH:
        return None
    return pulumi.ResourceTransformationResult({**args.props, "path": IAM_PATH}, args.opts)
