"""Tasks and services on ECS: hardened containers, least rights, safe deployments, secrets nowhere in the open."""

from __future__ import annotations

import json
from typing import Any

import pytest

from infra.errors import UserError
from tests.unit.aws.ecs_stack import (
    KAFKA_IAM,
    KAFKA_KEY,
    KEY,
    SECRETS,
    SUBNETS,
    containers,
    declare,
    settings,
    statements,
)
from tests.unit.aws.mocks import ACCOUNT, REGION

TASKS = ("collector", "worker", "jobs-backup")


@pytest.mark.parametrize("name", TASKS)
def test_every_container_is_hardened_and_logs(name: str) -> None:
    made = declare()
    task = made.cloud.one("aws:ecs/taskDefinition:TaskDefinition", f"{name}-task-definition").inputs
    assert (task["networkMode"], task["requiresCompatibilities"]) == ("awsvpc", ["FARGATE"])
    assert task["runtimePlatform"] == {"cpuArchitecture": "ARM64", "operatingSystemFamily": "LINUX"}
    for container in containers(made, name).values():
        assert container["readonlyRootFilesystem"] is True and container["privileged"] is False
        assert container["user"] == "10001:10001"
        assert container["linuxParameters"]["capabilities"] == {"drop": ["ALL"]}
        log = container["logConfiguration"]["options"]
        assert log["awslogs-group"].startswith("/agent-telemetry/dev/") and log["awslogs-stream-prefix"]


def test_the_collectors_secret_comes_by_reference_and_only_its_execution_role_reads_it() -> None:
    made = declare()
    collector = containers(made, "collector")["collector"]
    assert {item["name"]: item["valueFrom"] for item in collector["secrets"]} == {
        "KAFKA_USERNAME": f"{SECRETS['collector']}:username::",
        "KAFKA_PASSWORD": f"{SECRETS['collector']}:password::",
    }
    # ECS reads a secret when a task starts: another value has to make another task definition.
    assert collector["dockerLabels"]["kafka-secret-version"] == "version-1"
    names = {item["name"] for item in collector["environment"]}
    assert names == {"GOMEMLIMIT", "OTEL_CONFIG"}
    execution = statements(made, "collector-execution")
    assert {
        "Effect": "Allow",
        "Action": "secretsmanager:GetSecretValue",
        "Resource": [SECRETS["collector"]],
    } in execution
    decrypt = next(item for item in execution if item["Action"] == "kms:Decrypt")
    assert decrypt["Resource"] == [KAFKA_KEY]
    assert decrypt["Condition"] == {"StringEquals": {"kms:ViaService": f"secretsmanager.{REGION}.amazonaws.com"}}
    assert not [item for item in statements(made, "collector-task") if "secretsmanager" in str(item)]


def test_with_iam_the_collectors_own_role_signs_in_and_there_is_no_secret() -> None:
    made = declare(kafkaAuth="iam")
    collector = containers(made, "collector")["collector"]
    assert collector["secrets"] == []
    assert KAFKA_IAM[0] in statements(made, "collector-task")
    assert not [item for item in statements(made, "collector-execution") if "secretsmanager" in str(item)]


def test_the_collector_starts_after_the_key_list_which_it_cannot_change() -> None:
    made = declare()
    found = containers(made, "collector")
    assert found["collector"]["dependsOn"] == [{"containerName": "key-list", "condition": "HEALTHY"}]
    assert found["collector"]["mountPoints"][0] == {
        "sourceVolume": "keys",
        "containerPath": "/keys",
        "readOnly": True,
    }
    assert found["key-list"]["mountPoints"][0]["readOnly"] is False
    bucket = f"agent-telemetry-dev-keys-{ACCOUNT}-{REGION}"
    assert bucket in found["key-list"]["command"]
    reads = [item for item in statements(made, "collector-task") if "s3" in str(item["Action"])]
    assert reads == [
        {
            "Effect": "Allow",
            "Action": "s3:GetObject",
            "Resource": f"arn:aws:s3:{REGION}:{ACCOUNT}:collector-keys/credentials/jwks.json",
        }
    ]


def test_memory_is_shared_out_so_that_the_collector_refuses_before_it_is_killed() -> None:
    made = declare()
    found = containers(made, "collector")
    task = made.cloud.one("aws:ecs/taskDefinition:TaskDefinition", "collector-task-definition").inputs
    assert found["collector"]["memory"] + found["key-list"]["memory"] == int(task["memory"])
    variables = {item["name"]: item["value"] for item in found["collector"]["environment"]}
    go = int(variables["GOMEMLIMIT"].removesuffix("MiB"))
    limit = int(variables["OTEL_CONFIG"].split("limit_mib: ")[1].split()[0])
    assert go < limit < found["collector"]["memory"]


def test_a_service_is_rolled_back_waited_for_and_private() -> None:
    made = declare()
    service = made.cloud.one("aws:ecs/service:Service", "collector-service").inputs
    assert service["deploymentCircuitBreaker"] == {"enable": True, "rollback": True}
    assert service["waitForSteadyState"] is True
    assert service["networkConfiguration"] == {
        "subnets": SUBNETS,
        "securityGroups": ["sg-collector"],
        "assignPublicIp": False,
    }
    assert (service["deploymentMinimumHealthyPercent"], service["deploymentMaximumPercent"]) == (100, 200)
    assert [target["containerPort"] for target in service["loadBalancers"]] == [4318, 4317]
    assert service["healthCheckGracePeriodSeconds"] >= 60 and service["forceDelete"] is True


def test_there_is_never_a_second_worker() -> None:
    service = declare().cloud.one("aws:ecs/service:Service", "worker-service").inputs
    assert service["desiredCount"] == 1
    assert (service["deploymentMinimumHealthyPercent"], service["deploymentMaximumPercent"]) == (0, 100)
    assert "loadBalancers" not in service or not service["loadBalancers"]


@pytest.mark.parametrize(("spot", "provider"), [(True, "FARGATE_SPOT"), (False, "FARGATE")])
def test_spot_is_the_collectors_alone(spot: bool, provider: str) -> None:
    made = declare(collectorSpot=spot)

    def of(name: str) -> str:
        service = made.cloud.one("aws:ecs/service:Service", f"{name}-service").inputs
        return service["capacityProviderStrategies"][0]["capacityProvider"]

    assert of("collector") == provider and of("worker") == "FARGATE"


def test_tasks_follow_the_cpu_and_the_requests_at_both_doors() -> None:
    made = declare(collectorMinTasks=2, collectorMaxTasks=6)
    target = made.cloud.one("aws:appautoscaling/target:Target").inputs
    assert (target["minCapacity"], target["maxCapacity"]) == (2, 6)
    assert target["resourceId"].startswith("service/agent-telemetry-dev/")
    metrics = [
        item.inputs["targetTrackingScalingPolicyConfiguration"]["predefinedMetricSpecification"]
        for item in made.cloud.of("aws:appautoscaling/policy:Policy")
    ]
    assert sorted(item["predefinedMetricType"] for item in metrics) == [
        "ALBRequestCountPerTarget",
        "ALBRequestCountPerTarget",
        "ECSServiceAverageCPUUtilization",
    ]
    assert {item.get("resourceLabel") for item in metrics} == {None, "app/lb/1/targetgroup/x/1"}


def test_the_worker_reads_its_own_secrets_and_changes_the_key_list() -> None:
    allowed = statements(declare(), "worker-task")
    by_action = {json.dumps(item["Action"]): item for item in allowed}
    assert by_action['"secretsmanager:GetSecretValue"']["Resource"] == [SECRETS["worker"], SECRETS["clickhouse"]]
    assert by_action['["s3:GetObject", "s3:PutObject"]']["Resource"].endswith("/credentials/jwks.json")
    assert by_action['["kms:Decrypt", "kms:GenerateDataKey"]']["Resource"] == KEY
    assert KAFKA_IAM[0] in allowed


def test_no_policy_is_wider_than_its_part() -> None:
    """`*` stands only where an action takes no resource."""
    for policy in declare().cloud.of("aws:iam/rolePolicy:RolePolicy"):
        for item in json.loads(policy.inputs["policy"])["Statement"]:
            actions = [item["Action"]] if isinstance(item["Action"], str) else item["Action"]
            assert not [action for action in actions if "*" in action]
            if item["Resource"] == "*":
                bounded = item.get("Condition", {}).get("ArnEquals", {}).get("ecs:cluster")
                assert actions == ["ecr:GetAuthorizationToken"] or (actions == ["ecs:ListTasks"] and bounded), (
                    policy.name
                )


def test_roles_are_taken_for_this_account_only() -> None:
    services: dict[str, Any] = {}
    for role in declare().cloud.of("aws:iam/role:Role"):
        [trust] = json.loads(role.inputs["assumeRolePolicy"])["Statement"]
        assert trust["Condition"]["StringEquals"] == {"aws:SourceAccount": ACCOUNT}
        services.setdefault(trust["Principal"]["Service"], []).append(role.name)
    assert set(services) == {"ecs-tasks.amazonaws.com", "scheduler.amazonaws.com"}


def test_logs_are_encrypted_and_end() -> None:
    made = declare(logRetentionDays=14)
    groups = made.cloud.of("aws:cloudwatch/logGroup:LogGroup")
    assert {group.inputs["name"].rpartition("/")[2] for group in groups} == {
        *("collector", "worker", "jobs"),
        "performance",
    }
    assert {(group.inputs["kmsKeyId"], group.inputs["retentionInDays"]) for group in groups} == {(KEY, 14)}


def test_a_protected_stack_keeps_what_a_rollback_needs() -> None:
    made = declare(protect=True)
    for task in made.cloud.of("aws:ecs/taskDefinition:TaskDefinition"):
        assert task.inputs["skipDestroy"] is True
    assert made.cloud.one("aws:ecs/service:Service", "collector-service").inputs["forceDelete"] is False
    assert made.cloud.one("aws:ecr/repository:Repository").inputs["forceDelete"] is False


def test_a_preview_needs_nothing_that_only_aws_knows() -> None:
    made = declare(preview=True)
    assert len(made.cloud.of("aws:ecs/service:Service")) == 2


def test_everything_that_has_tags_is_tagged() -> None:
    import pulumi_aws as aws

    tagged = {"aws:ecs/service:Service", "aws:ecs/taskDefinition:TaskDefinition", "aws:lb/loadBalancer:LoadBalancer"}
    found = {item.type for item in declare().cloud.made if (item.inputs.get("tags") or {}).get("Stack") == "dev"}
    assert tagged <= found and hasattr(aws.ecs.Service, "tags")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"collectorCpu": 512, "collectorMemoryMiB": 1536}, "collectorMemoryMiB: 1536: Fargate gives 512 CPU units"),
        ({"collectorCpu": 256, "collectorMemoryMiB": 4096}, "collectorMemoryMiB: 4096"),
        ({"workerCpu": 256, "workerMemoryMiB": 768}, "workerMemoryMiB: 768"),
        ({"workerImageRepository": "docker.io/me/worker"}, "workerImageRepository"),
        ({"alarmTopicArn": "my-topic"}, "alarmTopicArn"),
    ],
)
def test_sizes_and_names_that_aws_does_not_have_are_refused(more: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        settings(**more)


@pytest.mark.parametrize(("cpu", "memory"), [(256, 512), (256, 1024), (512, 4096), (1024, 3072)])
def test_sizes_that_fargate_has_are_taken(cpu: int, memory: int) -> None:
    assert settings(collectorCpu=cpu, collectorMemoryMiB=memory).collectorMemoryMiB == memory
