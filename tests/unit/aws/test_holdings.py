"""What AWS still holds of ephemeral stacks: by tag, and what is listed although it is gone is not counted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

import boto3
import botocore.session
import pytest
from botocore import xform_name
from botocore.exceptions import ClientError
from moto import mock_aws

from infra.aws import holdings as module
from infra.aws.bootstrap.policies import DEPLOYER
from infra.aws.holdings import holdings, kind_of, kinds
from infra.errors import UserError
from policy.stack import listed

REGION = "eu-central-1"
PREFIX = {"elbv2": "elasticloadbalancing"}
"""Of IAM's actions, where it is not the service's."""


@pytest.fixture(autouse=True)
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(key, "nobody")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        yield


def tags(stack: str, ephemeral: bool = True) -> list[dict[str, str]]:
    given = {"Project": "agent-telemetry", "Stack": stack} | ({"Ephemeral": "true"} if ephemeral else {})
    return [{"Key": key, "Value": value} for key, value in given.items()]


def aws(service: str) -> Any:
    return boto3.client(service, region_name=REGION)


def volume(stack: str, ephemeral: bool = True) -> str:
    spec = [{"ResourceType": "volume", "Tags": tags(stack, ephemeral)}]
    return aws("ec2").create_volume(AvailabilityZone=f"{REGION}a", Size=10, TagSpecifications=spec)["VolumeId"]


def instance(stack: str) -> str:
    image = aws("ec2").describe_images()["Images"][0]["ImageId"]
    spec = [{"ResourceType": "instance", "Tags": tags(stack)}]
    made = aws("ec2").run_instances(ImageId=image, MinCount=1, MaxCount=1, TagSpecifications=spec)
    return made["Instances"][0]["InstanceId"]


def test_what_is_there_is_told_with_how_to_remove_it() -> None:
    ours, others = volume("pr-7"), volume("pr-8")
    volume("dev", ephemeral=False)
    aws("s3").create_bucket(Bucket="b-7", CreateBucketConfiguration={"LocationConstraint": REGION})
    aws("s3").put_bucket_tagging(Bucket="b-7", Tagging={"TagSet": tags("pr-7")})
    secret = aws("secretsmanager").create_secret(Name="s", SecretString="{}", Tags=tags("pr-7"))["ARN"]
    found = {item.kind: item for item in holdings(REGION, "pr-7")}
    assert set(found) == {"ec2:volume", "s3", "secretsmanager:secret"}
    assert found["ec2:volume"].arn.endswith(f"volume/{ours}") and found["ec2:volume"].state == "available"
    assert found["ec2:volume"].remove == f"aws ec2 delete-volume --volume-id {ours}"
    assert found["s3"].remove.startswith("aws s3 rb s3://b-7 --force")
    assert secret in found["secretsmanager:secret"].remove
    assert all(item.costs and item.certain and item.stack == "pr-7" for item in found.values())
    everything = holdings(REGION)
    assert {item.stack for item in everything} == {"pr-7", "pr-8"}, "dev is here to stay"
    assert any(item.arn.endswith(others) for item in everything)
    assert {item.stack for item in holdings(REGION, besides=["pr-7"])} == {"pr-8"}


def test_what_is_listed_although_it_is_gone_is_not_counted() -> None:
    gone = instance("pr-7")
    assert [item.kind for item in holdings(REGION, "pr-7") if item.costs] == ["ec2:instance"]
    aws("ec2").terminate_instances(InstanceIds=[gone])
    listed = aws("resourcegroupstaggingapi").get_resources()["ResourceTagMappingList"]
    assert any(gone in item["ResourceARN"] for item in listed), "AWS lists it for an hour, and so does moto"
    assert [item for item in holdings(REGION, "pr-7") if item.kind == "ec2:instance"] == []


def test_a_key_that_waits_for_its_deletion_costs_nothing() -> None:
    plain = [{"TagKey": tag["Key"], "TagValue": tag["Value"]} for tag in tags("pr-7")]
    key = aws("kms").create_key(Tags=plain)["KeyMetadata"]["KeyId"]
    assert [item.state for item in holdings(REGION, "pr-7")] == ["Enabled"]
    aws("kms").schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    assert holdings(REGION, "pr-7") == []


@pytest.mark.parametrize(
    ("code", "certain"),
    [
        ("InvalidVolume.NotFound", None),
        ("NoSuchHostedZone", None),
        ("AWS.SimpleQueueService.NonExistentQueue", None),
        ("AccessDeniedException", False),
        ("ThrottlingException", False),
    ],
)
def test_a_service_that_can_not_be_asked_is_no_proof_that_it_is_gone(
    code: str, certain: bool | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    volume("pr-7")
    real = module.client

    class Refusing:
        def describe_volumes(self, **_: Any) -> None:
            raise ClientError({"Error": {"Code": code}}, "DescribeVolumes")

    monkeypatch.setattr(
        module, "client", lambda service, region: Refusing() if service == "ec2" else real(service, region)
    )
    found = holdings(REGION, "pr-7")
    assert [item.certain for item in found] == ([] if certain is None else [certain])
    assert all(code in item.state and item.costs for item in found)


def test_what_has_no_line_is_told_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    volume("pr-7")
    monkeypatch.setattr(module, "kinds", dict)
    (found,) = holdings(REGION, "pr-7")
    assert (found.kind, found.state, found.costs) == ("ec2:volume", "listed", True)


def test_a_refusal_of_the_list_itself_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing:
        def get_paginator(self, _: str) -> None:
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "GetResources")

    monkeypatch.setattr(module, "client", lambda *_: Refusing())
    with pytest.raises(UserError, match="what AWS still holds: AWS refused GetResources"):
        holdings(REGION)


@pytest.mark.parametrize(
    ("arn", "kind", "id_"),
    [
        ("arn:aws:s3:::b-7", "s3", "b-7"),
        ("arn:aws:sns:eu-central-1:1:topic", "sns", "topic"),
        ("arn:aws:logs:eu-central-1:1:log-group:/ecs/a/b:*", "logs:log-group", "/ecs/a/b"),
        ("arn:aws:grafana:eu-central-1:1:/workspaces/g-1", "grafana:workspaces", "g-1"),
        ("arn:aws:cloudwatch:eu-central-1:1:alarm:a:b", "cloudwatch:alarm", "a:b"),
        ("arn:aws:route53:::hostedzone/Z1", "route53:hostedzone", "Z1"),
        (
            "arn:aws:elasticloadbalancing:eu-central-1:1:loadbalancer/app/n/1",
            "elasticloadbalancing:loadbalancer",
            "app/n/1",
        ),
    ],
)
def test_a_kind_is_read_from_an_arn(arn: str, kind: str, id_: str) -> None:
    assert kind_of(arn) == (kind, id_) and kind in kinds()


def test_each_line_can_be_asked() -> None:
    session = botocore.session.get_session()
    for kind, how in kinds().items():
        assert set(how) <= {"ask", "by", "list", "state", "gone", "free", "remove"} and how["remove"], kind
        if "ask" not in how:
            assert how["free"], f"{kind}: what costs something must be asked for"
            continue
        service, operation, argument = how["ask"]
        model: Any = session.get_service_model(service)
        (name,) = [name for name in model.operation_names if xform_name(name) == operation]
        members = model.operation_model(name).input_shape.members
        assert argument in members, kind
        assert (members[argument].type_name == "list") == bool(how.get("list")), kind


def test_whoever_deploys_may_ask_for_all_that_costs_something() -> None:
    session = botocore.session.get_session()
    allowed = [action for item in json.loads(DEPLOYER.read_text())["Statement"] for action in listed(item["Action"])]
    for kind, how in kinds().items():
        if how.get("free"):
            continue
        service, operation, _ = how["ask"]
        model: Any = session.get_service_model(service)
        (name,) = [one for one in model.operation_names if xform_name(one) == operation]
        action = {"s3:HeadBucket": "s3:ListBucket"}.get(f"{service}:{name}", f"{PREFIX.get(service, service)}:{name}")
        assert any(fnmatchcase(action, pattern) for pattern in allowed), f"{kind}: {action}"
    assert "tag:GetResources" in allowed
