"""The whole program under mocks as an `up` would run it: both committed environments, and variants of what they leave out."""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.json_format import MessageToDict
from pulumi.runtime import settings as runtime
from pulumi.runtime.rpc import _special_secret_sig, _special_sig_key

from tests.unit.aws.mocks import Cloud, Made, value
from tests.unit.aws.test_program import run_program

ACCOUNT = "111122223333"
OWN: dict[str, Any] = {
    "awsAccount": ACCOUNT,
    "collectorDomain": "otlp.telemetry.test",
    "collectorCertificateArn": f"arn:aws:acm:eu-central-1:{ACCOUNT}:certificate/5a9d7e1c-0b42-4f6a-9a63-2f1f6f0c8d11",
    "grafanaAdminGroups": ["6c0e4f2a-90b1-70c3-1d7e-5f0a9b3c2d11"],
    "grafanaViewerGroups": ["77a1c2d3-90b1-70c3-1d7e-0a9b3c2d5f11"],
    "alarmEmails": ["oncall@telemetry.test"],
    "requirePins": False,
}
"""In place of the committed files' example values, which an `up` refuses."""
PUBLIC, PRIVATE = ["subnet-a", "subnet-b"], ["subnet-c", "subnet-d"]
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "dev": ("dev", {}),
    "prod": ("prod", {}),
    "iam": (
        "prod",
        {
            "kafkaAuth": "iam",
            "collectorInternal": True,
            "collectorCertificateArn": "",
            "collectorZoneId": "Z0123456789ABCDEFGHIJ",
        },
    ),
    "given": (
        "dev",
        {
            "networkVpcId": "vpc-0123456789abcdef0",
            "networkPublicSubnetIds": PUBLIC,
            "networkPrivateSubnetIds": PRIVATE,
            "kafkaMode": "existing",
            "kafkaBootstrapServers": "b-1.kafka.test:9096,b-2.kafka.test:9096",
            "kafkaSecurityGroupId": "sg-0123456789abcdef0",
            "kafkaSecretArn": f"arn:aws:secretsmanager:eu-central-1:{ACCOUNT}:secret:AmazonMSK_theirs-AbCdEf",
            "kafkaSecretKeyArn": f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/11111111-2222-3333-4444-555555555555",
            "grafanaAuthentication": "SAML",
            "grafanaSamlMetadataUrl": "https://idp.telemetry.test/metadata",
            "grafanaAdminGroups": ["admins"],
            "clickhouseReach": "direct",
            "clickhouseAllowedCidrs": ["10.9.0.0/16"],
            "alarmTopicArn": f"arn:aws:sns:eu-central-1:{ACCOUNT}:theirs",
            "budgetWebhookUrl": "https://gateway.telemetry.test/budgets",
            "budgetWebhookSecretArn": f"arn:aws:secretsmanager:eu-central-1:{ACCOUNT}:secret:budget-webhook-AbCdEf",
            "budgetWebhookSecretKeyArn": f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/22222222-2222-3333-4444-555555555555",
            "workerImageRepository": f"{ACCOUNT}.dkr.ecr.eu-central-1.amazonaws.com/theirs/worker",
        },
    ),
}
"""Name to the committed file and what is set over it."""
OUTPUTS: dict[str, dict[str, Any]] = {
    "pulumi-python:dynamic/aws:WorkerImage": {"image": f"{ACCOUNT}.dkr.ecr.eu-central-1.amazonaws.com/worker@sha256:0"},
    "pulumi-python:dynamic/aws:Applied": {"said": "serves"},
    "pulumi-python:dynamic/aws:Rollout": {"running": "arn:task"},
    "aws:lb/targetGroup:TargetGroup": {"arnSuffix": "targetgroup/group/1"},
    "aws:route53/zone:Zone": {"zoneId": "Z1"},
    "aws:route53/record:Record": {"fqdn": "proof.telemetry.test"},
    "aws:secretsmanager/secretVersion:SecretVersion": {"versionId": "version-1"},
    "aws:acm/certificate:Certificate": {
        "domainValidationOptions": [
            {
                "domainName": "otlp.telemetry.test",
                "resourceRecordName": "_proof.telemetry.test",
                "resourceRecordType": "CNAME",
                "resourceRecordValue": "_answer.acm-validations.aws",
            }
        ]
    },
}
"""What AWS and the steps would answer, where something is made of it."""


@dataclass
class Declared:
    """One variant's resources, each with the inputs that its provider would get."""

    variant: str
    prod: bool
    made: list[Made]
    protected: set[str] = field(default_factory=set)
    """Names of what Pulumi refuses to delete."""
    outputs: dict[str, Any] = field(default_factory=dict)
    """The stack's outputs."""
    marked: set[tuple[str, str]] = field(default_factory=set)
    """Resource and input: what the engine is told is a secret, so that it stands encrypted in the state."""

    @property
    def own_network(self) -> bool:
        return self.variant != "given"

    def of(self, *types: str) -> list[Made]:
        return [item for item in self.made if item.type in types]

    def policies(self) -> Iterator[tuple[Made, list[dict[str, Any]]]]:
        """Every policy document in any input of any resource, whatever the input's name."""
        for item in self.made:
            for text in item.inputs.values():
                if isinstance(text, str) and text.startswith("{") and '"Statement"' in text:
                    yield item, json.loads(text)["Statement"]

    def containers(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Every container of every task definition."""
        for task in self.of("aws:ecs/taskDefinition:TaskDefinition"):
            for container in json.loads(task.inputs["containerDefinitions"]):
                yield f"{task.name} {container['name']}", container

    def changed(self) -> Declared:
        """A copy to break."""
        return Declared(self.variant, self.prod, copy.deepcopy(self.made), set(self.protected))


def given_network(token: str, args: dict[str, Any]) -> dict[str, Any]:
    """Answers about the VPC that exists."""
    if token.endswith("getSubnet"):
        zone = "ab"[(PUBLIC + PRIVATE).index(args["id"]) % 2]
        vpc = VARIANTS["given"][1]["networkVpcId"]
        return {"vpcId": vpc, "availabilityZone": f"eu-central-1{zone}", "availabilityZoneId": f"id-{zone}"}
    return {"cidrBlock": "10.1.0.0/16"} if token.endswith("getVpc") else {"value": "ami-0123456789abcdef0"}


@functools.cache
def declared(variant: str) -> Declared:
    """The program with the variant's settings. Declared once, and not to be changed: take `changed()`."""
    stack, more = VARIANTS[variant]
    cloud = Cloud(outputs=OUTPUTS, answer=given_network if variant == "given" else None)
    found = run_program(stack, False, cloud, **{**OWN, **more})
    protected = {name for (_, name), options in found.options.items() if options.protect}
    outputs: Any = getattr(runtime.get_root_resource(), "outputs", None)
    return Declared(variant, stack == "prod", cloud.made, protected, value(dict(outputs or {})), marked(cloud))


def marked(cloud: Cloud) -> set[tuple[str, str]]:
    """The inputs that were registered as secrets."""
    return {
        (name, key)
        for (_, name), request in cloud.requests.items()
        for key, item in MessageToDict(request.object).items()
        if isinstance(item, dict) and item.get(_special_sig_key) == _special_secret_sig
    }


def actions(statement: dict[str, Any]) -> list[str]:
    """A statement's actions."""
    return listed(statement.get("Action", []))


def listed(value: Any) -> list[Any]:
    """One or several, as IAM takes them."""
    return value if isinstance(value, list) else [value]
