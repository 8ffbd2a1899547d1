"""Controls of what is kept: buckets, keys, secrets, topics and queues of messages, images."""

from __future__ import annotations

from collections.abc import Iterator

from policy.rules.registry import Finding, control, missing
from policy.stack import Resource, Stack, actions, at, known, listed, statements

BUCKET = "aws:s3/bucket:Bucket"
BLOCK = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
BUCKET_POLICY = "aws:s3/bucketPolicy:BucketPolicy"
OWNERSHIP = "aws:s3/bucketOwnershipControls:BucketOwnershipControls"
ACL = "aws:s3/bucketAcl:BucketAcl"
LIFECYCLE = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
ENCRYPTION = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
KEY = "aws:kms/key:Key"
ROLE_POLICIES = ("aws:iam/rolePolicy:RolePolicy", "aws:iam/policy:Policy")
SECRET = "aws:secretsmanager/secret:Secret"
SECRET_VERSION = "aws:secretsmanager/secretVersion:SecretVersion"
TOPIC = "aws:sns/topic:Topic"
TOPIC_POLICY = "aws:sns/topicPolicy:TopicPolicy"
QUEUE = "aws:sqs/queue:Queue"
QUEUE_POLICY = "aws:sqs/queuePolicy:QueuePolicy"
REPOSITORY = "aws:ecr/repository:Repository"
REPOSITORY_LIFECYCLE = "aws:ecr/lifecyclePolicy:LifecyclePolicy"
FLAGS = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")


FOR_ALL = {"S3.1": "blockPublicPolicy", "S3.2": "restrictPublicBuckets", "S3.3": "ignorePublicAcls"}


def beside(stack: Stack, type_: str) -> dict[str, Resource]:
    """A bucket's URN to what is said about it by a resource of its own."""
    return stack.referring(type_, "bucket")


def log_buckets(stack: Stack) -> set[str]:
    """Buckets that a service of AWS's writes logs to, or may: a policy that is not known yet is judged in the `up`."""
    found = beside(stack, BUCKET_POLICY)
    return {
        bucket
        for bucket, policy in found.items()
        if not known(policy, "policy")
        or any(
            statement["Effect"] == "Allow" and "logdelivery" in str(statement["Principal"])
            for statement in statements(policy)
        )
    }


for id_, flag in FOR_ALL.items():

    @control(id_, "buckets", BUCKET, BLOCK)
    def buckets_are_not_public(stack: Stack, flag: str = flag) -> Iterator[Finding]:
        blocks = beside(stack, BLOCK)
        yield from missing(
            stack.of(BUCKET), lambda item: item.urn in blocks and blocks[item.urn].inputs.get(flag) is True, flag
        )


@control("S3.8", "buckets", BUCKET, BLOCK)
def buckets_block_all_public_access(stack: Stack) -> Iterator[Finding]:
    blocks = beside(stack, BLOCK)
    yield from missing(
        stack.of(BUCKET),
        lambda item: item.urn in blocks and all(blocks[item.urn].inputs.get(flag) is True for flag in FLAGS),
        "public access",
    )


@control("S3.5", "buckets", BUCKET, BUCKET_POLICY)
def buckets_speak_tls(stack: Stack) -> Iterator[Finding]:
    policies = beside(stack, BUCKET_POLICY)

    def refuses(item: Resource) -> bool:
        if item.urn in policies and not known(policies[item.urn], "policy"):
            return True  # it holds the bucket's ARN: judged in the `up`
        return item.urn in policies and any(
            statement["Effect"] == "Deny"
            and statement.get("Action") == "s3:*"
            and statement.get("Principal") == "*"
            and statement.get("Condition") == {"Bool": {"aws:SecureTransport": "false"}}
            and {resource.endswith("/*") for resource in listed(statement["Resource"])} == {True, False}
            for statement in statements(policies[item.urn])
        )

    yield from missing(stack.of(BUCKET), refuses, "plain HTTP is let in")


@control("S3.12", "buckets", BUCKET, OWNERSHIP, ACL)
def buckets_have_no_acls(stack: Stack) -> Iterator[Finding]:
    owned = beside(stack, OWNERSHIP)
    yield from missing(
        stack.of(BUCKET),
        lambda item: item.urn in owned and at(owned[item.urn], "rule.objectOwnership") == "BucketOwnerEnforced",
        "ACLs",
    )
    yield from missing(stack.of(ACL), lambda _: False, "an ACL")


@control("S3.13", "buckets", BUCKET, LIFECYCLE, BUCKET_POLICY)
def buckets_are_tidied_and_data_never_expires(stack: Stack) -> Iterator[Finding]:
    """Unfinished uploads end everywhere. Everything expires in log buckets only: ClickHouse alone knows which of its
    objects are still parts of a table."""
    rules = beside(stack, LIFECYCLE)
    logs = log_buckets(stack)
    for bucket in stack.of(BUCKET):
        found = rules[bucket.urn].inputs["rules"] if bucket.urn in rules else []
        if not any(rule.get("abortIncompleteMultipartUpload") for rule in found):
            yield bucket, "no lifecycle"
        for rule in found:
            prefix = (rule.get("filter") or {}).get("prefix")
            if rule.get("expiration") and not prefix and bucket.urn not in logs:
                yield bucket, "everything in it expires"
            if rule.get("expiration") and (prefix or "").startswith("disk"):
                yield bucket, f"{prefix} expires"


@control("S3.17", "buckets", BUCKET, ENCRYPTION, BUCKET_POLICY)
def buckets_are_encrypted_with_the_stack_s_key(stack: Stack) -> Iterator[Finding]:
    """But those that load balancers write to: ELB takes S3's own key only."""
    by_bucket, logs = beside(stack, ENCRYPTION), log_buckets(stack)
    for bucket in stack.of(BUCKET):
        found = by_bucket[bucket.urn].inputs["rules"] if bucket.urn in by_bucket else []
        ways = [rule["applyServerSideEncryptionByDefault"] for rule in found]
        with_key = [way["sseAlgorithm"] == "aws:kms" and bool(way.get("kmsMasterKeyId")) for way in ways]
        if not ways or (not all(with_key) and bucket.urn not in logs):
            yield bucket, "not encrypted with the stack's key"


@control("KMS.3", "protected", KEY)
def keys_are_not_lost_by_mistake(stack: Stack) -> Iterator[Finding]:
    if stack.prod:
        yield from missing(
            stack.of(KEY),
            lambda item: item.inputs.get("deletionWindowInDays") == 30 and item.protect,
            "could be gone within a week",
        )


@control("KMS.4", "encryption-at-rest", KEY)
def keys_rotate(stack: Stack) -> Iterator[Finding]:
    yield from missing(stack.of(KEY), lambda item: item.inputs.get("enableKeyRotation") is True, "never rotated")


@control("KMS.5", "no-public-access", KEY)
def keys_are_not_public(stack: Stack) -> Iterator[Finding]:
    yield from open_policies(stack, KEY)


def open_policies(stack: Stack, *types: str) -> Iterator[Finding]:
    """Statements that allow anybody."""
    for item in stack.of(*types):
        for statement in statements(item):
            who = statement["Principal"]
            anybody = who == "*" or (isinstance(who, dict) and "*" in listed(who.get("AWS", [])))
            if anybody and statement["Effect"] == "Allow":
                yield item, f"{statement.get('Sid', actions(statement))} for anybody"


@control("SecretsManager.3", "access", SECRET, SECRET_VERSION, *ROLE_POLICIES)
def every_secret_has_a_reader(stack: Stack) -> Iterator[Finding]:
    """A role's policy that lets read secrets is made of this one's ARN; while it is not known, of it at all."""
    readers = [
        item
        for item in stack.of(*ROLE_POLICIES)
        if not known(item, "policy")
        or any("secretsmanager:GetSecretValue" in actions(statement) for statement in statements(item))
    ]
    read = {urn for item in readers for urn in item.refers.get("policy", ())}
    # An ARN may be a version's: it is there once the secret has a value.
    versions = stack.of(SECRET_VERSION)
    read |= {urn for item in versions if item.urn in read for urn in item.refers.get("secretId", ())}
    yield from missing(stack.of(SECRET), lambda item: item.urn in read, "no role reads it")


@control("SNS.1", "encryption-at-rest", TOPIC)
def topics_are_encrypted(stack: Stack) -> Iterator[Finding]:
    yield from missing(stack.of(TOPIC), lambda item: bool(item.inputs.get("kmsMasterKeyId")), "not encrypted")


@control("SNS.4", "no-public-access", TOPIC_POLICY)
def topics_are_not_public(stack: Stack) -> Iterator[Finding]:
    yield from open_policies(stack, TOPIC_POLICY)


@control("SQS.1", "encryption-at-rest", QUEUE)
def queues_are_encrypted(stack: Stack) -> Iterator[Finding]:
    yield from missing(stack.of(QUEUE), lambda item: bool(item.inputs.get("kmsMasterKeyId")), "not encrypted")


@control("SQS.3", "no-public-access", QUEUE, QUEUE_POLICY)
def queues_are_not_shared(stack: Stack) -> Iterator[Finding]:
    """Without a policy only roles of this account that say so get in."""
    yield from missing(stack.of(QUEUE), lambda item: "policy" not in item.inputs, "a policy")
    yield from missing(stack.of(QUEUE_POLICY), lambda _: False, "a policy")


@control("ECR.1", "containers", REPOSITORY)
def images_are_scanned(stack: Stack) -> Iterator[Finding]:
    yield from missing(
        stack.of(REPOSITORY), lambda item: at(item, "imageScanningConfiguration.scanOnPush") is True, "no scan"
    )


@control("ECR.2", "containers", REPOSITORY)
def tags_stay(stack: Stack) -> Iterator[Finding]:
    yield from missing(stack.of(REPOSITORY), lambda item: item.inputs["imageTagMutability"] == "IMMUTABLE", "mutable")


@control("ECR.3", "access", REPOSITORY, REPOSITORY_LIFECYCLE)
def images_do_not_pile_up(stack: Stack) -> Iterator[Finding]:
    tidied = stack.referring(REPOSITORY_LIFECYCLE, "repository")
    yield from missing(stack.of(REPOSITORY), lambda item: item.urn in tidied, "no lifecycle")
