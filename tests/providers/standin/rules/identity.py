"""IAM, and every policy document wherever it is given: form, size, principals, what is attached."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from tests.providers.standin.cloud import ACCOUNT, Cloud, Refused, Resource
from tests.providers.standin.data import table
from tests.providers.standin.rules.registry import Failures, changed, created, deleted, values

ROLE, INLINE, MANAGED = "aws:iam/role:Role", "aws:iam/rolePolicy:RolePolicy", "aws:iam/policy:Policy"
ATTACHED, PROFILE = "aws:iam/rolePolicyAttachment:RolePolicyAttachment", "aws:iam/instanceProfile:InstanceProfile"
DOCUMENTS = {
    # type: (property, largest size without white space, whether it names principals)
    ROLE: ("assumeRolePolicy", 2048, True),
    INLINE: ("policy", 10240, False),
    MANAGED: ("policy", 6144, False),
    "aws:s3/bucketPolicy:BucketPolicy": ("policy", 20480, True),
    "aws:kms/key:Key": ("policy", 32768, True),
    "aws:secretsmanager/secretPolicy:SecretPolicy": ("policy", 20480, True),
    "aws:sns/topicPolicy:TopicPolicy": ("policy", 30720, True),
    "aws:msk/clusterPolicy:ClusterPolicy": ("policy", 20480, True),
    "aws:ec2/vpcEndpoint:VpcEndpoint": ("policy", 20480, True),
    "aws:ecr/repositoryPolicy:RepositoryPolicy": ("policy", 10240, True),
    "aws:cloudwatch/logResourcePolicy:LogResourcePolicy": ("policyDocument", 5120, True),
}
STATEMENT = {
    "Sid",
    "Effect",
    "Principal",
    "NotPrincipal",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Condition",
}
ACTION = re.compile(r"\*|([a-z0-9-]+):[A-Za-z0-9*?]+")
SID = re.compile(r"[A-Za-z0-9]*")
ATTACHMENTS = 10


def document(given: Any) -> dict[str, Any]:
    """A policy as an object, whether it was given as text or as one."""
    found = json.loads(given) if isinstance(given, str) else given
    if not isinstance(found, dict):
        raise ValueError("not a JSON object")
    return found


@cache
def prefixes() -> frozenset[str]:
    """Prefixes of actions: botocore's services and those that IAM calls otherwise."""
    import botocore

    services = {path.name for path in (Path(botocore.__file__).parent / "data").iterdir() if path.is_dir()}
    return frozenset(services | set(table("iam")["prefixes"]))


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def problems(given: Any, principals: bool) -> list[str]:
    """What is wrong with a policy document."""
    try:
        policy = document(given)
    except ValueError as error:
        return [f"MalformedPolicyDocument: Syntax errors in policy: {error}"]
    found = []
    if policy.get("Version") != "2012-10-17":
        found.append(f"Version must be 2012-10-17, got {policy.get('Version')!r}")
    if unknown := policy.keys() - {"Version", "Id", "Statement"}:
        found.append(f"unknown keys {sorted(unknown)}")
    statements = _as_list(policy.get("Statement"))
    if not policy.get("Statement"):
        return [*found, "Statement is missing or empty"]
    sids = [item.get("Sid") for item in statements if isinstance(item, dict) and item.get("Sid")]
    if len(sids) != len(set(sids)):
        found.append("Statement IDs (SID) in a single policy must be unique")
    for number, statement in enumerate(statements):
        if not isinstance(statement, dict):
            found.append(f"Statement[{number}] is no object")
            continue
        found += [f"Statement[{number}]: {problem}" for problem in _statement(statement, principals)]
    return found


def _statement(statement: Mapping[str, Any], principals: bool) -> list[str]:
    found = []
    if unknown := statement.keys() - STATEMENT:
        found.append(f"unknown keys {sorted(unknown)}")
    if statement.get("Effect") not in ("Allow", "Deny"):
        found.append(f"Effect must be Allow or Deny, got {statement.get('Effect')!r}")
    named = bool(statement.keys() & {"Principal", "NotPrincipal"})
    if named != principals:
        found.append("needs a Principal" if principals else "Policy document should not specify a principal")
    if ("Action" in statement) == ("NotAction" in statement):
        found.append("needs exactly one of Action and NotAction")
    for action in _as_list(statement.get("Action", statement.get("NotAction", []))):
        match = ACTION.fullmatch(action) if isinstance(action, str) else None
        if match is None:
            found.append(f"Actions/Conditions must be prefaced by a vendor: {action!r}")
        elif match.group(1) and match.group(1) not in prefixes():
            found.append(f"{action!r}: there is no service {match.group(1)!r}")
    if not principals and ("Resource" in statement) == ("NotResource" in statement):
        found.append("Policy statement must contain resources")
    for resource in _as_list(statement.get("Resource", [])):
        if not isinstance(resource, str) or not (resource == "*" or resource.startswith("arn:")):
            found.append(f'Resource {resource!r} must be in ARN format or "*"')
    for operator, tested in (statement.get("Condition") or {}).items():
        if not isinstance(tested, dict) or not all(":" in key for key in tested):
            found.append(f"Condition {operator}: keys look like aws:SourceArn, got {tested!r}")
    return found


def _check_document(inputs: Mapping[str, Any], type_: str) -> Failures:
    name, limit, principals = DOCUMENTS[type_]
    given = inputs.get(name)
    if given is None:
        return []
    failures = [(name, f"MalformedPolicyDocument: {problem}") for problem in problems(given, principals)]
    size = len(re.sub(r"\s", "", given if isinstance(given, str) else json.dumps(given)))
    if size > limit:
        failures.append((name, f"LimitExceeded: a policy here has at most {limit} characters, this one {size}"))
    return failures


for _type in DOCUMENTS:
    values(_type)(lambda inputs, region, type_=_type: _check_document(inputs, type_))


@created(*[type_ for type_, (_, _, named) in DOCUMENTS.items() if named])
def _principals_exist(cloud: Cloud, resource: Resource) -> None:
    given = resource.inputs.get(DOCUMENTS[resource.type][0])
    for statement in _as_list(document(given)["Statement"]) if given else []:
        principal = statement.get("Principal")
        for arn in _as_list(principal.get("AWS", [])) if isinstance(principal, dict) else []:
            ours = arn.startswith(f"arn:aws:iam::{ACCOUNT}:") and not arn.endswith(":root")
            if ours and cloud.find(ROLE, "arn", arn) is None:
                raise Refused("MalformedPolicyDocument", f"Invalid principal in policy: {arn}")


@values(ROLE)
def _role_values(inputs: Mapping[str, Any], region: str) -> Failures:
    path = inputs.get("path", "/")
    return [] if re.fullmatch(r"/(?:[!-\x7e]+/)?", path) else [("path", f"a path begins and ends with /: {path!r}")]


@created(ATTACHED)
def _attachments(cloud: Cloud, attachment: Resource) -> None:
    others = [
        item for item in cloud.all(ATTACHED) if item.get("role") == attachment.get("role") and item.id != attachment.id
    ]
    if len(others) >= ATTACHMENTS:
        raise Refused("LimitExceeded", f"Cannot exceed quota for PoliciesPerRole: {ATTACHMENTS}")


@deleted(ROLE)
def _role_is_bare(cloud: Cloud, role: Resource, state: Mapping[str, Any]) -> None:
    inline = [item.id for item in cloud.all(INLINE) if item.get("role") == role.get("name")]
    if inline and not state.get("forceDetachPolicies"):
        raise Refused("DeleteConflict", f"Cannot delete entity, must delete policies first: {inline}")


@changed(PROFILE)
def _profile_role(cloud: Cloud, old: Resource, new: Resource, paths: list[str]) -> None:
    if not new.get("role"):
        raise Refused("ValidationError", "an instance profile without a role serves no instance")
