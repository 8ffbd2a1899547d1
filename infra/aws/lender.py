"""The last thing of a stack that lends its network, and so the first of its destroy: refused while another stack is in it."""

from __future__ import annotations

from typing import Any

from pulumi import ResourceOptions
from pulumi.dynamic import CreateResult, DiffResult, Resource, ResourceProvider, UpdateResult

from infra.aws.api import as_user_error, client
from infra.aws.context import SHARES_WITH
from infra.config import PROJECT
from infra.dynamic import plain_props
from infra.errors import UserError


def borrowers(region: str, stack: str) -> list[str]:
    """Stacks with security groups that say that they share this one's network. Raises UserError."""
    filters = [{"Name": "tag:Project", "Values": [PROJECT]}, {"Name": f"tag:{SHARES_WITH}", "Values": [stack]}]
    with as_user_error(f"who uses what {stack} lends"):
        pages = client("ec2", region).get_paginator("describe_security_groups").paginate(Filters=filters)
        groups = [group for page in pages for group in page["SecurityGroups"]]
    tags = [{tag["Key"]: tag["Value"] for tag in group.get("Tags", [])} for group in groups]
    return sorted({found.get("Stack", group["GroupId"]) for found, group in zip(tags, groups, strict=True)})


class LenderProvider(ResourceProvider):
    """Inputs: region, stack. AWS itself would refuse only at the network's end, when the brokers are gone already."""

    serialize_as_secret_always = False

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        return DiffResult(changes=any(olds.get(key) != news.get(key) for key in ("region", "stack")))

    def create(self, props: dict[str, Any]) -> CreateResult:
        return CreateResult("lender", plain_props(props))

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        return UpdateResult(plain_props(news))

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        stack = props["stack"]
        if found := borrowers(props["region"], stack):
            downs = ", ".join(f"`telemetry down --name {other}`" for other in found)
            raise UserError(
                f"{', '.join(found)} use{'s' if len(found) == 1 else ''} what {stack} lends (shareStack), and nothing of "
                f"{stack} is destroyed while that is so: {downs} first"
            )


class Lender(Resource, module="aws", name="Lender"):
    """Depends on everything else of the stack."""

    def __init__(self, name: str, region: str, stack: str, opts: ResourceOptions):
        super().__init__(LenderProvider(), name, {"region": region, "stack": stack}, opts)
