"""The collector's front door: TLS only, two doors with checks that an OTLP port passes, a log that others can't read."""

from __future__ import annotations

import json

import pytest

from tests.unit.aws.ecs_stack import Made, declare
from tests.unit.aws.mocks import ACCOUNT


def test_both_doors_are_tls_of_today_and_nothing_else_is_open() -> None:
    listeners = {item.inputs["port"]: item.inputs for item in declare().cloud.of("aws:lb/listener:Listener")}
    assert set(listeners) == {443, 4317}
    for listener in listeners.values():
        assert listener["protocol"] == "HTTPS" and listener["certificateArn"]
        assert listener["sslPolicy"].startswith("ELBSecurityPolicy-TLS13-1-2")
        assert [action["type"] for action in listener["defaultActions"]] == ["forward"]


def test_grpc_has_a_target_group_of_its_own_whose_check_an_otlp_port_passes() -> None:
    groups = {
        item.inputs["protocolVersion"]: item.inputs for item in declare().cloud.of("aws:lb/targetGroup:TargetGroup")
    }
    http, grpc = groups["HTTP1"], groups["GRPC"]
    assert (http["port"], http["healthCheck"]["port"], http["healthCheck"]["matcher"]) == (4318, "13133", "200")
    # The health check's own port speaks no gRPC; the OTLP port answers 12 or, asking for a token, 16.
    assert (grpc["port"], grpc["healthCheck"]["port"], grpc["healthCheck"]["matcher"]) == (
        4317,
        "traffic-port",
        "12,16",
    )
    for group in groups.values():
        assert group["targetType"] == "ip" and group["deregistrationDelay"] == 30
        assert len(group["namePrefix"]) <= 6 and "name" not in group


def test_the_load_balancer_refuses_what_is_malformed_and_keeps_a_log() -> None:
    made = declare()
    balancer = made.cloud.one("aws:lb/loadBalancer:LoadBalancer").inputs
    assert balancer["dropInvalidHeaderFields"] is True and balancer["desyncMitigationMode"] == "defensive"
    assert balancer["accessLogs"] == {"bucket": "load-balancer-log", "enabled": True}
    assert balancer["internal"] is False
    assert declare(collectorInternal=True).cloud.one("aws:lb/loadBalancer:LoadBalancer").inputs["internal"] is True


@pytest.mark.parametrize("protect", [True, False])
def test_protection_follows_the_setting(protect: bool) -> None:
    made = declare(protect=protect)
    assert made.cloud.one("aws:lb/loadBalancer:LoadBalancer").inputs["enableDeletionProtection"] is protect
    assert {item.inputs["forceDestroy"] for item in made.cloud.of("aws:s3/bucket:Bucket")} == {not protect}


def test_every_bucket_is_private_encrypted_and_takes_tls_only() -> None:
    made = declare()
    names = {item.name for item in made.cloud.of("aws:s3/bucket:Bucket")}
    assert names == {"load-balancer-log", "collector-keys"}
    for kind in ("bucketPublicAccessBlock:BucketPublicAccessBlock", "bucketPolicy:BucketPolicy"):
        assert len(made.cloud.of(f"aws:s3/{kind}")) == len(names)
    for block in made.cloud.of("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"):
        flags = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
        assert all(block.inputs[flag] is True for flag in flags)
    for policy in made.cloud.of("aws:s3/bucketPolicy:BucketPolicy"):
        first = json.loads(policy.inputs["policy"])["Statement"][0]
        assert first["Effect"] == "Deny" and first["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_elb_writes_only_this_accounts_log_and_with_the_key_that_it_can_use() -> None:
    made = declare()
    policy = json.loads(made.cloud.one("aws:s3/bucketPolicy:BucketPolicy", "load-balancer-log-policy").inputs["policy"])
    [writer] = [item for item in policy["Statement"] if item["Effect"] == "Allow"]
    assert writer["Resource"].endswith(f"/AWSLogs/{ACCOUNT}/*") and writer["Action"] == "s3:PutObject"
    kind = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"

    def algorithm(bucket: str) -> str:
        [rule] = made.cloud.one(kind, f"{bucket}-encryption").inputs["rules"]
        return rule["applyServerSideEncryptionByDefault"]["sseAlgorithm"]

    assert (algorithm("load-balancer-log"), algorithm("collector-keys")) == ("AES256", "aws:kms")


def test_the_key_list_is_versioned_and_its_content_is_not_pulumis() -> None:
    made = declare()
    assert made.cloud.one("aws:s3/bucketVersioning:BucketVersioning").inputs["versioningConfiguration"] == {
        "status": "Enabled"
    }
    listed = json.loads(made.cloud.one("aws:s3/bucketObjectv2:BucketObjectv2").inputs["content"])
    # The collector ignores an empty list, so one key stays in it that no token was ever signed with.
    assert [key["kid"] for key in listed["keys"]] == ["no-credential"] and "d" not in listed["keys"][0]


def certificate_of(made: Made) -> set[str]:
    return {item.inputs["certificateArn"] for item in made.cloud.of("aws:lb/listener:Listener")}


def test_a_certificate_is_requested_and_validated_where_none_is_given() -> None:
    made = declare()
    record = made.cloud.one("aws:route53/record:Record", "load-balancer-certificate-proof").inputs
    assert (record["name"], record["type"], record["zoneId"]) == ("_proof.otlp.example.com", "CNAME", "Z123")
    assert len(made.cloud.of("aws:acm/certificateValidation:CertificateValidation")) == 1
    alias = made.cloud.one("aws:route53/record:Record", "load-balancer-name").inputs
    assert alias["name"] == "otlp.example.com" and alias["aliases"][0]["zoneId"] == "Z215JYRZR1TBD5"


def test_a_given_certificate_is_used_and_without_a_zone_the_record_is_the_users() -> None:
    arn = f"arn:aws:acm:eu-central-1:{ACCOUNT}:certificate/1"
    made = declare(collectorCertificateArn=arn, collectorZoneId="")
    assert certificate_of(made) == {arn}
    assert not made.cloud.of("aws:acm/certificate:Certificate") and not made.cloud.of("aws:route53/record:Record")
