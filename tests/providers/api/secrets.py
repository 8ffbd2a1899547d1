"""Secrets Manager and STS."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

from tests.providers.api.table import serves
from tests.providers.standin.cloud import ACCOUNT, Cloud, Refused, Resource

SECRET, VERSION, LATER = (
    "aws:secretsmanager/secret:Secret",
    "aws:secretsmanager/secretVersion:SecretVersion",
    "stand-in/secret-version",
)


def _secret(cloud: Cloud, name: str) -> Resource:
    found = cloud.find(SECRET, "id", name) or cloud.find(SECRET, "name", name)
    if found is None:
        waiting = [item for item in cloud.all(SECRET, state="scheduled") if name in (item.id, item.get("name"))]
        if waiting:
            raise Refused(
                "InvalidRequestException",
                "You can't perform this operation on the secret because it was marked for deletion.",
            )
        raise Refused("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
    return found


def _versions(cloud: Cloud, secret: Resource) -> list[Resource]:
    return versions_of(cloud, secret.id)


def versions_of(cloud: Cloud, arn: str) -> list[Resource]:
    """A secret's versions, oldest first; what boto3 put comes after what the program made."""
    return [item for kind in (VERSION, LATER) for item in cloud.all(kind) if item.get("secretId") == arn]


@serves("secretsmanager", "GetSecretValue")
def get_value(plane: Any, asked: dict[str, Any], region: str) -> dict[str, Any]:
    secret = _secret(plane.cloud, asked["SecretId"])
    versions = _versions(plane.cloud, secret)
    if wanted := asked.get("VersionId"):
        versions = [item for item in versions if item.get("versionId") == wanted]
    if not versions:
        raise Refused(
            "ResourceNotFoundException",
            "Secrets Manager can't find the specified secret value for staging label: AWSCURRENT",
        )
    found = versions[-1]
    answer = {
        "ARN": secret.id,
        "Name": secret.get("name"),
        "VersionId": found.get("versionId"),
        "VersionStages": ["AWSCURRENT"],
        "CreatedDate": datetime.now(UTC),
    }
    return answer | {"SecretString": found.get("secretString")}


@serves("secretsmanager", "PutSecretValue")
def put_value(plane: Any, asked: dict[str, Any], region: str) -> dict[str, Any]:
    secret = _secret(plane.cloud, asked["SecretId"])
    version = asked.get("ClientRequestToken") or str(uuid.uuid4())
    outputs = {"secretId": secret.id, "versionId": version, "secretString": asked.get("SecretString")}
    plane.cloud.put(Resource(LATER, f"{secret.id}|{version}", outputs=outputs))
    return {"ARN": secret.id, "Name": secret.get("name"), "VersionId": version, "VersionStages": ["AWSCURRENT"]}


@serves("secretsmanager", "DescribeSecret")
def describe(plane: Any, asked: dict[str, Any], region: str) -> dict[str, Any]:
    secret = _secret(plane.cloud, asked["SecretId"])
    versions = _versions(plane.cloud, secret)
    stages = {item.get("versionId"): ["AWSCURRENT" if item is versions[-1] else "AWSPREVIOUS"] for item in versions}
    tags = [{"Key": key, "Value": value} for key, value in (secret.get("tagsAll") or {}).items()]
    answer = {"ARN": secret.id, "Name": secret.get("name"), "VersionIdsToStages": stages, "Tags": tags}
    return answer | ({"KmsKeyId": secret.get("kmsKeyId")} if secret.get("kmsKeyId") else {})


@serves("sts", "GetCallerIdentity")
def caller(plane: Any, asked: dict[str, Any], region: str) -> dict[str, Any]:
    return {
        "Account": ACCOUNT,
        "Arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/deployer/session",
        "UserId": "AROAEXAMPLE:session",
    }
