"""boto3 on the stand-in cloud: it sees what the providers made, its own models check every request, nothing is waved through."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ParamValidationError

from tests.providers.control_plane import ControlPlane, control_plane
from tests.providers.standin import faults
from tests.providers.standin.cloud import Cloud, Resource
from tests.providers.test_refusals_delivery import BUCKET, CLUSTER, SERVICE, Door
from tests.providers.test_refusals_network import INSTANCE, Place
from tests.providers.test_refusals_services import TRUST, Account

REGION = "eu-central-1"
PROFILE, ATTACHED = "aws:iam/instanceProfile:InstanceProfile", "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
CORE = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"


@pytest.fixture
def plane(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ControlPlane]:
    with control_plane(Cloud(tmp_path)) as made:
        for key, value in made.environment.items():
            monkeypatch.setenv(key, value)
        yield made


def client(service: str) -> Any:
    return boto3.client(service, region_name=REGION)


def refused(call: Any, **parameters: Any) -> str:
    with pytest.raises(ClientError) as error:
        call(**parameters)
    return error.value.response["Error"]["Code"]


def managed_node(plane: ControlPlane) -> str:
    aws = Place(plane.cloud)
    aws.create("aws:iam/role:Role", name="node", assumeRolePolicy=json.dumps(TRUST))
    aws.create(PROFILE, name="node", role="node")
    aws.update(INSTANCE, iamInstanceProfile="node")
    assert client("ssm").describe_instance_information()["InstanceInformationList"] == [], "no agent without the policy"
    aws.create(ATTACHED, role="node", policyArn=CORE)
    return aws.node


def test_an_operation_that_nobody_serves_and_a_request_that_is_wrong_are_errors(plane: ControlPlane) -> None:
    assert refused(client("ecs").list_clusters) == "NotImplemented"
    assert refused(client("sqs").list_queues) == "NotImplemented"
    with pytest.raises(ParamValidationError):
        client("ssm").get_parameter(Nam="x")
    raw = boto3.client("grafana", region_name=REGION, config=Config(parameter_validation=False))
    code = refused(raw.create_workspace_service_account, workspaceId="g-0123456789", name="n", grafanaRole=5)
    assert code == "ValidationException", "the server validates as well"


def test_sessions_and_commands_need_an_instance_with_an_agent_and_a_document(plane: ControlPlane) -> None:
    ssm = client("ssm")
    forward = {
        "DocumentName": "AWS-StartPortForwardingSession",
        "Parameters": {"portNumber": ["8443"], "localPortNumber": ["0"]},
    }
    assert refused(ssm.start_session, Target="i-0123456789abcdef0", **forward) == "TargetNotConnected"
    node = managed_node(plane)
    session = ssm.start_session(Target=node, **forward)
    assert session["StreamUrl"].startswith("wss://") and len(plane.cloud.all("stand-in/session")) == 1
    ssm.terminate_session(SessionId=session["SessionId"])
    assert refused(ssm.terminate_session, SessionId=session["SessionId"]) == "DoesNotExistException"
    assert refused(ssm.start_session, Target=node, DocumentName="None") == "InvalidDocument"
    command = {"InstanceIds": [node], "DocumentName": "AWS-RunShellScript", "Parameters": {"commands": ["true"]}}
    assert refused(ssm.send_command, **command) == "NotImplemented"
    plane.on_command = lambda instance, document, parameters: ("Failed", parameters["commands"][0])
    sent = ssm.send_command(**command)["Command"]
    done = ssm.get_command_invocation(CommandId=sent["CommandId"], InstanceId=node)
    assert (done["Status"], done["StandardErrorContent"], done["ResponseCode"]) == ("Failed", "true", 1)
    assert (
        refused(ssm.get_command_invocation, CommandId=sent["CommandId"], InstanceId="i-0123456789abcdef0")
        == "InvocationDoesNotExist"
    )


def test_instances_are_listed_by_their_tags(plane: ControlPlane) -> None:
    node = managed_node(plane)
    for filters, found in (([], [node]), ([{"Name": "tag:Nobody", "Values": ["x"]}], [])):
        said = client("ec2").describe_instances(Filters=filters)["Reservations"]
        assert [item["InstanceId"] for group in said for item in group["Instances"]] == found
    assert refused(client("ec2").describe_instances, Filters=[{"Name": "colour", "Values": ["red"]}])


def test_secrets_are_those_that_the_program_made(plane: ControlPlane) -> None:
    aws = Account(plane.cloud)
    arn = aws.secret(named="AmazonMSK_user")
    secrets = client("secretsmanager")
    assert json.loads(secrets.get_secret_value(SecretId=arn)["SecretString"]) == {"username": "u", "password": "p"}
    secrets.put_secret_value(SecretId="AmazonMSK_user", SecretString="new")
    assert secrets.get_secret_value(SecretId=arn)["SecretString"] == "new"
    stages = secrets.describe_secret(SecretId=arn)["VersionIdsToStages"].values()
    assert sorted(stage for found in stages for stage in found) == ["AWSCURRENT", "AWSPREVIOUS"]
    assert refused(secrets.get_secret_value, SecretId="none") == "ResourceNotFoundException"
    aws.delete("aws:secretsmanager/secretVersion:SecretVersion")
    aws.delete("aws:secretsmanager/secret:Secret")
    assert refused(secrets.get_secret_value, SecretId=arn) == "InvalidRequestException"


def test_objects_and_their_versions(plane: ControlPlane) -> None:
    aws, s3 = Door(plane.cloud), client("s3")
    aws.create(BUCKET, bucket="keys")
    aws.create("aws:s3/bucketVersioning:BucketVersioning", bucket="keys", versioningConfiguration={"status": "Enabled"})
    aws.create("aws:s3/bucketObjectv2:BucketObjectv2", bucket="keys", key="a/made by pulumi", content="one")
    assert s3.get_object(Bucket="keys", Key="a/made by pulumi")["Body"].read() == b"one"
    first = s3.put_object(Bucket="keys", Key="b", Body=b"1", ContentType="application/json")
    second = s3.put_object(Bucket="keys", Key="b", Body=b"22", IfMatch=first["ETag"])
    assert refused(s3.put_object, Bucket="keys", Key="b", Body=b"3", IfMatch=first["ETag"]) == "PreconditionFailed"
    head = s3.head_object(Bucket="keys", Key="b")
    assert (head["ContentLength"], head["VersionId"]) == (2, second["VersionId"])
    assert s3.get_object(Bucket="keys", Key="b", VersionId=first["VersionId"])["Body"].read() == b"1"
    assert [item["Key"] for item in s3.list_objects_v2(Bucket="keys", Prefix="a/")["Contents"]] == ["a/made by pulumi"]
    s3.delete_object(Bucket="keys", Key="b")
    assert refused(s3.get_object, Bucket="keys", Key="b") == "NoSuchKey"
    assert len(s3.list_object_versions(Bucket="keys", Prefix="b")["Versions"]) == 2
    assert refused(s3.put_object, Bucket="none", Key="b") == "NoSuchBucket"


def test_a_rolled_back_service_runs_the_old_revision(plane: ControlPlane) -> None:
    aws, ecs = Door(plane.cloud), client("ecs")
    service = aws.service(name="collector")
    old = service.get("taskDefinition")
    faults.ask(plane.cloud.folder, "deploy")
    new = aws.task("second", cpu="512", memory="1024").arn
    aws.update(SERVICE, taskDefinition=new)
    shown = ecs.describe_services(cluster="main", services=["collector", "none"])
    primary = shown["services"][0]["deployments"][0]
    assert primary["taskDefinition"] == old and "rolling back" in primary["rolloutStateReason"]
    assert shown["failures"][0]["reason"] == "MISSING"
    tasks = ecs.describe_tasks(
        cluster="main", tasks=ecs.list_tasks(cluster="main", serviceName="collector")["taskArns"]
    )["tasks"]
    assert [item["taskDefinitionArn"] for item in tasks] == [old]
    assert ecs.describe_task_definition(taskDefinition="c")["taskDefinition"]["revision"] == 2
    assert refused(ecs.describe_services, cluster="none", services=["x"]) == "ClusterNotFoundException"


def test_a_task_that_runs_once_needs_a_network_and_a_say_of_what_it_does(plane: ControlPlane) -> None:
    aws, ecs = Door(plane.cloud), client("ecs")
    task = aws.task().arn
    network = {"awsvpcConfiguration": {"subnets": aws.subnets}}
    assert refused(ecs.run_task, cluster="main", taskDefinition=task) == "InvalidParameterException"
    assert refused(ecs.run_task, cluster="main", taskDefinition=task, networkConfiguration=network) == "NotImplemented"
    plane.on_task = lambda asked: 3
    started = ecs.run_task(cluster="main", taskDefinition=task, networkConfiguration=network)["tasks"][0]["taskArn"]
    stopped = ecs.describe_tasks(cluster="main", tasks=[started])["tasks"][0]
    assert (stopped["lastStatus"], stopped["containers"][0]["exitCode"]) == ("STOPPED", 3)
    assert plane.called("RunTask")[0].error is not None
    assert plane.cloud.find(CLUSTER, "name", "main")


def test_grafana_tokens_are_made_once_for_a_run_and_deleted(plane: ControlPlane) -> None:
    aws, grafana = Account(plane.cloud), client("grafana")
    workspace = aws.workspace(name="here").id
    assert grafana.describe_workspace(workspaceId=workspace)["workspace"]["grafanaVersion"] == "12.4"
    account = grafana.create_workspace_service_account(workspaceId=workspace, name="deploy", grafanaRole="ADMIN")["id"]
    ours = {"workspaceId": workspace, "serviceAccountId": account}
    assert (
        refused(grafana.create_workspace_service_account, workspaceId=workspace, name="deploy", grafanaRole="ADMIN")
        == "ConflictException"
    )
    token = grafana.create_workspace_service_account_token(**ours, name="run", secondsToLive=600)["serviceAccountToken"]
    assert token["key"].startswith("glsa_")
    assert (
        refused(grafana.create_workspace_service_account_token, **ours, name="run", secondsToLive=600)
        == "ConflictException"
    )
    grafana.delete_workspace_service_account_token(**ours, tokenId=token["id"])
    grafana.delete_workspace_service_account(**ours)
    assert refused(grafana.describe_workspace, workspaceId="g-9999999999") == "ResourceNotFoundException"
    assert plane.cloud.all("stand-in/grafana-token") == plane.cloud.all("stand-in/grafana-account") == []


def test_kafka_images_identity_parameters_and_tags(plane: ControlPlane) -> None:
    aws = Account(plane.cloud)
    arn = aws.cluster(tags={"stack": "dev"}).arn
    assert client("kafka").get_bootstrap_brokers(ClusterArn=arn)["BootstrapBrokerStringSaslScram"].count(":9096") == 2
    assert client("kafka").describe_cluster_v2(ClusterArn=arn)["ClusterInfo"]["State"] == "ACTIVE"
    assert len(client("kafka").list_nodes(ClusterArn=arn)["NodeInfoList"]) == 2
    (listed,) = client("kafka").list_clusters_v2()["ClusterInfoList"]
    assert listed["ClusterArn"] == arn and listed["Tags"]["stack"] == "dev" and listed["Provisioned"]
    aws.create("aws:ecr/repository:Repository", name="worker")
    plane.cloud.put(
        Resource("stand-in/image", "1", outputs={"repository": "worker", "digest": "sha256:1", "tags": ["v1"]})
    )
    wanted = {"repositoryName": "worker", "imageIds": [{"imageTag": "v1"}]}
    assert client("ecr").describe_images(**wanted)["imageDetails"][0]["imageDigest"] == "sha256:1"
    assert (
        refused(client("ecr").describe_images, repositoryName="worker", imageIds=[{"imageTag": "v2"}])
        == "ImageNotFoundException"
    )
    assert client("sts").get_caller_identity()["Account"] == "111122223333"
    assert refused(client("ssm").get_parameter, Name="none") == "ParameterNotFound"
    found = client("resourcegroupstaggingapi").get_resources(TagFilters=[{"Key": "stack", "Values": ["dev"]}])
    assert [item["ResourceARN"] for item in found["ResourceTagMappingList"]] == [arn]
