"""What the rules of policy/rules/kafka_and_tasks.py must notice."""

from __future__ import annotations

from policy.rules.kafka_and_tasks import CLUSTER, ECS_CLUSTER, EFS, SCHEDULE, SERVICE, TASK
from tests.unit.aws.controls.breaks import Breaks, adds, put

FIRST = "containerDefinitions!.0"

BREAKS: Breaks = {
    "MSK.1": [
        put(CLUSTER, "encryptionInfo.encryptionInTransit.inCluster", False),
        put(CLUSTER, "encryptionInfo.encryptionInTransit.clientBroker", "TLS_PLAINTEXT"),
    ],
    "MSK.2": [put(CLUSTER, "enhancedMonitoring", "DEFAULT")],
    "MSK.4": [put(CLUSTER, "brokerNodeGroupInfo.connectivityInfo.publicAccess.type", "SERVICE_PROVIDED_EIPS")],
    "MSK.6": [
        put(CLUSTER, "clientAuthentication.unauthenticated", True),
        put(CLUSTER, "clientAuthentication.sasl", {"scram": False, "iam": False}),
    ],
    "ECS.2": [
        put(SERVICE, "networkConfiguration.assignPublicIp", True),
        put(SCHEDULE, "target.ecsParameters.networkConfiguration.assignPublicIp", True),
    ],
    "ECS.3": [put(TASK, "pidMode", "host")],
    "ECS.17": [put(TASK, "networkMode", "host")],
    "ECS.4": [
        put(TASK, f"{FIRST}.privileged", True),
        put(TASK, f"{FIRST}.linuxParameters", {"capabilities": {"add": ["SYS_ADMIN"]}}),
    ],
    "ECS.20": [put(TASK, f"{FIRST}.user", "root"), put(TASK, f"{FIRST}.user", "0:0")],
    "ECS.5": [put(TASK, f"{FIRST}.readonlyRootFilesystem", False)],
    "ECS.8": [
        put(TASK, f"{FIRST}.environment", [{"name": "KAFKA_PASSWORD", "value": "x"}]),
        put(TASK, f"{FIRST}.environment", [{"name": "AWS_ACCESS_KEY_ID", "value": "x"}]),
        put(TASK, f"{FIRST}.secrets", [{"name": "KAFKA_PASSWORD", "valueFrom": "plain text"}]),
    ],
    "ECS.9": [put(TASK, f"{FIRST}.logConfiguration", None)],
    "ECS.10": [
        put(SERVICE, "platformVersion", "1.3.0"),
        put(SCHEDULE, "target.ecsParameters.platformVersion", "1.3.0"),
    ],
    "ECS.12": [put(ECS_CLUSTER, "settings", [])],
    "ECS.18": [put(TASK, "volumes", [{"name": "queue", "efsVolumeConfiguration": {}}])],
    **{id_: [adds(EFS[0]), adds(EFS[1])] for id_ in ("EFS.3", "EFS.4", "EFS.8")},
}
