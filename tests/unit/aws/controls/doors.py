"""What the rules of policy/rules/doors.py must notice."""

from __future__ import annotations

from policy.rules.doors import (
    ADDRESS,
    BALANCER,
    DEFAULT_GROUP,
    EGRESS,
    ENDPOINT,
    ENDPOINTS,
    FLOW_LOG,
    GROUP,
    INGRESS,
    INSTANCE,
    LISTENER,
    OLD_RULE,
    SUBNET,
    VPC,
    ZONE,
)
from tests.unit.aws.controls.breaks import Break, Breaks, adds, put, without
from tests.unit.aws.controls.stacks import Declared

OPEN = {"cidrIpv4": "0.0.0.0/0", "ipProtocol": "tcp"}
FRONT_DOOR = {"securityGroupId": (GROUP, "firewall-load-balancer")}


def no_endpoint(service: str) -> Break:
    def change(stack: Declared) -> None:
        stack.resources[:] = [
            item
            for item in stack.resources
            if item.type != ENDPOINT or not item.inputs["serviceName"].endswith(f".{service}")
        ]

    return change


BREAKS: Breaks = {
    "ELB.1": [put(LISTENER, "protocol", "HTTP"), adds(LISTENER, protocol="HTTP", port=80, defaultActions=[])],
    "ELB.18": [put(LISTENER, "protocol", "TCP"), put(LISTENER, "certificateArn", "")],
    "ELB.17": [put(LISTENER, "sslPolicy", "ELBSecurityPolicy-2016-08")],
    "ELB.4": [put(BALANCER, "dropInvalidHeaderFields", False)],
    "ELB.12": [put(BALANCER, "desyncMitigationMode", "monitor")],
    "ELB.5": [put(BALANCER, "accessLogs.enabled", False)],
    "ELB.6": [put(BALANCER, "enableDeletionProtection", False)],
    "ELB.13": [put(BALANCER, "subnets", ["one"])],
    "EC2.2": [without(DEFAULT_GROUP), put(DEFAULT_GROUP, "ingress", [{"fromPort": 0}]), adds(VPC)],
    "EC2.6": [without(FLOW_LOG), put(FLOW_LOG, "trafficType", "ACCEPT")],
    "EC2.9": [put(INSTANCE, "associatePublicIpAddress", True), adds(ADDRESS, instance="i-1")],
    "EC2.15": [put(SUBNET, "mapPublicIpOnLaunch", True)],
    "EC2.18": [
        adds(INGRESS, to={"securityGroupId": (GROUP, "firewall-collector")}, fromPort=443, toPort=443, **OPEN),
        adds(INGRESS, to=FRONT_DOOR, fromPort=443, toPort=8443, **OPEN),
        adds(GROUP, ingress=[{"cidrBlocks": ["0.0.0.0/0"]}]),
        adds(OLD_RULE),
    ],
    "EC2.19": [
        adds(INGRESS, to=FRONT_DOOR, fromPort=0, toPort=65535, **OPEN),
        adds(EGRESS, to={"securityGroupId": (GROUP, "firewall-worker")}, fromPort=22, toPort=22, **OPEN),
        adds(INGRESS, to={"securityGroupId": (GROUP, "firewall-worker")}, ipProtocol="-1", cidrIpv4="10.0.0.0/8"),
    ],
    "EC2.53": [
        adds(INGRESS, to=FRONT_DOOR, fromPort=22, toPort=22, **OPEN),
        adds(
            INGRESS,
            to={"securityGroupId": (GROUP, "firewall-clickhouse")},
            fromPort=3389,
            toPort=3389,
            ipProtocol="tcp",
        ),
    ],
    "Route53.2": [put(ZONE, "vpcs", []), adds(ZONE, name="telemetry.test")],
    **{id_: [no_endpoint(service)] for id_, service in ENDPOINTS.items()},
}
