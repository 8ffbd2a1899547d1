"""The stand-in AWS refuses what load balancing, ECS, certificates, DNS and autoscaling refuse."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.providers.direct import Direct
from tests.providers.standin import faults
from tests.providers.standin.cloud import Cloud, Refused, Resource

LB, GROUP, LISTENER = "aws:lb/loadBalancer:LoadBalancer", "aws:lb/targetGroup:TargetGroup", "aws:lb/listener:Listener"
TASK, SERVICE, CLUSTER = "aws:ecs/taskDefinition:TaskDefinition", "aws:ecs/service:Service", "aws:ecs/cluster:Cluster"
PROVIDERS = "aws:ecs/clusterCapacityProviders:ClusterCapacityProviders"
CERTIFICATE, VALIDATION = "aws:acm/certificate:Certificate", "aws:acm/certificateValidation:CertificateValidation"
ZONE, RECORD = "aws:route53/zone:Zone", "aws:route53/record:Record"
TARGET, SCALING = "aws:appautoscaling/target:Target", "aws:appautoscaling/policy:Policy"
BUCKET, ROLE, LOGS = "aws:s3/bucket:Bucket", "aws:iam/role:Role", "aws:cloudwatch/logGroup:LogGroup"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
POLICY_2021 = "ELBSecurityPolicy-TLS13-1-2-2021-06"


class Door(Direct):
    """A public network of two zones with a load balancer, a target group, a listener, a task and its service."""

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.vpc = self.create("aws:ec2/vpc:Vpc", cidrBlock="10.0.0.0/16").id
        self.create("aws:ec2/internetGateway:InternetGateway", vpcId=self.vpc)
        zones = ("eu-central-1a", "eu-central-1b")
        self.subnets = [
            self.create(
                "aws:ec2/subnet:Subnet", zone, vpcId=self.vpc, cidrBlock=f"10.0.{number}.0/24", availabilityZone=zone
            ).id
            for number, zone in enumerate(zones)
        ]
        self.security = self.create("aws:ec2/securityGroup:SecurityGroup", vpcId=self.vpc).id
        self.balancer = self.create(LB, name="door", subnets=self.subnets, securityGroups=[self.security]).id
        self.group = self.targets("it").id
        self.role = self.create(ROLE, name="execution", assumeRolePolicy=json.dumps(TRUST)).arn
        self.cluster = self.create(CLUSTER, name="main").arn

    def targets(self, name: str, /, **changes: Any) -> Resource:
        return self.create(
            GROUP, name, **({"vpcId": self.vpc, "port": 4318, "protocol": "HTTP", "targetType": "ip"} | changes)
        )

    def listener(self, name: str = "it", /, **changes: Any) -> Resource:
        action = {"type": "forward", "targetGroupArn": changes.pop("group", self.group)}
        base = {"loadBalancerArn": self.balancer, "port": 80, "protocol": "HTTP", "defaultActions": [action]}
        return self.create(LISTENER, name, **(base | changes))

    def task(self, name: str = "it", /, containers: list[dict[str, Any]] | None = None, **changes: Any) -> Resource:
        found = (
            containers
            if containers is not None
            else [{"name": "c", "image": "i", "portMappings": [{"containerPort": 4318}]}]
        )
        base = {
            "family": "c",
            "cpu": "256",
            "memory": "512",
            "networkMode": "awsvpc",
            "requiresCompatibilities": ["FARGATE"],
        }
        given = {key: value for key, value in (base | changes).items() if value is not None}
        return self.create(TASK, name, containerDefinitions=json.dumps(found), **given)

    def service(self, name: str = "it", /, **changes: Any) -> Resource:
        base = {
            "cluster": self.cluster,
            "launchType": "FARGATE",
            "desiredCount": 1,
            "networkConfiguration": {"subnets": self.subnets, "securityGroups": [self.security]},
        }
        given = {key: value for key, value in (base | changes).items() if value is not None}
        given.setdefault("taskDefinition", changes.get("taskDefinition") or self.task(name).arn)
        return self.create(SERVICE, name, **given)

    def target(self, **changes: Any) -> list[dict[str, Any]]:
        return [{"targetGroupArn": self.group, "containerName": "c", "containerPort": 4318} | changes]


@pytest.fixture
def aws(tmp_path: Path) -> Door:
    return Door(Cloud(tmp_path))


def imported(aws: Door) -> str:
    return aws.create(CERTIFICATE, certificateBody="PEM", privateKey="PEM").id


def with_container(**parts: Any) -> list[dict[str, Any]]:
    return [{"name": "c", "image": "i", **parts}]


AWSLOGS = {
    "logDriver": "awslogs",
    "options": {"awslogs-group": "/none", "awslogs-region": "eu-central-1", "awslogs-stream-prefix": "c"},
}
SECRETS = [{"name": "KEY", "valueFrom": "arn:aws:secretsmanager:eu-central-1:111122223333:secret:none-abcdef"}]
REFUSED: dict[str, tuple[str, Callable[[Door], Any]]] = {
    "a balancer's name that is too long": (
        "cannot be longer than 32",
        lambda aws: aws.create(LB, name="d" * 33, subnets=aws.subnets),
    ),
    "a made name that is too long": (
        "cannot be longer than 32",
        lambda aws: aws.create(LB, "agent-telemetry-collector-door", subnets=aws.subnets),
    ),
    "a balancer's name that begins with internal-": (
        "invalid value for name",
        lambda aws: aws.create(LB, name="internal-x", subnets=aws.subnets),
    ),
    "a balancer twice": (
        "DuplicateLoadBalancerName",
        lambda aws: aws.create(LB, "x", name="door", subnets=aws.subnets),
    ),
    "a balancer in one zone": (
        "two subnets in two different",
        lambda aws: aws.create(LB, "x", subnets=aws.subnets[:1]),
    ),
    "a public balancer without a gateway": (
        "has no internet gateway",
        lambda aws: (
            aws.cloud.remove(
                "aws:ec2/internetGateway:InternetGateway", aws.resource("aws:ec2/internetGateway:InternetGateway").id
            ),
            aws.create(LB, "x", subnets=aws.subnets),
        ),
    ),
    "access logs in a bucket without a policy": (
        "Access Denied for bucket",
        lambda aws: aws.create(
            LB, "x", subnets=aws.subnets, accessLogs={"bucket": aws.create(BUCKET, bucket="logs").id, "enabled": True}
        ),
    ),
    "a target group's prefix that is too long": (
        "namePrefix cannot be longer than 6",
        lambda aws: aws.targets("x", namePrefix="collector"),
    ),
    "a target group without a protocol": (
        "protocol should be set",
        lambda aws: aws.create(GROUP, "x", vpcId=aws.vpc, port=1, targetType="ip"),
    ),
    "a protocol version on TCP": (
        "goes with HTTP and HTTPS",
        lambda aws: aws.targets("x", protocol="TCP", protocolVersion="GRPC"),
    ),
    "a health check that is too fast": (
        "interval must be between 5 and 300",
        lambda aws: aws.targets("x", healthCheck={"interval": 1}),
    ),
    "a listener on a port twice": ("DuplicateListener", lambda aws: [aws.listener(name) for name in "xy"]),
    "a listener of another balancer's protocol": (
        "must be one of ['HTTP', 'HTTPS']",
        lambda aws: aws.listener(protocol="TCP"),
    ),
    "HTTPS without a certificate": ("A certificate must be specified", lambda aws: aws.listener(protocol="HTTPS")),
    "HTTP with a certificate": (
        "A certificate cannot be specified",
        lambda aws: aws.listener(certificateArn=imported(aws)),
    ),
    "a certificate that is not there": (
        "CertificateNotFound",
        lambda aws: aws.listener(protocol="HTTPS", certificateArn="arn:none"),
    ),
    "a certificate that is not issued": (
        "it is PENDING_VALIDATION",
        lambda aws: aws.listener(
            protocol="HTTPS",
            certificateArn=aws.create(CERTIFICATE, domainName="a.example.com", validationMethod="DNS").id,
        ),
    ),
    "a TLS policy that there is not": (
        "SSLPolicyNotFound",
        lambda aws: aws.listener(protocol="HTTPS", certificateArn=imported(aws), sslPolicy="ELBSecurityPolicy-TLS13"),
    ),
    "gRPC over HTTP": (
        "protocol-version 'GRPC'",
        lambda aws: aws.listener(group=aws.targets("x", protocolVersion="GRPC").id),
    ),
    "a target group that is not there": ("TargetGroupNotFound", lambda aws: aws.listener(group="arn:none")),
    "a target group of two balancers": (
        "TargetGroupAssociationLimit",
        lambda aws: (aws.listener(), aws.listener("x", loadBalancerArn=aws.create(LB, "x", subnets=aws.subnets).id)),
    ),
    "a forward to nowhere": (
        "needs targetGroupArn or forward",
        lambda aws: aws.listener(defaultActions=[{"type": "forward"}]),
    ),
    "a validation without its record": (
        "no record _",
        lambda aws: aws.create(
            VALIDATION, certificateArn=aws.create(CERTIFICATE, domainName="a.example.com", validationMethod="DNS").id
        ),
    ),
    "containers that are no JSON": (
        "Error decoding JSON",
        lambda aws: aws.create(TASK, family="c", containerDefinitions="["),
    ),
    "a container's unknown key": (
        'Unknown parameter in [0]: "ports"',
        lambda aws: aws.task(containers=with_container(ports=[1])),
    ),
    "a container's wrong type": (
        "Invalid type for parameter [0].memory",
        lambda aws: aws.task(containers=with_container(memory="512")),
    ),
    "a container without an image": ("should not be null or empty", lambda aws: aws.task(containers=[{"name": "c"}])),
    "a volume that is not declared": (
        "Unknown volume 'data'",
        lambda aws: aws.task(containers=with_container(mountPoints=[{"sourceVolume": "data", "containerPath": "/d"}])),
    ),
    "Fargate's sizes": ("256 CPU, 4096 memory", lambda aws: aws.task(memory="4096")),
    "Fargate without a size": ("requires that 'cpu' be defined", lambda aws: aws.task(cpu=None)),
    "Fargate on a bridge": ("only supports network mode 'awsvpc'", lambda aws: aws.task(networkMode="bridge")),
    "Fargate's logs without a role": (
        "execution role ARN",
        lambda aws: aws.task(containers=with_container(logConfiguration=AWSLOGS)),
    ),
    "a role that is not there": (
        "NoSuchEntity",
        lambda aws: aws.task(executionRoleArn="arn:aws:iam::111122223333:role/none"),
    ),
    "a service twice": ("already exists", lambda aws: [aws.service(name, name="same") for name in "xy"]),
    "a service of no definition": ("Unable to describe task definition", lambda aws: aws.service(taskDefinition="c:9")),
    "a service in no cluster": ("ClusterNotFoundException", lambda aws: aws.service(cluster="none")),
    "a service without a network": (
        "Network Configuration must be provided",
        lambda aws: aws.service(networkConfiguration=None),
    ),
    "a provider that the cluster has not": (
        "not associated with the cluster",
        lambda aws: aws.service(
            launchType=None, capacityProviderStrategies=[{"capacityProvider": "FARGATE_SPOT", "weight": 1}]
        ),
    ),
    "targets without a listener": (
        "does not have an associated load balancer",
        lambda aws: aws.service(loadBalancers=aws.target()),
    ),
    "targets of no container": (
        "The container d does not exist",
        lambda aws: (aws.listener(), aws.service(loadBalancers=aws.target(containerName="d"))),
    ),
    "targets of no port": (
        "did not have a container port 1",
        lambda aws: (aws.listener(), aws.service(loadBalancers=aws.target(containerPort=1))),
    ),
    "targets of instances": (
        "incompatible with the awsvpc",
        lambda aws: (
            aws.listener(group=aws.targets("x", targetType="instance").id),
            aws.service(loadBalancers=aws.target(targetGroupArn=aws.resource(GROUP, "x").id)),
        ),
    ),
    "a log group that is not there": (
        "the log group /none does not exist",
        lambda aws: aws.service(
            taskDefinition=aws.task(containers=with_container(logConfiguration=AWSLOGS), executionRoleArn=aws.role).arn
        ),
    ),
    "a secret that is not there": (
        "unable to pull secrets",
        lambda aws: aws.service(
            taskDefinition=aws.task(containers=with_container(secrets=SECRETS), executionRoleArn=aws.role).arn
        ),
    ),
    "scaling no service": (
        "ECS service doesn't exist",
        lambda aws: aws.create(
            TARGET,
            serviceNamespace="ecs",
            scalableDimension="ecs:service:DesiredCount",
            resourceId="service/main/none",
            minCapacity=1,
            maxCapacity=2,
        ),
    ),
    "scaling what is not registered": (
        "No scalable target registered",
        lambda aws: aws.create(
            SCALING,
            serviceNamespace="ecs",
            scalableDimension="ecs:service:DesiredCount",
            resourceId="service/main/none",
            policyType="TargetTrackingScaling",
        ),
    ),
    "a record of no value": (
        "needs records or aliases",
        lambda aws: aws.create(RECORD, zoneId=aws.create(ZONE, name="example.com").id, name="a", type="A"),
    ),
    "a record without a ttl": (
        "records need a ttl",
        lambda aws: aws.create(
            RECORD, zoneId=aws.create(ZONE, name="example.com").id, name="a", type="A", records=["10.0.0.1"]
        ),
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_delivery_refuses(aws: Door, case: str) -> None:
    said, attempt = REFUSED[case]
    with pytest.raises(Refused) as refused:
        attempt(aws)
    assert said in str(refused.value)


def test_a_protected_balancer_is_kept_and_a_target_group_of_a_listener_too(aws: Door) -> None:
    aws.listener()
    aws.update(LB, enableDeletionProtection=True)
    with pytest.raises(Refused, match="deletion protection is enabled"):
        aws.delete(LB)
    with pytest.raises(Refused, match="ResourceInUse"):
        aws.delete(GROUP)
    aws.update(LB, enableDeletionProtection=False)
    aws.delete(LB)
    aws.delete(GROUP)


def test_a_cluster_with_services_is_kept(aws: Door) -> None:
    aws.service()
    with pytest.raises(Refused, match="ClusterContainsServicesException"):
        aws.delete(CLUSTER)
    with pytest.raises(Refused, match="DependencyViolation"):
        aws.delete("aws:ec2/securityGroup:SecurityGroup")
    aws.delete(SERVICE)
    aws.delete(CLUSTER)


def test_a_certificate_is_issued_once_its_record_is_there_and_kept_while_a_listener_has_it(aws: Door) -> None:
    certificate = aws.create(CERTIFICATE, domainName="a.example.com", validationMethod="DNS")
    zone = aws.create(ZONE, name="example.com").id
    wanted = certificate.get("domainValidationOptions")[0]
    aws.create(
        RECORD,
        zoneId=zone,
        name=wanted["resourceRecordName"],
        type="CNAME",
        ttl=60,
        records=[wanted["resourceRecordValue"]],
    )
    aws.create(VALIDATION, certificateArn=certificate.id)
    aws.listener(protocol="HTTPS", certificateArn=certificate.id, sslPolicy=POLICY_2021)
    with pytest.raises(Refused, match="ResourceInUseException"):
        aws.delete(CERTIFICATE)
    with pytest.raises(Refused, match="HostedZoneNotEmpty"):
        aws.delete(ZONE)


def test_a_rollout_that_is_rolled_back_reports_success_and_shows_as_a_difference(aws: Door) -> None:
    aws.service()
    before = aws.resource(SERVICE).get("taskDefinition")
    assert aws.replaces(TASK, cpu="512", memory="1024") == ["cpu", "memory"]
    after = aws.task("second", cpu="512", memory="1024").arn
    faults.ask(aws.cloud.folder, "deploy")
    aws.update(SERVICE, taskDefinition=after)
    assert aws.resource(SERVICE).get("taskDefinition") == before != after
    _, state, inputs = aws._state[SERVICE, "it"]
    assert list(aws.provider.diff(SERVICE, "a::b::c::d", state, inputs, inputs).diffs) == ["taskDefinition"]
    aws.update(SERVICE, taskDefinition=after)
    assert aws.resource(SERVICE).get("taskDefinition") == after
