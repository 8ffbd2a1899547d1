"""Controls of what is kept: buckets, keys, secrets, topics and queues of messages, images."""

from __future__ import annotations

import json
from collections.abc import Iterator

from tests.unit.aws.controls.registry import adds, at, control, missing, put, without
from tests.unit.aws.controls.stacks import Declared, actions, listed
from tests.unit.aws.mocks import Made

BUCKET = "aws:s3/bucket:Bucket"
BLOCK = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
BUCKET_POLICY = "aws:s3/bucketPolicy:BucketPolicy"
OWNERSHIP = "aws:s3/bucketOwnershipControls:BucketOwnershipControls"
ACL = "aws:s3/bucketAcl:BucketAcl"
LIFECYCLE = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
ENCRYPTION = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
KEY = "aws:kms/key:Key"
SECRET = "aws:secretsmanager/secret:Secret"
TOPIC = "aws:sns/topic:Topic"
TOPIC_POLICY = "aws:sns/topicPolicy:TopicPolicy"
QUEUE = "aws:sqs/queue:Queue"
QUEUE_POLICY = "aws:sqs/queuePolicy:QueuePolicy"
REPOSITORY = "aws:ecr/repository:Repository"
REPOSITORY_LIFECYCLE = "aws:ecr/lifecyclePolicy:LifecyclePolicy"
FLAGS = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")


def beside(stack: Declared, type_: str) -> dict[str, Made]:
    """A bucket's id to what is said about it by a resource of its own."""
    return {item.inputs["bucket"]: item for item in stack.of(type_)}


def statements(item: Made) -> list[dict]:
    return json.loads(item.inputs["policy"])["Statement"]


def log_buckets(stack: Declared) -> set[str]:
    """Buckets that a service of AWS's writes logs to."""
    return {
        bucket
        for bucket, policy in beside(stack, BUCKET_POLICY).items()
        for statement in statements(policy)
        if statement["Effect"] == "Allow" and "logdelivery" in str(statement["Principal"])
    }


for id_, flag in {"S3.1": "blockPublicPolicy", "S3.2": "restrictPublicBuckets", "S3.3": "ignorePublicAcls"}.items():

    @control(id_, BUCKET, BLOCK, breaks=[put(BLOCK, flag, False), without(BLOCK), adds(BUCKET)])
    def buckets_are_not_public(stack: Declared, flag: str = flag) -> Iterator[str]:
        blocks = beside(stack, BLOCK)
        yield from missing(
            stack.of(BUCKET), lambda item: item.id in blocks and blocks[item.id].inputs[flag] is True, flag
        )


@control("S3.8", BUCKET, BLOCK, breaks=[put(BLOCK, "blockPublicAcls", False), adds(BUCKET)])
def buckets_block_all_public_access(stack: Declared) -> Iterator[str]:
    blocks = beside(stack, BLOCK)
    yield from missing(
        stack.of(BUCKET),
        lambda item: item.id in blocks and all(blocks[item.id].inputs[flag] is True for flag in FLAGS),
        "public access",
    )


@control(
    "S3.5",
    BUCKET,
    BUCKET_POLICY,
    breaks=[put(BUCKET_POLICY, "policy!.Statement.0.Effect", "Allow"), without(BUCKET_POLICY), adds(BUCKET)],
)
def buckets_speak_tls(stack: Declared) -> Iterator[str]:
    policies = beside(stack, BUCKET_POLICY)

    def refuses(item: Made) -> bool:
        return item.id in policies and any(
            statement["Effect"] == "Deny"
            and statement["Action"] == "s3:*"
            and statement["Principal"] == "*"
            and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
            and {resource.endswith("/*") for resource in listed(statement["Resource"])} == {True, False}
            for statement in statements(policies[item.id])
        )

    yield from missing(stack.of(BUCKET), refuses, "plain HTTP is let in")


@control(
    "S3.12",
    BUCKET,
    OWNERSHIP,
    ACL,
    breaks=[put(OWNERSHIP, "rule.objectOwnership", "ObjectWriter"), adds(ACL), adds(BUCKET)],
)
def buckets_have_no_acls(stack: Declared) -> Iterator[str]:
    owned = beside(stack, OWNERSHIP)
    yield from missing(
        stack.of(BUCKET),
        lambda item: item.id in owned and at(owned[item.id], "rule.objectOwnership") == "BucketOwnerEnforced",
        "ACLs",
    )
    yield from missing(stack.of(ACL), lambda _: False, "an ACL")


def expire_data(stack: Declared) -> None:
    """Breaks: what ClickHouse stores expires by age."""
    put(LIFECYCLE, "rules.0.expiration", {"days": 30})(stack)


@control("S3.13", BUCKET, LIFECYCLE, breaks=[without(LIFECYCLE), adds(BUCKET), expire_data])
def buckets_are_tidied_and_data_never_expires(stack: Declared) -> Iterator[str]:
    """Unfinished uploads end everywhere. Everything expires in log buckets only: ClickHouse alone knows which of its
    objects are still parts of a table."""
    rules = beside(stack, LIFECYCLE)
    logs = log_buckets(stack)
    for bucket in stack.of(BUCKET):
        found = rules[bucket.id].inputs["rules"] if bucket.id in rules else []
        if not any(rule.get("abortIncompleteMultipartUpload") for rule in found):
            yield f"{bucket.name}: no lifecycle"
        for rule in found:
            prefix = (rule.get("filter") or {}).get("prefix")
            if rule.get("expiration") and not prefix and bucket.id not in logs:
                yield f"{bucket.name}: everything in it expires"
            if rule.get("expiration") and (prefix or "").startswith("disk"):
                yield f"{bucket.name}: {prefix} expires"


SSE = "rules.0.applyServerSideEncryptionByDefault"


@control("S3.17", BUCKET, ENCRYPTION, breaks=[put(ENCRYPTION, SSE, {"sseAlgorithm": "AES256"}), adds(BUCKET)])
def buckets_are_encrypted_with_the_stack_s_key(stack: Declared) -> Iterator[str]:
    """But those that load balancers write to: ELB takes S3's own key only."""
    by_bucket, logs = beside(stack, ENCRYPTION), log_buckets(stack)
    for bucket in stack.of(BUCKET):
        found = by_bucket[bucket.id].inputs["rules"] if bucket.id in by_bucket else []
        ways = [rule["applyServerSideEncryptionByDefault"] for rule in found]
        with_key = [way["sseAlgorithm"] == "aws:kms" and bool(way.get("kmsMasterKeyId")) for way in ways]
        if not ways or (not all(with_key) and bucket.id not in logs):
            yield f"{bucket.name}: not by the stack's key"


@control("KMS.3", KEY, breaks=[put(KEY, "deletionWindowInDays", 7), lambda stack: stack.protected.clear()])
def keys_are_not_lost_by_mistake(stack: Declared) -> Iterator[str]:
    if stack.prod:
        yield from missing(
            stack.of(KEY),
            lambda item: item.inputs.get("deletionWindowInDays") == 30 and item.name in stack.protected,
            "could be gone within a week",
        )


@control("KMS.4", KEY, breaks=[put(KEY, "enableKeyRotation", False)])
def keys_rotate(stack: Declared) -> Iterator[str]:
    yield from missing(stack.of(KEY), lambda item: item.inputs.get("enableKeyRotation") is True, "never rotated")


@control(
    "KMS.5",
    KEY,
    breaks=[put(KEY, "policy!.Statement.0.Principal", "*"), put(KEY, "policy!.Statement.0.Principal", {"AWS": "*"})],
)
def keys_are_not_public(stack: Declared) -> Iterator[str]:
    yield from open_policies(stack, KEY)


def open_policies(stack: Declared, *types: str) -> Iterator[str]:
    """Statements that allow anybody."""
    for item in stack.of(*types):
        for statement in statements(item):
            who = statement["Principal"]
            anybody = who == "*" or (isinstance(who, dict) and "*" in listed(who.get("AWS", [])))
            if anybody and statement["Effect"] == "Allow":
                yield f"{item.name}: {statement.get('Sid', actions(statement))} for anybody"


@control("SecretsManager.3", SECRET, breaks=[adds(SECRET)])
def every_secret_has_a_reader(stack: Declared) -> Iterator[str]:
    read = {
        resource
        for _, found in stack.policies()
        for statement in found
        if "secretsmanager:GetSecretValue" in actions(statement)
        for resource in listed(statement["Resource"])
    }
    yield from missing(
        stack.of(SECRET),
        # A mock's ARN ends with the resource's name, and its id is the name with -id.
        lambda item: any(arn.endswith(f":{item.name}") or arn == item.id for arn in read),
        "no role reads it",
    )


@control("SNS.1", TOPIC, breaks=[put(TOPIC, "kmsMasterKeyId", "")])
def topics_are_encrypted(stack: Declared) -> Iterator[str]:
    yield from missing(stack.of(TOPIC), lambda item: bool(item.inputs.get("kmsMasterKeyId")), "not encrypted")


@control("SNS.4", TOPIC_POLICY, breaks=[put(TOPIC_POLICY, "policy!.Statement.0.Principal", "*")])
def topics_are_not_public(stack: Declared) -> Iterator[str]:
    yield from open_policies(stack, TOPIC_POLICY)


@control("SQS.1", QUEUE, breaks=[put(QUEUE, "kmsMasterKeyId", "")])
def queues_are_encrypted(stack: Declared) -> Iterator[str]:
    yield from missing(stack.of(QUEUE), lambda item: bool(item.inputs.get("kmsMasterKeyId")), "not encrypted")


@control("SQS.3", QUEUE, QUEUE_POLICY, breaks=[put(QUEUE, "policy", "{}"), adds(QUEUE_POLICY)])
def queues_are_not_shared(stack: Declared) -> Iterator[str]:
    """Without a policy only roles of this account that say so get in."""
    yield from missing(stack.of(QUEUE), lambda item: "policy" not in item.inputs, "a policy")
    yield from missing(stack.of(QUEUE_POLICY), lambda _: False, "a policy")


@control("ECR.1", REPOSITORY, breaks=[put(REPOSITORY, "imageScanningConfiguration.scanOnPush", False)])
def images_are_scanned(stack: Declared) -> Iterator[str]:
    yield from missing(
        stack.of(REPOSITORY), lambda item: at(item, "imageScanningConfiguration.scanOnPush") is True, "no scan"
    )


@control("ECR.2", REPOSITORY, breaks=[put(REPOSITORY, "imageTagMutability", "MUTABLE")])
def tags_stay(stack: Declared) -> Iterator[str]:
    yield from missing(stack.of(REPOSITORY), lambda item: item.inputs["imageTagMutability"] == "IMMUTABLE", "mutable")


@control("ECR.3", REPOSITORY, REPOSITORY_LIFECYCLE, breaks=[without(REPOSITORY_LIFECYCLE)])
def images_do_not_pile_up(stack: Declared) -> Iterator[str]:
    tidied = {item.inputs["repository"] for item in stack.of(REPOSITORY_LIFECYCLE)}
    yield from missing(stack.of(REPOSITORY), lambda item: item.inputs["name"] in tidied, "no lifecycle")
