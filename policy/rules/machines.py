"""Controls of instances and their volumes, of what they may do, and of what every role may do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from policy.rules.registry import Finding, control, missing
from policy.stack import Resource, Stack, actions, at, listed

INSTANCE = "aws:ec2/instance:Instance"
VOLUME = "aws:ebs/volume:Volume"
TEMPLATES = ("aws:ec2/launchTemplate:LaunchTemplate", "aws:ec2/launchConfiguration:LaunchConfiguration")
PROFILE = "aws:iam/instanceProfile:InstanceProfile"
ATTACHMENT = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
ROLE = "aws:iam/role:Role"
ROLE_POLICY = "aws:iam/rolePolicy:RolePolicy"
POLICY = "aws:iam/policy:Policy"
DOCUMENT = "aws:ssm/document:Document"
SSM = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"


@control("EC2.3", "encryption-at-rest", VOLUME, INSTANCE)
def disks_are_encrypted(stack: Stack) -> Iterator[Finding]:
    yield from missing(
        stack.of(VOLUME),
        lambda item: item.inputs.get("encrypted") is True and bool(item.inputs.get("kmsKeyId")),
        "open",
    )
    yield from missing(
        stack.of(INSTANCE),
        lambda item: at(item, "rootBlockDevice.encrypted") is True and bool(at(item, "rootBlockDevice.kmsKeyId")),
        "its root volume",
    )
    yield from missing(stack.of(INSTANCE), lambda item: not item.inputs.get("ebsBlockDevices"), "volumes of its own")


@control("EC2.8", "instance-metadata", INSTANCE)
def metadata_asks_for_a_token(stack: Stack) -> Iterator[Finding]:
    yield from missing(
        stack.of(INSTANCE),
        lambda item: (
            at(item, "metadataOptions.httpTokens") == "required"
            and at(item, "metadataOptions.httpPutResponseHopLimit") == 1
        ),
        "IMDSv1",
    )


for id_ in ("EC2.25", "EC2.170", "EC2.181"):

    @control(id_, "reviewed-kinds", *TEMPLATES)
    def there_is_no_launch_template(stack: Stack) -> Iterator[Finding]:
        yield from missing(stack.of(*TEMPLATES), lambda _: False, "not used here: write its controls first")


@control("SSM.1", "access", INSTANCE, PROFILE, ATTACHMENT)
def machines_are_managed_by_ssm(stack: Stack) -> Iterator[Finding]:
    attached = [item for item in stack.of(ATTACHMENT) if item.inputs["policyArn"] == SSM]
    managed = {role for item in attached for role in item.refers.get("role", ())}
    profiles = {item.urn for item in stack.of(PROFILE) if managed & item.refers.get("role", frozenset())}
    yield from missing(
        stack.of(INSTANCE),
        lambda item: bool(profiles & item.refers.get("iamInstanceProfile", frozenset())),
        "its role has no SSM",
    )
    yield from missing(stack.of(INSTANCE), lambda item: not item.inputs.get("keyName"), "an SSH key")


@control("SSM.7", "reviewed-kinds", DOCUMENT)
def there_is_no_document_to_share(stack: Stack) -> Iterator[Finding]:
    yield from missing(stack.of(DOCUMENT), lambda _: False, "not used here")


def grants(stack: Stack) -> Iterator[tuple[Resource, dict[str, Any]]]:
    """Every statement that a role's own or a managed policy allows."""
    for item, statements in stack.policies():
        if item.type in (ROLE_POLICY, POLICY):
            for statement in statements:
                if statement["Effect"] == "Allow":
                    yield item, statement


@control("IAM.1", "least-privilege", ROLE_POLICY, POLICY, ATTACHMENT, ROLE)
def nobody_may_do_everything(stack: Stack) -> Iterator[Finding]:
    for item, statement in grants(stack):
        if "*" in actions(statement) or {"NotAction", "NotResource"} & set(statement):
            yield item, f"allows {statement}"
    yield from missing(stack.of(ATTACHMENT), lambda item: item.inputs["policyArn"] == SSM, "a policy of AWS's")
    inline = {"inlinePolicies", "managedPolicyArns"}
    yield from missing(stack.of(ROLE), lambda item: not inline & set(item.inputs), "policies out of sight")


@control("IAM.21", "least-privilege", ROLE_POLICY, POLICY)
def nobody_may_do_all_of_a_service(stack: Stack) -> Iterator[Finding]:
    for item, statement in grants(stack):
        if any("*" in action for action in actions(statement)):
            yield item, f"a wildcard in {', '.join(actions(statement))}"


@control("KMS.1", "least-privilege", ROLE_POLICY, POLICY)
@control("KMS.2", "least-privilege", ROLE_POLICY)
def roles_decrypt_with_named_keys(stack: Stack) -> Iterator[Finding]:
    for item, statement in grants(stack):
        uses_keys = any(action.startswith("kms:") for action in actions(statement))
        if uses_keys and any("*" in resource for resource in listed(statement["Resource"])):
            yield item, f"any key: {statement['Resource']}"
