"""The stand-ins' data files name what the SDK has, and say of a change what the measured table says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.providers.direct import Direct
from tests.providers.standin import derived, schema
from tests.providers.standin.cloud import Cloud
from tests.providers.standin.data import table
from tests.providers.standin.differ import rule_for
from tests.providers.standin.invokes import ANSWERS
from tests.providers.standin.outputs import Maker


def kind_at(type_: str, path: str) -> schema.Kind | None:
    """The type of an input at a dotted path; None when the SDK has no such input."""
    members = schema.inputs_of(type_) or {}
    kind: schema.Kind | None = None
    for step in path.split("."):
        if step not in members:
            return None
        kind = members[step].kind
        while kind.kind in ("list", "map") and kind.item:
            kind = kind.item
        members = schema.members_of(type_, kind.name) or {} if kind.kind == "object" else {}
    return kind


def replacement_paths() -> Iterator[tuple[str, str]]:
    for type_, sources in table("replacements").items():
        for actions in sources.values():
            for entries in actions.values():
                yield from ((type_, entry if isinstance(entry, str) else entry["path"]) for entry in entries)


def test_every_type_and_path_in_the_data_files_is_the_sdks() -> None:
    wrong = [f"replacements: {type_} {path}" for type_, path in replacement_paths() if kind_at(type_, path) is None]
    wrong += [
        f"enums: {type_} {path}"
        for type_, paths in table("enums").items()
        for path in paths
        if kind_at(type_, path) is None
    ]
    wrong += [
        f"references: {type_} {path}"
        for type_, paths in table("references")["types"].items()
        for path in paths
        if kind_at(type_, path) is None
    ]
    wrong += [f"outputs: {type_}" for type_ in table("outputs") if schema.inputs_of(type_) is None]
    for type_, rule in table("outputs").items():
        known = schema.outputs_of(type_)
        given = [*(rule.get("outputs") or {}), *(rule.get("defaults") or {}), *(["arn"] if "arn" in rule else [])]
        wrong += [f"outputs: {type_} {key}" for key in given if key not in known]
    for type_, rule in table("names").items():
        if rule.get("property", "name") not in (schema.inputs_of(type_) or {}):
            wrong.append(f"names: {type_} {rule.get('property', 'name')}")
    for type_, paths in table("moving").items():
        wrong += [f"moving: {type_} {path}" for path in paths if kind_at(type_, path) is None]
        wrong += [
            f"moving: {type_} {key}" for keys in paths.values() for key in keys if key not in schema.outputs_of(type_)
        ]
    for short, types in table("references")["targets"].items():
        wrong += [
            f"references: {short} {type_}"
            for type_ in types
            if type_.startswith("aws:") and schema.inputs_of(type_) is None
        ]
    wrong += [f"invokes: {token}" for token in ANSWERS if schema.source_of(token) is None]
    assert wrong == []


def test_every_function_that_the_outputs_name_exists() -> None:
    named = [value[1:] for rule in table("outputs").values() for value in _strings(rule) if value.startswith("=")]
    named += [rule["more"] for rule in table("outputs").values() if "more" in rule]
    assert [name for name in named if not hasattr(derived, name)] == []


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, str):
        yield value


@pytest.mark.parametrize(
    ("type_", "path", "action", "source"),
    [
        ("aws:ec2/instance:Instance", "ami", "replace", "measured"),
        ("aws:ec2/instance:Instance", "instanceType", "update", "measured"),
        ("aws:ec2/instance:Instance", "rootBlockDevice.encrypted", "replace", "measured"),
        ("aws:ec2/instance:Instance", "rootBlockDevice.volumeSize", "update", "measured"),
        ("aws:msk/cluster:Cluster", "brokerNodeGroupInfo.securityGroups", "replace", "measured"),
        ("aws:msk/cluster:Cluster", "brokerNodeGroupInfo.storageInfo.ebsStorageInfo.volumeSize", "update", "measured"),
        ("aws:secretsmanager/secretVersion:SecretVersion", "secretString", "replace", "measured"),
        ("aws:grafana/workspace:Workspace", "name", "update", "measured"),
        ("aws:iam/rolePolicyAttachment:RolePolicyAttachment", "role", "replace", "assumed"),
        ("aws:sqs/queue:Queue", "name", "replace", "assumed"),
    ],
)
def test_what_a_change_does(type_: str, path: str, action: str, source: str) -> None:
    rule, found = rule_for(type_, path)
    assert rule is not None and (rule["action"], found) == (action, source)


def test_an_input_without_a_line_is_updated_and_noted() -> None:
    assert rule_for("aws:ec2/instance:Instance", "monitoring") == (None, "unlisted")


def test_user_data_replaces_only_where_the_program_says_so(tmp_path: Path) -> None:
    aws = Direct(Cloud(tmp_path))
    from tests.providers.test_refusals_network import Place

    place = Place(aws.cloud)
    assert place.replaces("aws:ec2/instance:Instance", userData="a") == []
    assert place.replaces("aws:ec2/instance:Instance", userData="a", userDataReplaceOnChange=True) == ["userData"]


def test_json_documents_are_compared_by_content(tmp_path: Path) -> None:
    aws = Direct(Cloud(tmp_path))
    aws.create("aws:ssm/parameter:Parameter", type="String", value='{"a": 1, "b": 2}')
    _, state, inputs = aws._state["aws:ssm/parameter:Parameter", "it"]
    same = aws.provider.diff(
        "aws:ssm/parameter:Parameter", "a::b::c::d", state, inputs, {**inputs, "value": '{"b":2,"a":1}'}
    )
    assert same.changes == same.DIFF_NONE


def test_a_fixed_name_is_deleted_before_it_is_made_again_and_a_made_one_is_not(tmp_path: Path) -> None:
    aws = Direct(Cloud(tmp_path))
    vpc = aws.create("aws:ec2/vpc:Vpc", cidrBlock="10.0.0.0/16").id
    base = {"vpcId": vpc, "port": 1, "protocol": "HTTP", "targetType": "ip"}
    for name, given, expected in (("fixed", {"name": "fixed"}, True), ("made", {}, False)):
        aws.create("aws:lb/targetGroup:TargetGroup", name, **base, **given)
        _, state, inputs = aws._state["aws:lb/targetGroup:TargetGroup", name]
        news = aws.checked("aws:lb/targetGroup:TargetGroup", name, inputs, {**base, **given, "port": 2})
        answer = aws.provider.diff("aws:lb/targetGroup:TargetGroup", "a::b::c::d", state, inputs, news)
        assert (list(answer.replaces), answer.deleteBeforeReplace) == (["port"], expected)


def test_every_promised_output_of_a_listed_type_is_there(tmp_path: Path) -> None:
    cloud = Cloud(tmp_path)
    for type_ in ("aws:kms/key:Key", "aws:ec2/vpc:Vpc", "aws:sns/topic:Topic", "aws:sqs/queue:Queue"):
        _, state = Maker(cloud, "eu-central-1", type_, {"cidrBlock": "10.0.0.0/16", "name": "n"}, {"a": "b"}).make()
        inputs = schema.inputs_of(type_) or {}
        missing = [
            key
            for key, declared in schema.outputs_of(type_).items()
            if declared.required and key not in state and key not in inputs
        ]
        assert missing == [] and state["tagsAll"] == {"a": "b"}, type_
