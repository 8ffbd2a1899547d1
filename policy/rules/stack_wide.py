"""Rules of ours for every kind of resource: whose it is, that it stays in prod, that it is encrypted where it lies."""

from __future__ import annotations

from collections.abc import Iterator

from policy.rules.registry import Finding, control, missing
from policy.stack import Resource, Stack

TAGS = ("Project", "Stack", "Environment")
"""infra/aws/context.py sets them."""
TAGGED = (
    "aws:ebs/volume:Volume",
    "aws:ec2/instance:Instance",
    "aws:ec2/natGateway:NatGateway",
    "aws:ec2/vpc:Vpc",
    "aws:ec2/vpcEndpoint:VpcEndpoint",
    "aws:ecs/cluster:Cluster",
    "aws:ecs/service:Service",
    "aws:grafana/workspace:Workspace",
    "aws:iam/role:Role",
    "aws:kms/key:Key",
    "aws:lb/loadBalancer:LoadBalancer",
    "aws:msk/cluster:Cluster",
    "aws:s3/bucket:Bucket",
    "aws:secretsmanager/secret:Secret",
)
"""What costs money or may do something: it has tags, where others only must not have wrong ones."""
HOLDS_DATA = (
    "aws:ebs/volume:Volume",
    "aws:grafana/workspace:Workspace",
    "aws:kms/key:Key",
    "aws:msk/cluster:Cluster",
    "aws:msk/topic:Topic",
    "aws:s3/bucket:Bucket",
)
WITH_KEY = {
    "aws:secretsmanager/secret:Secret": "kmsKeyId",
    "aws:cloudwatch/logGroup:LogGroup": "kmsKeyId",
}
"""Type to the input that names the stack's key."""
CLUSTER = "aws:msk/cluster:Cluster"


@control("tags", "tags", *TAGGED)
def everything_says_whose_it_is(stack: Stack) -> Iterator[Finding]:
    for item in stack.of(*TAGGED):
        tags = item.inputs.get("tags")
        absent = [tag for tag in TAGS if not (isinstance(tags, dict) and tags.get(tag))]
        if absent:
            yield item, f"no tag {', '.join(absent)}"


@control("protected", "protected", *HOLDS_DATA)
def what_holds_data_is_protected_in_prod(stack: Stack) -> Iterator[Finding]:
    if stack.prod:
        yield from missing(stack.of(*HOLDS_DATA), lambda item: item.protect, "an `up` could delete it: protect it")


@control("stored-encrypted", "encryption-at-rest", CLUSTER, *WITH_KEY)
def what_is_stored_is_encrypted_with_the_stack_s_key(stack: Stack) -> Iterator[Finding]:
    """Where no control of Security Hub's asks for a key of our own."""

    def encrypted(item: Resource) -> bool:
        return bool(item.inputs.get(WITH_KEY[item.type]))

    yield from missing(stack.of(*WITH_KEY), encrypted, "not encrypted with the stack's key")
    yield from missing(
        stack.of(CLUSTER),
        lambda item: bool((item.inputs.get("encryptionInfo") or {}).get("encryptionAtRestKmsKeyArn")),
        "not encrypted with the stack's key",
    )
