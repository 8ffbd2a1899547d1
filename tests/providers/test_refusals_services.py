"""The stand-in AWS refuses what MSK, IAM, S3, Secrets Manager, KMS, ECR, SSM and Managed Grafana refuse."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.providers.direct import Direct
from tests.providers.standin import objects
from tests.providers.standin.cloud import ACCOUNT, Cloud, Refused, Resource

CLUSTER, CONFIGURATION, TOPIC = "aws:msk/cluster:Cluster", "aws:msk/configuration:Configuration", "aws:msk/topic:Topic"
SCRAM, SERVERLESS = (
    "aws:msk/scramSecretAssociation:ScramSecretAssociation",
    "aws:msk/serverlessCluster:ServerlessCluster",
)
SECRET, VERSION = "aws:secretsmanager/secret:Secret", "aws:secretsmanager/secretVersion:SecretVersion"
KEY, ALIAS, LOGS = "aws:kms/key:Key", "aws:kms/alias:Alias", "aws:cloudwatch/logGroup:LogGroup"
ROLE, INLINE, POLICY = "aws:iam/role:Role", "aws:iam/rolePolicy:RolePolicy", "aws:iam/policy:Policy"
ATTACHED, PROFILE = "aws:iam/rolePolicyAttachment:RolePolicyAttachment", "aws:iam/instanceProfile:InstanceProfile"
BUCKET, OBJECT, BUCKET_POLICY = (
    "aws:s3/bucket:Bucket",
    "aws:s3/bucketObjectv2:BucketObjectv2",
    "aws:s3/bucketPolicy:BucketPolicy",
)
REPOSITORY, PARAMETER, DOCUMENT = (
    "aws:ecr/repository:Repository",
    "aws:ssm/parameter:Parameter",
    "aws:ssm/document:Document",
)
WORKSPACE, MEMBERS = "aws:grafana/workspace:Workspace", "aws:grafana/roleAssociation:RoleAssociation"
SCHEDULE, ALARM = "aws:scheduler/schedule:Schedule", "aws:cloudwatch/metricAlarm:MetricAlarm"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


def policy(**statement: Any) -> str:
    base = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
    merged = {key: value for key, value in (base | statement).items() if value is not None}
    return json.dumps({"Version": "2012-10-17", "Statement": [merged]})


class Account(Direct):
    """A network of two zones, and what brokers need."""

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        vpc = self.create("aws:ec2/vpc:Vpc", cidrBlock="10.0.0.0/16").id
        zones = ("eu-central-1a", "eu-central-1b", "eu-central-1a")
        self.subnets = [
            self.create(
                "aws:ec2/subnet:Subnet", str(number), vpcId=vpc, cidrBlock=f"10.0.{number}.0/24", availabilityZone=zone
            ).id
            for number, zone in enumerate(zones)
        ]
        self.group = self.create("aws:ec2/securityGroup:SecurityGroup", vpcId=vpc).id

    def cluster(self, name: str = "it", /, **changes: Any) -> Resource:
        nodes = {"clientSubnets": self.subnets[:2], "instanceType": "kafka.m7g.large", "securityGroups": [self.group]}
        nodes |= changes.pop("nodes", {})
        base = {
            "kafkaVersion": "4.1.x.kraft",
            "numberOfBrokerNodes": 2,
            "brokerNodeGroupInfo": nodes,
            "clientAuthentication": {"sasl": {"scram": True}},
        }
        return self.create(CLUSTER, name, **(base | changes))

    def topic(self, name: str = "it", /, **changes: Any) -> Resource:
        found = self.cloud.all(CLUSTER)
        arn = (found[0] if found else self.cluster()).arn
        return self.create(
            TOPIC, name, **({"clusterArn": arn, "name": "spans", "partitionCount": 6, "replicationFactor": 2} | changes)
        )

    def secret(self, name: str = "it", value: Any = None, named: str = "AmazonMSK_user", keyed: bool = True) -> str:
        key = {"kmsKeyId": self.create(KEY, name).id} if keyed else {}
        secret = self.create(SECRET, name, name=named, **key).id
        self.create(
            VERSION, name, secretId=secret, secretString=json.dumps(value or {"username": "u", "password": "p"})
        )
        return secret

    def role(self, name: str = "it", /, **changes: Any) -> Resource:
        return self.create(ROLE, name, **({"name": name, "assumeRolePolicy": json.dumps(TRUST)} | changes))

    def workspace(self, name: str = "it", /, **changes: Any) -> Resource:
        base = {
            "accountAccessType": "CURRENT_ACCOUNT",
            "authenticationProviders": ["SAML"],
            "permissionType": "SERVICE_MANAGED",
            "grafanaVersion": "12.4",
        }
        return self.create(WORKSPACE, name, **(base | changes))

    def alarm(self, **changes: Any) -> Resource:
        base = {
            "comparisonOperator": "GreaterThanThreshold",
            "evaluationPeriods": 1,
            "metricName": "m",
            "namespace": "n",
            "period": 60,
            "statistic": "Sum",
            "threshold": 1,
        }
        return self.create(ALARM, **{key: value for key, value in (base | changes).items() if value is not None})


@pytest.fixture
def aws(tmp_path: Path) -> Account:
    return Account(Cloud(tmp_path))


def put_object(aws: Account, name: str) -> None:
    objects.write(aws.cloud, name, "left", b"over")


REFUSED: dict[str, tuple[str, Callable[[Account], Any]]] = {
    "a Kafka version that there is not": ("Unsupported Kafka version", lambda aws: aws.cluster(kafkaVersion="4.1.0")),
    "brokers that don't divide over the subnets": (
        "must be a multiple of Availability Zones",
        lambda aws: aws.cluster(numberOfBrokerNodes=3),
    ),
    "brokers in one zone twice": (
        "must be in different zones",
        lambda aws: aws.cluster(nodes={"clientSubnets": [aws.subnets[0], aws.subnets[2]]}),
    ),
    "one subnet": (
        "either two or three client subnets",
        lambda aws: aws.cluster(nodes={"clientSubnets": aws.subnets[:1]}),
    ),
    "a broker size that there is not": (
        "Unsupported InstanceType",
        lambda aws: aws.cluster(nodes={"instanceType": "m7g.large"}),
    ),
    "express brokers with storage": (
        "take no storageInfo",
        lambda aws: aws.cluster(
            nodes={"instanceType": "express.m7g.large", "storageInfo": {"ebsStorageInfo": {"volumeSize": 10}}}
        ),
    ),
    "SASL in plain text": (
        "SASL needs TLS",
        lambda aws: aws.cluster(encryptionInfo={"encryptionInTransit": {"clientBroker": "PLAINTEXT"}}),
    ),
    "a cluster's name twice": (
        "ConflictException",
        lambda aws: [aws.cluster(name, clusterName="same") for name in "xy"],
    ),
    "a broker property that MSK doesn't take": (
        "doesn't take: log.dirs",
        lambda aws: aws.create(CONFIGURATION, serverProperties="log.dirs=/x"),
    ),
    "a broker property without a value": (
        "is not key=value",
        lambda aws: aws.create(CONFIGURATION, serverProperties="min.insync.replicas"),
    ),
    "a revision that there is not": (
        "has no revision 7",
        lambda aws: aws.cluster(
            configurationInfo={"arn": aws.create(CONFIGURATION, serverProperties="num.partitions=1").arn, "revision": 7}
        ),
    ),
    "a serverless cluster with SCRAM": (
        "clientAuthentication.sasl.scram",
        lambda aws: aws.create(
            SERVERLESS,
            vpcConfigs=[{"subnetIds": aws.subnets[:2]}],
            clientAuthentication={"sasl": {"scram": {"enabled": True}}},
        ),
    ),
    "a topic without its cluster": (
        "NotFoundException",
        lambda aws: aws.topic(clusterArn="arn:aws:kafka:eu-central-1:111122223333:cluster/none/1"),
    ),
    "more replicas than brokers": ("larger than available brokers: 2", lambda aws: aws.topic(replicationFactor=3)),
    "topic values that are no strings": (
        "values have to be strings",
        lambda aws: aws.topic(configs=json.dumps({"retention.ms": 5})),
    ),
    "a topic property that there is not": (
        "Unknown topic config name",
        lambda aws: aws.topic(configs=json.dumps({"retention": "5"})),
    ),
    "in-sync replicas above the replicas": (
        "above the replication factor",
        lambda aws: aws.topic(configs=json.dumps({"min.insync.replicas": "3"})),
    ),
    "a topic twice": ("TopicExistsException", lambda aws: [aws.topic(name) for name in "xy"]),
    "a user's secret under another name": (
        "must begin with AmazonMSK_",
        lambda aws: aws.create(SCRAM, clusterArn=aws.cluster().arn, secretArnLists=[aws.secret("x", named="kafka")]),
    ),
    "a user's secret without a key of one's own": (
        "customer managed key",
        lambda aws: aws.create(SCRAM, clusterArn=aws.cluster().arn, secretArnLists=[aws.secret("x", keyed=False)]),
    ),
    "a user's secret of another form": (
        "username and password",
        lambda aws: aws.create(SCRAM, clusterArn=aws.cluster().arn, secretArnLists=[aws.secret("x", {"user": "u"})]),
    ),
    "a user for a cluster without SCRAM": (
        "has no SASL/SCRAM authentication",
        lambda aws: aws.create(
            SCRAM,
            clusterArn=aws.cluster(clientAuthentication={"sasl": {"iam": True}}).arn,
            secretArnLists=[aws.secret()],
        ),
    ),
    "a secret that is not there": (
        "can't find the specified secret",
        lambda aws: aws.create(VERSION, secretId="arn:none", secretString="x"),
    ),
    "a role's name that is too long": ("cannot be longer than 64", lambda aws: aws.role("r" * 65)),
    "a role twice": ("EntityAlreadyExists", lambda aws: [aws.role(name, name="same") for name in "xy"]),
    "a policy of no version": (
        "Version must be 2012-10-17",
        lambda aws: aws.role(assumeRolePolicy=json.dumps({"Statement": TRUST["Statement"]})),
    ),
    "a policy that is not JSON": (
        "Syntax errors in policy",
        lambda aws: aws.create(INLINE, role=aws.role().id, policy="{"),
    ),
    "a trust policy without a principal": (
        "needs a Principal",
        lambda aws: aws.role(assumeRolePolicy=policy(Action="sts:AssumeRole")),
    ),
    "an action without a service": (
        "prefaced by a vendor",
        lambda aws: aws.create(INLINE, role=aws.role().id, policy=policy(Action="GetObject")),
    ),
    "an action of no service": (
        "there is no service 's4'",
        lambda aws: aws.create(INLINE, role=aws.role().id, policy=policy(Action="s4:GetObject")),
    ),
    "an effect that is none": (
        "Effect must be Allow or Deny",
        lambda aws: aws.create(INLINE, role=aws.role().id, policy=policy(Effect="Permit")),
    ),
    "a statement without a resource": (
        "must contain resources",
        lambda aws: aws.create(INLINE, role=aws.role().id, policy=policy(Resource=None)),
    ),
    "a resource that is no ARN": (
        "must be in ARN format",
        lambda aws: aws.create(INLINE, role=aws.role().id, policy=policy(Resource="bucket/*")),
    ),
    "a principal that is not there": (
        f"Invalid principal in policy: arn:aws:iam::{ACCOUNT}:role/none",
        lambda aws: aws.role(
            assumeRolePolicy=json.dumps(TRUST).replace(
                '"Service": "ec2.amazonaws.com"', f'"AWS": "arn:aws:iam::{ACCOUNT}:role/none"'
            )
        ),
    ),
    "a managed policy that there is not": (
        "NoSuchEntity",
        lambda aws: aws.create(ATTACHED, role=aws.role().id, policyArn="arn:aws:iam::aws:policy/AmazonSSMManagedCore"),
    ),
    "a bucket's name that is none": ("invalid value for bucket", lambda aws: aws.create(BUCKET, bucket="My_Bucket")),
    "a bucket twice": (
        "BucketAlreadyOwnedByYou",
        lambda aws: [aws.create(BUCKET, name, bucket="same") for name in "xy"],
    ),
    "a bucket policy about another bucket": (
        "MalformedPolicy",
        lambda aws: aws.create(
            BUCKET_POLICY,
            bucket=aws.create(BUCKET, bucket="one").id,
            policy=policy(Principal="*", Resource="arn:aws:s3:::other/*"),
        ),
    ),
    "an object in no bucket": ("NoSuchBucket", lambda aws: aws.create(OBJECT, bucket="none", key="k", content="c")),
    "a secret's window": ("0 or between 7 and 30", lambda aws: aws.create(SECRET, recoveryWindowInDays=3)),
    "a secret that is too large": (
        "at most 65536 bytes",
        lambda aws: aws.create(VERSION, secretId=aws.create(SECRET).id, secretString="x" * 65537),
    ),
    "a key's window": ("between 7 and 30", lambda aws: aws.create(KEY, deletionWindowInDays=1)),
    "a key policy that locks everybody out": (
        "will not allow you to update the key policy",
        lambda aws: aws.create(
            KEY, policy=policy(Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, Action="kms:Encrypt")
        ),
    ),
    "an alias of another form": (
        "invalid value for name",
        lambda aws: aws.create(ALIAS, name="mine", targetKeyId=aws.create(KEY).id),
    ),
    "an alias on no key": ("NotFoundException", lambda aws: aws.create(ALIAS, name="alias/mine", targetKeyId="none")),
    "logs under a key that doesn't let them": (
        "is not allowed to be used with LogGroup",
        lambda aws: aws.create(LOGS, kmsKeyId=aws.create(KEY).arn),
    ),
    "a retention that there is not": (
        "expected retentionInDays to be one of",
        lambda aws: aws.create(LOGS, retentionInDays=42),
    ),
    "a log group twice": (
        "ResourceAlreadyExistsException",
        lambda aws: [aws.create(LOGS, name, name="/same") for name in "xy"],
    ),
    "a parameter that is too large": (
        "at most 4096 bytes",
        lambda aws: aws.create(PARAMETER, type="String", value="x" * 4097),
    ),
    "a document that is none": (
        "InvalidDocumentContent",
        lambda aws: aws.create(DOCUMENT, documentType="Command", content="{}"),
    ),
    "a Grafana that there is not": (
        "expected grafanaVersion to be one of",
        lambda aws: aws.workspace(grafanaVersion="11.0"),
    ),
    "a customer's workspace without a role": (
        "needs a workspace role",
        lambda aws: aws.workspace(permissionType="CUSTOMER_MANAGED"),
    ),
    "a sixth workspace": (
        "maximum number of workspaces",
        lambda aws: [aws.workspace(str(number)) for number in range(6)],
    ),
    "members without SSO": (
        "doesn't authenticate by AWS_SSO",
        lambda aws: aws.create(MEMBERS, workspaceId=aws.workspace().id, role="ADMIN", userIds=["u"]),
    ),
    "a schedule of another form": (
        "Invalid Schedule Expression",
        lambda aws: aws.create(
            SCHEDULE,
            scheduleExpression="every day",
            flexibleTimeWindow={"mode": "OFF"},
            target={"arn": "a", "roleArn": aws.role().arn},
        ),
    ),
    "an alarm's period": ("multiple of 60", lambda aws: aws.alarm(period=90)),
    "an alarm that measures nothing": ("needs metricName or metricQueries", lambda aws: aws.alarm(metricName=None)),
    "an alarm for a topic that is not there": (
        "ResourceNotFoundException",
        lambda aws: aws.alarm(alarmActions=["arn:aws:sns:eu-central-1:111122223333:none"]),
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_service_refuses(aws: Account, case: str) -> None:
    said, attempt = REFUSED[case]
    with pytest.raises(Refused) as refused:
        attempt(aws)
    assert said in str(refused.value)


def test_msk_does_one_operation_at_a_time(aws: Account) -> None:
    arn = aws.cluster().arn
    held, go_on, refused = threading.Event(), threading.Event(), []

    def first() -> None:
        with aws.cloud.busy(arn, Refused("x", "x")):
            held.set()
            go_on.wait(10)

    thread = threading.Thread(target=first)
    thread.start()
    held.wait(10)
    try:
        aws.topic()
    except Refused as error:
        refused.append(str(error))
    go_on.set()
    thread.join()
    assert refused and "another operation is in progress" in refused[0]
    aws.topic("later")


def test_two_topics_at_once_collide(aws: Account) -> None:
    aws.cluster()
    said: list[str] = []

    def make(name: str) -> None:
        try:
            aws.topic(name, name=name)
        except Refused as error:
            said.append(str(error))

    threads = [threading.Thread(target=make, args=(f"topic-{number}",)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(said) == 1 and "in progress" in said[0]


def test_a_cluster_never_gets_smaller_or_older(aws: Account) -> None:
    storage = {"storageInfo": {"ebsStorageInfo": {"volumeSize": 100}}}
    nodes = aws.cluster(numberOfBrokerNodes=4, nodes=storage).get("brokerNodeGroupInfo")
    assert aws.replaces(CLUSTER, numberOfBrokerNodes=2) == [] == aws.replaces(CLUSTER, kafkaVersion="4.0.x.kraft")
    with pytest.raises(Refused, match="number of brokers can't go down"):
        aws.update(CLUSTER, numberOfBrokerNodes=2)
    with pytest.raises(Refused, match=r"can't go down from 4.1"):
        aws.update(CLUSTER, kafkaVersion="4.0.x.kraft")
    with pytest.raises(Refused, match="volume size can't go down from 100 to 50"):
        aws.update(CLUSTER, brokerNodeGroupInfo={**nodes, "storageInfo": {"ebsStorageInfo": {"volumeSize": 50}}})
    with pytest.raises(Refused, match="DependencyViolation"):
        aws.delete("aws:ec2/securityGroup:SecurityGroup")


def test_partitions_only_grow_and_replicas_replace(aws: Account) -> None:
    aws.topic()
    aws.update(TOPIC, partitionCount=12)
    with pytest.raises(Refused, match="currently has 12 partitions"):
        aws.update(TOPIC, partitionCount=6)
    assert aws.replaces(TOPIC, replicationFactor=1) == ["replicationFactor"]


def test_a_configuration_in_use_is_not_deleted(aws: Account) -> None:
    made = aws.create(CONFIGURATION, serverProperties="num.partitions=1")
    aws.cluster(configurationInfo={"arn": made.arn, "revision": 1})
    with pytest.raises(Refused, match="BadRequestException"):
        aws.delete(CONFIGURATION)
    assert aws.update(CONFIGURATION, serverProperties="num.partitions=2").get("latestRevision") == 2
    aws.delete(CLUSTER)
    aws.delete(CONFIGURATION)


def test_a_bucket_is_deleted_empty_or_by_force_that_the_state_knows(aws: Account) -> None:
    aws.create(BUCKET, bucket="cold")
    put_object(aws, "cold")
    with pytest.raises(Refused, match="BucketNotEmpty"):
        aws.delete(BUCKET)
    # The program asks for force now, but no `up` has brought that into the state.
    aws.cloud.change(BUCKET, "cold", forceDestroy=True)
    with pytest.raises(Refused, match="BucketNotEmpty"):
        aws.delete(BUCKET)
    aws.update(BUCKET, forceDestroy=True)
    aws.delete(BUCKET)
    assert objects.versions(aws.cloud, "cold") == []


def test_a_secret_in_its_window_keeps_its_name_and_one_without_does_not(aws: Account) -> None:
    aws.create(SECRET, name="held")
    aws.delete(SECRET)
    with pytest.raises(Refused, match="already scheduled for deletion"):
        aws.create(SECRET, "second", name="held")
    aws.create(SECRET, "third", name="free", recoveryWindowInDays=0)
    aws.delete(SECRET, "third")
    aws.create(SECRET, "fourth", name="free")


def test_a_role_is_deleted_bare(aws: Account) -> None:
    aws.role()
    aws.create(INLINE, role="it", policy=policy())
    aws.create(ATTACHED, role="it", policyArn=aws.create(POLICY, name="mine", policy=policy()).arn)
    for what in (ROLE, POLICY):
        with pytest.raises(Refused, match="DeleteConflict"):
            aws.delete(what)
    for what in (ATTACHED, INLINE, ROLE, POLICY):
        aws.delete(what)


def test_a_repository_with_images_is_kept(aws: Account) -> None:
    aws.create(REPOSITORY, name="collector")
    aws.cloud.put(
        Resource("stand-in/image", "collector@sha256:1", outputs={"repository": "collector", "digest": "sha256:1"})
    )
    with pytest.raises(Refused, match="RepositoryNotEmptyException"):
        aws.delete(REPOSITORY)
    aws.update(REPOSITORY, forceDelete=True)
    aws.delete(REPOSITORY)


def test_grafana_is_not_downgraded(aws: Account) -> None:
    aws.workspace()
    with pytest.raises(Refused, match=r"can't be downgraded from 12.4 to 10.4"):
        aws.update(WORKSPACE, grafanaVersion="10.4")
