"""The whole program under mocks as an `up` would run it: both committed environments, and variants of what they leave out."""

from __future__ import annotations

import copy
import functools
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.json_format import MessageToDict
from pulumi.runtime import settings as runtime
from pulumi.runtime.rpc import _special_secret_sig, _special_sig_key

from policy.stack import Resource, Stack
from tests.unit.aws.mocks import Cloud, value
from tests.unit.aws.test_program import run_program
from tests.unit.kubernetes.cluster_stack import STATUS, answering

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
ISSUER = "oidc.eks.eu-central-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF"
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "dev": ("dev", {}),
    "prod": ("prod", {}),
    "iam": (
        "prod",
        {
            "kafkaAuth": "iam",
            "tenantReaders": ["acme"],
            "tenantTeams": {"acme": "Acme"},
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
    "kubernetes": (
        "dev",
        {
            "collectorPlatform": "kubernetes",
            "collectorSpot": False,
            "collectorCertificateArn": "",
            "collectorZoneId": "Z0123456789ABCDEFGHIJ",
            "kubernetesEksCluster": "theirs",
            "kubernetesOidcProviderArn": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{ISSUER}",
            "kubernetesSecurityGroupId": "sg-0fedcba9876543210",
            "kubernetesTlsSecret": "otlp-tls",
        },
    ),
    "lent": ("dev", {"env": "pr", "shareStack": "other"}),
}
"""Name to the committed file and what is set over it."""
LENT: dict[str, Any] = {
    "account": ACCOUNT,
    "region": "eu-central-1",
    "protect": False,
    "network": {
        "vpcId": "vpc-other",
        "cidr": "10.80.0.0/16",
        "zones": [{"name": f"zone-{n}", "public": f"public-{n}", "private": f"private-{n}"} for n in (1, 2)],
        "natAddresses": ["203.0.113.7"],
        "endpointsGroup": "sg-other-endpoints",
    },
    "kafka": {
        "clusterArn": f"arn:aws:kafka:eu-central-1:{ACCOUNT}:cluster/other/11111111-2222-3333-4444-555555555555-1",
        "bootstrapServers": "b-2.other:9096,b-1.other:9096",
        "group": "sg-other-kafka",
        "auth": "scram",
        "brokers": 2.0,
    },
    "grafana": {"workspaceId": "g-1", "url": "https://g-1", "group": "sg-other-grafana", "alertTopicArn": ""},
}
"""What another stack lends: its output `shared` (infra/aws/sharing.py)."""
EKS = {
    "version": "1.34",
    "endpoint": "https://0123456789ABCDEF.gr7.eu-central-1.eks.amazonaws.com",
    "certificateAuthorities": [{"data": "Q0E="}],
    "identities": [{"oidcs": [{"issuer": f"https://{ISSUER}"}]}],
}
OUTPUTS: dict[str, dict[str, Any]] = {
    "pulumi:pulumi:StackReference": {"outputs": {"shared": LENT}, "secretOutputNames": []},
    "pulumi-python:dynamic/aws:WorkerImage": {"image": f"{ACCOUNT}.dkr.ecr.eu-central-1.amazonaws.com/worker@sha256:0"},
    "pulumi-python:dynamic/aws:Applied": {"said": "serves"},
    "pulumi-python:dynamic/aws:Rollout": {"running": "arn:task"},
    "aws:lb/targetGroup:TargetGroup": {"arnSuffix": "targetgroup/group/1"},
    "aws:route53/zone:Zone": {"zoneId": "Z1"},
    "kubernetes:core/v1:ConfigMap": {"metadata": {"name": "collector-config-0a1b2c3d"}},
    "kubernetes:core/v1:Service": {"status": STATUS},
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
class Declared(Stack):
    """One variant's resources, each with the inputs that its provider would get."""

    outputs: dict[str, Any] = field(default_factory=dict)
    """The stack's outputs."""
    marked: set[tuple[str, str]] = field(default_factory=set)
    """Resource and input: what the engine is told is a secret, so that it stands encrypted in the state."""

    def changed(self) -> Declared:
        """A copy to break."""
        return copy.deepcopy(self)


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
    cloud.answers["aws:eks/getCluster:getCluster"] = EKS
    with answering():
        found = run_program(stack, False, cloud, **{**OWN, **more})
    protected = {item for item, options in found.options.items() if options.protect}
    resources = [
        Resource(item.type, item.name, item.inputs, cloud.urns[item.type, item.name], protect, cloud.refers(item))
        for item in cloud.made
        if item.type != "pulumi:pulumi:StackReference"  # is read, not made
        for protect in [(item.type, item.name) in protected]
    ]
    outputs: Any = getattr(runtime.get_root_resource(), "outputs", None)
    return Declared(stack == "prod", resources, outputs=value(dict(outputs or {})), marked=marked(cloud))


def marked(cloud: Cloud) -> set[tuple[str, str]]:
    """The inputs that were registered as secrets."""
    return {
        (name, key)
        for (_, name), request in cloud.requests.items()
        for key, item in MessageToDict(request.object).items()
        if isinstance(item, dict) and item.get(_special_sig_key) == _special_secret_sig
    }
