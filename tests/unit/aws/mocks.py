"""Pulumi mocks for the AWS components: what was registered, with its inputs, and plausible outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast
from unittest.mock import patch

import pulumi
from pulumi.runtime import Mocks, mocks, resource, set_mocks
from pulumi.runtime.proto import source_pb2
from pulumi.runtime.stack import wait_for_rpcs
from pulumi.runtime.sync_await import _sync_await

ACCOUNT = "123456789012"
REGION = "eu-central-1"


@dataclass(frozen=True)
class Made:
    """One registered resource: camelCase inputs as the provider would get them."""

    type: str
    name: str
    inputs: dict[str, Any]
    id: str


@dataclass(frozen=True)
class Options:
    """What a resource was registered with beside its inputs. Resources by name."""

    parent: str
    depends_on: set[str]
    protect: bool
    retain_on_delete: bool
    delete_before_replace: bool
    ignore_changes: list[str]
    deleted_with: str
    delete_timeout: str


@dataclass
class Cloud(Mocks):
    """Records what is registered and answers with the inputs, an id, an arn and what `outputs` adds by type."""

    made: list[Made] = field(default_factory=list)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Type token to outputs that AWS would compute."""
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Invoke token to its answer."""
    answer: Callable[[str, dict[str, Any]], dict[str, Any]] | None = None
    """Answers an invoke by its arguments, before `answers`."""
    requests: dict[tuple[str, str], Any] = field(default_factory=dict)
    urns: dict[tuple[str, str], str] = field(default_factory=dict)

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        identity = f"{args.name}-id"
        self.made.append(Made(args.typ, args.name, args.inputs, identity))
        service = args.typ.split(":")[1].split("/")[0] if args.typ.startswith("aws:") else "none"
        computed = {
            "arn": f"arn:aws:{service}:{REGION}:{ACCOUNT}:{args.name}",
            "name": args.inputs.get("name") or args.name,
            "bucket": args.inputs.get("bucket") or args.name,
        }
        if args.typ == "aws:ec2/eip:Eip":
            computed["publicIp"] = f"203.0.113.{9 + len(self.of(args.typ))}"
        if zone := args.inputs.get("availabilityZoneId"):
            computed["availabilityZone"] = ZONES.get(zone, f"zone-of-{zone}")
        # A dynamic resource answers what it was given.
        return identity, {**computed, **args.inputs, **COMPUTED.get(args.typ, {}), **self.outputs.get(args.typ, {})}

    def call(self, args: mocks.MockCallArgs) -> Any:
        self.calls.append((args.token, dict(args.args)))
        if self.answer is not None:
            return self.answer(args.token, dict(args.args))
        return {**ANSWERS.get(args.token, {}), **self.answers.get(args.token, {})}

    def of(self, type_: str) -> list[Made]:
        """Everything of a type, e.g. 'aws:ec2/vpc:Vpc'."""
        return [item for item in self.made if item.type == type_]

    def options(self, item: Made) -> Options:
        """What `item` was registered with."""
        request = self.requests[item.type, item.name]
        return Options(
            parent=_name(request.parent),
            depends_on={_name(urn) for urn in request.dependencies},
            protect=request.protect,
            retain_on_delete=request.retainOnDelete,
            delete_before_replace=request.deleteBeforeReplace,
            ignore_changes=list(request.ignoreChanges),
            deleted_with=_name(request.deletedWith),
            delete_timeout=request.customTimeouts.delete,
        )

    def refers(self, item: Made) -> dict[str, frozenset[str]]:
        """Input to the URNs of what it comes from."""
        told = self.requests[item.type, item.name].propertyDependencies
        return {key: frozenset(found.urns) for key, found in told.items() if found.urns}

    def one(self, type_: str, name: str = "") -> Made:
        """The only resource of the type (and name)."""
        found = [item for item in self.of(type_) if not name or item.name == name]
        assert len(found) == 1, f"{type_} {name}: {[item.name for item in found]}"
        return found[0]


def _name(urn: str) -> str:
    return urn.rsplit("::", 1)[-1]


class Monitor(mocks.MockMonitor):
    """Keeps every registration as the engine would get it."""

    def RegisterResource(self, request: Any) -> Any:
        cloud = cast(Cloud, self.mocks)
        cloud.requests[request.type, request.name] = request
        registered = super().RegisterResource(request)
        cloud.urns[request.type, request.name] = registered.urn
        return registered


ZONES = {"euc1-az2": "eu-central-1a", "euc1-az3": "eu-central-1b", "euc1-az1": "eu-central-1c"}
COMPUTED: dict[str, dict[str, Any]] = {
    "aws:ec2/vpc:Vpc": {"defaultNetworkAclId": "acl-1", "mainRouteTableId": "rtb-main"},
    "aws:ec2/eip:Eip": {"allocationId": "eipalloc-1"},
    "aws:ec2/instance:Instance": {"privateIp": "10.80.64.10", "availabilityZone": "eu-central-1a"},
    "aws:lb/loadBalancer:LoadBalancer": {
        "dnsName": "lb.eu-central-1.elb.amazonaws.com",
        "zoneId": "Z215JYRZR1TBD5",
        "arnSuffix": "app/lb/1",
    },
    "aws:msk/cluster:Cluster": {
        "bootstrapBrokersSaslScram": "b-1.msk:9096,b-2.msk:9096",
        "bootstrapBrokersSaslIam": "b-1.msk:9098,b-2.msk:9098",
        "arn": f"arn:aws:kafka:{REGION}:{ACCOUNT}:cluster/kafka-cluster/11111111-2222-3333-4444-555555555555-1",
        "clusterName": "kafka-cluster",
        "clusterUuid": "11111111-2222-3333-4444-555555555555-1",
    },
    "aws:msk/configuration:Configuration": {"latestRevision": 1},
    "aws:ecs/taskDefinition:TaskDefinition": {"revision": 1},
    "aws:ecr/repository:Repository": {"repositoryUrl": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/agent-telemetry"},
    "aws:grafana/workspace:Workspace": {"endpoint": "g-1234567890.grafana-workspace.eu-central-1.amazonaws.com"},
    "aws:s3/bucket:Bucket": {"bucketRegionalDomainName": "bucket.s3.eu-central-1.amazonaws.com"},
    "random:index/randomPassword:RandomPassword": {"result": "s3cr3t-canary-password"},
    "tls:index/privateKey:PrivateKey": {"privateKeyPem": "PRIVATE KEY canary", "publicKeyPem": "PUBLIC KEY"},
    "tls:index/selfSignedCert:SelfSignedCert": {"certPem": "CA CERTIFICATE"},
    "tls:index/certRequest:CertRequest": {"certRequestPem": "REQUEST"},
    "tls:index/locallySignedCert:LocallySignedCert": {"certPem": "NODE CERTIFICATE"},
}
ANSWERS: dict[str, dict[str, Any]] = {
    "aws:index/getAvailabilityZones:getAvailabilityZones": {
        "names": list(ZONES.values()),
        "zoneIds": list(ZONES),
    },
    "aws:ssm/getParameter:getParameter": {"value": "ami-0123456789abcdef0"},
}


@contextmanager
def program(preview: bool = False, **answers: dict[str, Any]) -> Iterator[Cloud]:
    """A Pulumi program under mocks: declare resources inside; when it ends, everything has been registered."""
    cloud = Cloud(answers=answers)
    set_mocks(cloud, project="agent-telemetry", stack="test", preview=preview, monitor=Monitor(cloud))
    # Where a resource was declared is for the engine, and there is none here: the SDK reads the source line of some 45 frames
    # for each resource, which took a fifth of these tests' time.
    with patch.object(resource, "_get_stack_trace", source_pb2.StackTrace):
        yield cloud
        _sync_await(wait_for_rpcs())


def value(output: pulumi.Input[Any]) -> Any:
    """What an output holds under mocks."""
    found: list[Any] = []
    pulumi.Output.from_input(output).apply(found.append)
    _sync_await(wait_for_rpcs())
    return found[0]


def run(declare: Callable[[], Any], preview: bool = False) -> tuple[Cloud, Any]:
    """Declares with `declare` under mocks; what was registered, and what it returned."""
    with program(preview) as cloud:
        result = declare()
    return cloud, result
