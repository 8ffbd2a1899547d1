"""Controls of instances and their volumes, of what they may do, and of what every role may do."""

from __future__ import annotations

from collections.abc import Iterator

from tests.unit.aws.controls.registry import adds, at, control, missing, put, without
from tests.unit.aws.controls.stacks import Declared, actions, listed

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


@control(
    "EC2.3",
    VOLUME,
    INSTANCE,
    breaks=[
        put(VOLUME, "encrypted", False),
        put(VOLUME, "kmsKeyId", ""),
        put(INSTANCE, "rootBlockDevice.encrypted", False),
        put(INSTANCE, "ebsBlockDevices", [{"encrypted": False}]),
    ],
)
def disks_are_encrypted(stack: Declared) -> Iterator[str]:
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


@control(
    "EC2.8",
    INSTANCE,
    breaks=[put(INSTANCE, "metadataOptions.httpTokens", "optional"), put(INSTANCE, "metadataOptions", None)],
)
def metadata_asks_for_a_token(stack: Declared) -> Iterator[str]:
    yield from missing(
        stack.of(INSTANCE),
        lambda item: (
            at(item, "metadataOptions.httpTokens") == "required"
            and at(item, "metadataOptions.httpPutResponseHopLimit") == 1
        ),
        "IMDSv1",
    )


for id_ in ("EC2.25", "EC2.170", "EC2.181"):

    @control(id_, *TEMPLATES, breaks=[adds(TEMPLATES[0]), adds(TEMPLATES[1])])
    def there_is_no_launch_template(stack: Declared) -> Iterator[str]:
        yield from missing(stack.of(*TEMPLATES), lambda _: False, "not used here: write its controls first")


@control("SSM.1", INSTANCE, PROFILE, ATTACHMENT, breaks=[without(ATTACHMENT), put(INSTANCE, "iamInstanceProfile", "")])
def machines_are_managed_by_ssm(stack: Declared) -> Iterator[str]:
    managed = {item.inputs["role"] for item in stack.of(ATTACHMENT) if item.inputs["policyArn"] == SSM}
    profiles = {item.name for item in stack.of(PROFILE) if item.inputs["role"] in managed}
    yield from missing(
        stack.of(INSTANCE), lambda item: item.inputs.get("iamInstanceProfile") in profiles, "its role has no SSM"
    )
    yield from missing(stack.of(INSTANCE), lambda item: not item.inputs.get("keyName"), "an SSH key")


@control("SSM.7", DOCUMENT, breaks=[adds(DOCUMENT)])
def there_is_no_document_to_share(stack: Declared) -> Iterator[str]:
    yield from missing(stack.of(DOCUMENT), lambda _: False, "not used here")


def grants(stack: Declared) -> Iterator[tuple[str, dict]]:
    """Every statement that a role's own or a managed policy allows."""
    for item, statements in stack.policies():
        if item.type in (ROLE_POLICY, POLICY):
            for statement in statements:
                if statement["Effect"] == "Allow":
                    yield item.name, statement


@control(
    "IAM.1",
    ROLE_POLICY,
    POLICY,
    ATTACHMENT,
    ROLE,
    breaks=[
        put(ROLE_POLICY, "policy!.Statement.0", {"Effect": "Allow", "Action": "*", "Resource": "*"}),
        put(ROLE_POLICY, "policy!.Statement.0", {"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}),
        put(ATTACHMENT, "policyArn", "arn:aws:iam::aws:policy/AdministratorAccess"),
        put(ROLE, "managedPolicyArns", ["arn:aws:iam::aws:policy/AdministratorAccess"]),
    ],
)
def nobody_may_do_everything(stack: Declared) -> Iterator[str]:
    for name, statement in grants(stack):
        if "*" in actions(statement) or {"NotAction", "NotResource"} & set(statement):
            yield f"{name}: {statement}"
    yield from missing(stack.of(ATTACHMENT), lambda item: item.inputs["policyArn"] == SSM, "a policy of AWS's")
    inline = {"inlinePolicies", "managedPolicyArns"}
    yield from missing(stack.of(ROLE), lambda item: not inline & set(item.inputs), "policies out of sight")


@control(
    "IAM.21",
    ROLE_POLICY,
    POLICY,
    breaks=[put(ROLE_POLICY, "policy!.Statement.0", {"Effect": "Allow", "Action": ["s3:*"], "Resource": "*"})],
)
def nobody_may_do_all_of_a_service(stack: Declared) -> Iterator[str]:
    for name, statement in grants(stack):
        if any("*" in action for action in actions(statement)):
            yield f"{name}: {actions(statement)}"


@control(
    "KMS.1",
    ROLE_POLICY,
    POLICY,
    breaks=[put(ROLE_POLICY, "policy!.Statement.0", {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*"})],
)
@control(
    "KMS.2",
    ROLE_POLICY,
    breaks=[
        put(
            ROLE_POLICY,
            "policy!.Statement.0",
            {"Effect": "Allow", "Action": ["kms:ReEncryptFrom"], "Resource": ["arn:aws:kms:eu-central-1:1:key/*"]},
        )
    ],
)
def roles_decrypt_with_named_keys(stack: Declared) -> Iterator[str]:
    for name, statement in grants(stack):
        uses_keys = any(action.startswith("kms:") for action in actions(statement))
        if uses_keys and any("*" in resource for resource in listed(statement["Resource"])):
            yield f"{name}: {statement['Resource']}"
