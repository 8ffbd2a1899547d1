"""A small program with a piece of everything: what the stand-ins' own tests deploy, change and break."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_aws as aws
import pulumi_random as random
import pulumi_tls as tls

ZONES = ("eu-central-1a", "eu-central-1b")
AL2023 = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64"
ASSUME = {"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}


@dataclass
class Knobs:
    """What a test turns; `break_` changes one resource's arguments: {"node": {"instance_type": "no.such"}}."""

    instance_type: str = "m7g.large"
    image: str = "registry.example.com/collector:1"
    partitions: int = 6
    user_data: str = "#!/bin/sh\ntrue\n"
    secret: str | None = None
    """A known value for the broker's password, to search for."""
    kafka: bool = True
    service: bool = True
    break_: dict[str, dict[str, Any]] = field(default_factory=dict)


def program(knobs: Knobs) -> None:
    """The whole of it."""
    made = Example(knobs)
    made.network()
    made.nodes()
    if knobs.kafka:
        made.brokers()
    if knobs.service:
        made.collector()


class Example:
    """Each part in a method, in the order in which they build on each other."""

    def __init__(self, knobs: Knobs) -> None:
        self.knobs = knobs

    def given(self, name: str, /, **arguments: Any) -> dict[str, Any]:
        """The arguments as the test wants them."""
        return {
            key: value for key, value in {**arguments, **self.knobs.break_.get(name, {})}.items() if value is not None
        }

    def network(self) -> None:
        given = self.given
        self.vpc = aws.ec2.Vpc("vpc", **given("vpc", cidr_block="10.0.0.0/16", enable_dns_hostnames=True))
        gateway = aws.ec2.InternetGateway("gateway", vpc_id=self.vpc.id)
        self.subnets = []
        for index, zone in enumerate(ZONES):
            name = f"subnet-{index}"
            arguments = given(name, vpc_id=self.vpc.id, cidr_block=f"10.0.{index}.0/24", availability_zone=zone)
            self.subnets.append(aws.ec2.Subnet(name, **arguments, opts=pulumi.ResourceOptions(depends_on=[gateway])))
        self.group = aws.ec2.SecurityGroup("nodes", **given("nodes", vpc_id=self.vpc.id))
        rule = given(
            "rule",
            security_group_id=self.group.id,
            ip_protocol="tcp",
            from_port=9440,
            to_port=9440,
            referenced_security_group_id=self.group.id,
        )
        aws.vpc.SecurityGroupIngressRule("rule", **rule)

    def nodes(self) -> None:
        given = self.given
        ami = aws.ssm.get_parameter_output(name=AL2023).value
        arguments = given(
            "node",
            ami=ami,
            instance_type=self.knobs.instance_type,
            subnet_id=self.subnets[0].id,
            vpc_security_group_ids=[self.group.id],
            user_data=self.knobs.user_data,
        )
        self.node = aws.ec2.Instance("node", **arguments, opts=pulumi.ResourceOptions(delete_before_replace=True))
        self.volume = aws.ebs.Volume(
            "volume", **given("volume", availability_zone=ZONES[0], size=100, type="gp3", iops=3000, throughput=125)
        )
        attachment = given("attachment", device_name="/dev/sdf", instance_id=self.node.id, volume_id=self.volume.id)
        aws.ec2.VolumeAttachment("attachment", **attachment)
        self.bucket = aws.s3.Bucket("cold", **given("cold"))
        authority = tls.PrivateKey("authority-key", algorithm="ECDSA", ecdsa_curve="P256")
        self.certificate = tls.SelfSignedCert(
            "authority",
            private_key_pem=authority.private_key_pem,
            subject={"common_name": "example"},
            is_ca_certificate=True,
            allowed_uses=["cert_signing"],
            validity_period_hours=8760,
            early_renewal_hours=1440,
        )
        pulumi.export("authority", self.certificate.cert_pem)
        pulumi.export("address", self.node.private_ip)

    def brokers(self) -> None:
        given = self.given
        key = aws.kms.Key("key", **given("key", deletion_window_in_days=7))
        configuration = aws.msk.Configuration(
            "broker-settings", **given("broker-settings", server_properties="min.insync.replicas=1\n")
        )
        nodes = given(
            "broker-nodes",
            client_subnets=[item.id for item in self.subnets],
            instance_type="kafka.t3.small",
            security_groups=[self.group.id],
        )
        self.cluster = aws.msk.Cluster(
            "kafka",
            **given(
                "kafka",
                kafka_version="4.1.x.kraft",
                number_of_broker_nodes=2,
                broker_node_group_info=nodes,
                client_authentication={"sasl": {"scram": True}},
                configuration_info={"arn": configuration.arn, "revision": configuration.latest_revision},
            ),
        )
        password = (
            pulumi.Output.secret(self.knobs.secret)
            if self.knobs.secret
            else random.RandomPassword("password", length=32, special=False).result
        )
        secret = aws.secretsmanager.Secret(
            "user", **given("user", name="AmazonMSK_example", kms_key_id=key.arn, recovery_window_in_days=0)
        )
        value = password.apply(lambda found: json.dumps({"username": "collector", "password": found}))
        version = aws.secretsmanager.SecretVersion(
            "user-value", **given("user-value", secret_id=secret.id, secret_string=value)
        )
        users = given("users", cluster_arn=self.cluster.arn, secret_arn_lists=[secret.arn])
        self.users = aws.msk.ScramSecretAssociation("users", **users, opts=pulumi.ResourceOptions(depends_on=[version]))
        topic = given(
            "spans",
            cluster_arn=self.cluster.arn,
            name="otel-spans",
            partition_count=self.knobs.partitions,
            replication_factor=2,
            configs=json.dumps({"retention.ms": "604800000"}),
        )
        aws.msk.Topic("spans", **topic, opts=pulumi.ResourceOptions(depends_on=[self.users]))
        pulumi.export("brokers", self.cluster.bootstrap_brokers_sasl_scram)

    def collector(self) -> None:
        given = self.given
        policy = json.dumps({"Version": "2012-10-17", "Statement": [ASSUME]})
        role = aws.iam.Role("execution", **given("execution", assume_role_policy=policy))
        pulls = given(
            "pulls", role=role.name, policy_arn="arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
        )
        attached = aws.iam.RolePolicyAttachment("pulls", **pulls)
        logs = aws.cloudwatch.LogGroup("logs", **given("logs", name="/example/collector", retention_in_days=30))
        containers = [
            {
                "name": "collector",
                "image": self.knobs.image,
                "portMappings": [{"containerPort": 4318}],
                "logConfiguration": {
                    "logDriver": "awslogs",
                    "options": {
                        "awslogs-group": "/example/collector",
                        "awslogs-region": "eu-central-1",
                        "awslogs-stream-prefix": "c",
                    },
                },
            }
        ]
        task = aws.ecs.TaskDefinition(
            "task",
            **given(
                "task",
                family="collector",
                container_definitions=json.dumps(containers),
                requires_compatibilities=["FARGATE"],
                network_mode="awsvpc",
                cpu="256",
                memory="512",
                execution_role_arn=role.arn,
            ),
        )
        balancer = aws.lb.LoadBalancer(
            "door", **given("door", subnets=[item.id for item in self.subnets], security_groups=[self.group.id])
        )
        group = aws.lb.TargetGroup(
            "targets", **given("targets", vpc_id=self.vpc.id, port=4318, protocol="HTTP", target_type="ip")
        )
        action = {"type": "forward", "target_group_arn": group.arn}
        listener = aws.lb.Listener(
            "listener",
            **given("listener", load_balancer_arn=balancer.arn, port=80, protocol="HTTP", default_actions=[action]),
        )
        cluster = aws.ecs.Cluster("cluster", **given("cluster"))
        service = given(
            "service",
            cluster=cluster.arn,
            task_definition=task.arn,
            desired_count=1,
            launch_type="FARGATE",
            network_configuration={"subnets": [item.id for item in self.subnets], "security_groups": [self.group.id]},
            load_balancers=[{"target_group_arn": group.arn, "container_name": "collector", "container_port": 4318}],
        )
        aws.ecs.Service("service", **service, opts=pulumi.ResourceOptions(depends_on=[listener, attached, logs]))
