"""S3, Secrets Manager, KMS, ECR, SSM parameters: contents, recovery windows, keys that wait."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from tests.providers.standin import objects
from tests.providers.standin.cloud import ACCOUNT, Cloud, Refused, Resource
from tests.providers.standin.rules.identity import document
from tests.providers.standin.rules.registry import Failures, changed, created, deleted, gone, made, values

BUCKET, OBJECT = "aws:s3/bucket:Bucket", "aws:s3/bucketObjectv2:BucketObjectv2"
POLICY, LOG_GROUP = "aws:s3/bucketPolicy:BucketPolicy", "aws:cloudwatch/logGroup:LogGroup"
SECRET, VERSION = "aws:secretsmanager/secret:Secret", "aws:secretsmanager/secretVersion:SecretVersion"
KEY, ALIAS = "aws:kms/key:Key", "aws:kms/alias:Alias"
REPOSITORY, PARAMETER = "aws:ecr/repository:Repository", "aws:ssm/parameter:Parameter"
IMAGE = "stand-in/image"
SECRET_BYTES = 65536
PARAMETER_BYTES = {"Standard": 4096, "Advanced": 8192, "Intelligent-Tiering": 8192}


@values(BUCKET)
def _bucket_name(inputs: Mapping[str, Any], region: str) -> Failures:
    name = inputs.get("bucket")
    if isinstance(name, str) and (".." in name or re.fullmatch(r"\d+(\.\d+){3}", name) or name.startswith("xn--")):
        return [("bucket", f"InvalidBucketName: {name}")]
    return []


@deleted(BUCKET)
def _bucket_is_empty(cloud: Cloud, bucket: Resource, state: Mapping[str, Any]) -> None:
    """forceDestroy counts as the last `up` left it in the state, not as the program has it now."""
    if objects.versions(cloud, bucket.id) and not state.get("forceDestroy"):
        raise Refused(
            "BucketNotEmpty",
            f"The bucket you tried to delete is not empty. You must delete all versions in the bucket: {bucket.id}",
        )


@gone(BUCKET)
def _bucket_contents(cloud: Cloud, bucket: Resource, state: Mapping[str, Any]) -> None:
    objects.erase(cloud, bucket.id)
    for other in cloud.all():
        if other.type.startswith("aws:s3/bucket") and other.get("bucket") == bucket.id:
            cloud.remove(other.type, other.id)


@created(POLICY)
def _policy_is_about_the_bucket(cloud: Cloud, policy: Resource) -> None:
    bucket = policy.get("bucket")
    statements = document(policy.get("policy"))["Statement"]
    for statement in statements if isinstance(statements, list) else [statements]:
        given = statement.get("Resource", [])
        for arn in given if isinstance(given, list) else [given]:
            if not re.fullmatch(re.escape(f"arn:aws:s3:::{bucket}") + r"(/.*)?", arn):
                raise Refused("MalformedPolicy", f"Policy has invalid resource: {arn} (the bucket is {bucket})")


@changed("aws:s3/bucketVersioning:BucketVersioning")
def _versioning(cloud: Cloud, old: Resource, new: Resource, paths: list[str]) -> None:
    status = "versioningConfiguration.status"
    if new.get(status) == "Disabled" and old.get(status) != "Disabled":
        raise Refused(
            "IllegalVersioningConfigurationException", "versioning can be suspended, not disabled, once it was on"
        )


@values(OBJECT)
def _one_content(inputs: Mapping[str, Any], region: str) -> Failures:
    given = [key for key in ("content", "contentBase64", "source") if inputs.get(key) is not None]
    return [(given[1], f"only one of {given} can be given")] if len(given) > 1 else []


@made(OBJECT)
def _upload(cloud: Cloud, item: Resource) -> None:
    body, key = objects.content_of(item.outputs), item.get("key")
    found = [stored for stored in objects.latest(cloud, item.get("bucket")) if stored.key == key]
    if not found or found[0].body != body:
        objects.write(
            cloud, item.get("bucket"), key, body, ContentType=item.get("contentType", "application/octet-stream")
        )


@gone(OBJECT)
def _remove(cloud: Cloud, item: Resource, state: Mapping[str, Any]) -> None:
    objects.erase(cloud, item.get("bucket"), item.get("key"))


@values(SECRET)
def _recovery(inputs: Mapping[str, Any], region: str) -> Failures:
    days = inputs.get("recoveryWindowInDays", 30)
    return (
        [] if days == 0 or 7 <= days <= 30 else [("recoveryWindowInDays", f"must be 0 or between 7 and 30, got {days}")]
    )


@gone(SECRET)
def _waits(cloud: Cloud, secret: Resource, state: Mapping[str, Any]) -> None:
    """Its name stays taken until the window is over."""
    if state.get("recoveryWindowInDays", 30) != 0:
        secret.state = "scheduled"
        cloud.put(secret)


@values(VERSION)
def _secret_size(inputs: Mapping[str, Any], region: str) -> Failures:
    size = len(str(inputs.get("secretString") or "").encode())
    return (
        [("secretString", f"InvalidParameterException: at most {SECRET_BYTES} bytes, got {size}")]
        if size > SECRET_BYTES
        else []
    )


@created(VERSION)
def _has_content(cloud: Cloud, version: Resource) -> None:
    if not version.get("secretString") and not version.get("secretBinary"):
        raise Refused("InvalidRequestException", "You must provide either SecretString or SecretBinary.")


@values(KEY)
def _window(inputs: Mapping[str, Any], region: str) -> Failures:
    days = inputs.get("deletionWindowInDays", 30)
    failures: Failures = [] if 7 <= days <= 30 else [("deletionWindowInDays", f"must be between 7 and 30, got {days}")]
    if inputs.get("policy") is not None and not _keeps_the_owner(inputs["policy"]):
        said = "MalformedPolicyDocumentException: The new key policy will not allow you to update the key policy in the future."
        failures.append(("policy", said))
    return failures


def _keeps_the_owner(policy: Any) -> bool:
    try:
        statements = document(policy).get("Statement", [])
    except ValueError:
        return True  # said elsewhere
    for statement in statements if isinstance(statements, list) else [statements]:
        principal, action = statement.get("Principal"), statement.get("Action", [])
        named = json.dumps(principal)
        actions = action if isinstance(action, list) else [action]
        if (
            statement.get("Effect") == "Allow"
            and (f"iam::{ACCOUNT}:" in named or '"*"' in named)
            and {"kms:*", "kms:PutKeyPolicy", "kms:Put*"} & set(actions)
        ):
            return True
    return False


@gone(KEY)
def _key_waits(cloud: Cloud, key: Resource, state: Mapping[str, Any]) -> None:
    key.state = "scheduled"
    cloud.put(key)
    for alias in cloud.all(ALIAS):
        if alias.get("targetKeyId") in (key.id, key.arn):
            cloud.remove(ALIAS, alias.id)


@created(LOG_GROUP)
def _logs_may_use_the_key(cloud: Cloud, group: Resource) -> None:
    key = cloud.find(KEY, "arn", group.get("kmsKeyId")) if group.get("kmsKeyId") else None
    region = group.arn.split(":")[3]
    policy = json.dumps(key.get("policy")) if key else ""
    if key and f"logs.{region}.amazonaws.com" not in policy and "logs.amazonaws.com" not in policy:
        raise Refused(
            "AccessDeniedException",
            f"The specified KMS key does not exist or is not allowed to be used with LogGroup '{group.arn}': its policy names no logs.{region}.amazonaws.com",
        )


@deleted(REPOSITORY)
def _no_images(cloud: Cloud, repository: Resource, state: Mapping[str, Any]) -> None:
    images = [item for item in cloud.all(IMAGE) if item.get("repository") == repository.id]
    if images and not state.get("forceDelete"):
        raise Refused(
            "RepositoryNotEmptyException",
            f"The repository with name '{repository.id}' cannot be deleted because it still contains images",
        )


@gone(REPOSITORY)
def _images_go_too(cloud: Cloud, repository: Resource, state: Mapping[str, Any]) -> None:
    for image in cloud.all(IMAGE):
        if image.get("repository") == repository.id:
            cloud.remove(IMAGE, image.id)


@values("aws:ecr/lifecyclePolicy:LifecyclePolicy")
def _lifecycle(inputs: Mapping[str, Any], region: str) -> Failures:
    if inputs.get("policy") is None:
        return []
    try:
        rules = document(inputs["policy"])["rules"]
        priorities = [rule["rulePriority"] for rule in rules]
        fine = all({"selection", "action"} <= rule.keys() for rule in rules) and len(set(priorities)) == len(priorities)
    except (ValueError, KeyError, TypeError):
        fine = False
    return (
        []
        if fine
        else [
            (
                "policy",
                "InvalidParameterException: Invalid parameter at 'LifecyclePolicyText': rules need rulePriority (unique), selection and action",
            )
        ]
    )


@values(PARAMETER)
def _parameter(inputs: Mapping[str, Any], region: str) -> Failures:
    failures: Failures = []
    size, tier = len(str(inputs.get("value") or "").encode()), inputs.get("tier", "Standard")
    if size > PARAMETER_BYTES.get(tier, 8192):
        failures.append(
            (
                "value",
                f"ValidationException: a {tier} parameter has at most {PARAMETER_BYTES[tier]} bytes, this one {size}",
            )
        )
    if re.match(r"/?(aws|ssm)", str(inputs.get("name", "")), re.I):
        failures.append(
            ("name", f'ValidationException: Parameter name can\'t be prefixed with "aws" or "ssm": {inputs["name"]}')
        )
    return failures
