"""Elastic Load Balancing: zones, protocols that go together, one port once, target groups of one balancer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.providers.standin.cloud import Cloud, Refused, Resource
from tests.providers.standin.data import table
from tests.providers.standin.rules.certificates import check_usable
from tests.providers.standin.rules.network import check_groups, distinct_zones, has_gateway, vpc_of
from tests.providers.standin.rules.registry import Failures, created, deleted, gone, is_given, values

LB, GROUP = "aws:lb/loadBalancer:LoadBalancer", "aws:lb/targetGroup:TargetGroup"
LISTENER, RULE = "aws:lb/listener:Listener", "aws:lb/listenerRule:ListenerRule"
PROTOCOLS = {"application": {"HTTP", "HTTPS"}, "network": {"TCP", "TLS", "UDP", "TCP_UDP"}, "gateway": {"GENEVE"}}


@created(LB)
def _place(cloud: Cloud, balancer: Resource) -> None:
    subnets = balancer.get("subnets") or [item["subnetId"] for item in balancer.get("subnetMappings", [])]
    found = distinct_zones(cloud, subnets, "InvalidConfigurationRequest")
    if balancer.get("loadBalancerType") == "application" and len(found) < 2:
        raise Refused("ValidationError", "At least two subnets in two different Availability Zones must be specified")
    vpc = vpc_of(cloud, subnets[0]) if subnets else None
    check_groups(cloud, balancer.get("securityGroups", []), vpc)
    if not balancer.get("internal") and vpc and not has_gateway(cloud, vpc):
        raise Refused("InvalidSubnet", f"VPC {vpc} has no internet gateway")
    logs = balancer.get("accessLogs")
    if logs and logs.get("enabled") and not cloud.get("aws:s3/bucketPolicy:BucketPolicy", logs["bucket"]):
        raise Refused(
            "InvalidConfigurationRequest",
            f"Access Denied for bucket: {logs['bucket']}. Please check S3bucket permission",
        )


@deleted(LB)
def _protected(cloud: Cloud, balancer: Resource, state: Mapping[str, Any]) -> None:
    if balancer.get("enableDeletionProtection"):
        raise Refused(
            "OperationNotPermitted",
            f"Load balancer '{balancer.id}' cannot be deleted because deletion protection is enabled",
        )


@gone(LB)
def _listeners_go_too(cloud: Cloud, balancer: Resource, state: Mapping[str, Any]) -> None:
    for listener in cloud.all(LISTENER):
        if listener.get("loadBalancerArn") == balancer.id:
            cloud.remove(LISTENER, listener.id)
            _rules_go_too(cloud, listener, {})


@gone(LISTENER)
def _rules_go_too(cloud: Cloud, listener: Resource, state: Mapping[str, Any]) -> None:
    for rule in cloud.all(RULE):
        if rule.get("listenerArn") == listener.id:
            cloud.remove(RULE, rule.id)


@values(GROUP)
def _group_values(inputs: Mapping[str, Any], region: str) -> Failures:
    failures: Failures = []
    protocol, version = inputs.get("protocol"), inputs.get("protocolVersion")
    if inputs.get("targetType") != "lambda":
        failures += [
            (key, f"{key} should be set when target type is {inputs.get('targetType', 'instance')}")
            for key in ("port", "protocol")
            if not is_given(inputs, key)
        ]
    if version and protocol not in (None, "HTTP", "HTTPS"):
        failures.append(("protocolVersion", f"protocolVersion goes with HTTP and HTTPS, not {protocol}"))
    check = inputs.get("healthCheck") or {}
    if (
        check.get("timeout")
        and check.get("interval")
        and check["timeout"] >= check["interval"]
        and protocol in ("HTTP", "HTTPS")
    ):
        failures.append(("healthCheck", "ValidationError: Health check interval must be greater than the timeout."))
    for key, low, high in (
        ("interval", 5, 300),
        ("timeout", 2, 120),
        ("healthyThreshold", 2, 10),
        ("unhealthyThreshold", 2, 10),
    ):
        if check.get(key) is not None and not low <= check[key] <= high:
            failures.append(
                (f"healthCheck.{key}", f"ValidationError: {key} must be between {low} and {high}, got {check[key]}")
            )
    if not 0 <= inputs.get("deregistrationDelay", 300) <= 3600:
        failures.append(("deregistrationDelay", "must be between 0 and 3600"))
    return failures


@created(GROUP)
def _has_network(cloud: Cloud, group: Resource) -> None:
    if group.get("targetType") != "lambda" and not group.get("vpcId"):
        raise Refused("ValidationError", "A VPC ID must be specified")


def forwarded(inputs: Mapping[str, Any], key: str = "defaultActions") -> list[str]:
    """The target groups that a listener or a rule forwards to."""
    found = []
    for action in inputs.get(key) or []:
        found += [action["targetGroupArn"]] if action.get("targetGroupArn") else []
        found += [item["arn"] for item in (action.get("forward") or {}).get("targetGroups", [])]
    return found


def balancers_of(cloud: Cloud, group: str) -> set[str]:
    """The load balancers that send to a target group."""
    found = {item.get("loadBalancerArn") for item in cloud.all(LISTENER) if group in forwarded(item.outputs)}
    for rule in cloud.all(RULE):
        listener = cloud.get(LISTENER, rule.get("listenerArn"))
        if listener and group in forwarded(rule.outputs, "actions"):
            found.add(listener.get("loadBalancerArn"))
    return found


@values(LISTENER, RULE)
def _actions(inputs: Mapping[str, Any], region: str) -> Failures:
    failures: Failures = []
    needed = {"forward": ("targetGroupArn", "forward"), "redirect": ("redirect",), "fixed-response": ("fixedResponse",)}
    for key in ("defaultActions", "actions"):
        for action in inputs.get(key) or []:
            wanted = needed.get(action.get("type", ""), ())
            if wanted and not any(action.get(name) is not None for name in wanted):
                failures.append((key, f"an action of type {action['type']} needs {' or '.join(wanted)}"))
    return failures


@created(LISTENER)
def _listener_fits(cloud: Cloud, listener: Resource) -> None:
    balancer = cloud.get(LB, listener.get("loadBalancerArn"))
    assert balancer, "references are checked before"
    kind, protocol = balancer.get("loadBalancerType"), listener.get("protocol")
    if protocol not in PROTOCOLS[kind]:
        raise Refused("ValidationError", f"Listener protocol '{protocol}' must be one of {sorted(PROTOCOLS[kind])}")
    for other in cloud.all(LISTENER):
        if other.id != listener.id and all(other.get(key) == listener.get(key) for key in ("loadBalancerArn", "port")):
            raise Refused(
                "DuplicateListener",
                f"A listener already exists on this port for this load balancer: {listener.get('port')}",
            )
    secure = protocol in ("HTTPS", "TLS")
    if secure != bool(listener.get("certificateArn")):
        raise Refused(
            "ValidationError",
            f"A certificate must be specified for {protocol} listeners"
            if secure
            else f"A certificate cannot be specified for {protocol} listeners",
        )
    if secure:
        check_usable(cloud, listener.get("certificateArn"))
        if listener.get("sslPolicy") not in table("load_balancing")["ssl_policies"]:
            raise Refused("SSLPolicyNotFound", f"SSL policy '{listener.get('sslPolicy')}' not found")
    for arn in forwarded(listener.outputs):
        _group_fits(cloud, balancer, protocol, arn)


@created(RULE)
def _rule_fits(cloud: Cloud, rule: Resource) -> None:
    listener = cloud.get(LISTENER, rule.get("listenerArn"))
    assert listener, "references are checked before"
    balancer = cloud.get(LB, listener.get("loadBalancerArn"))
    for other in cloud.all(RULE):
        if other.id != rule.id and all(other.get(key) == rule.get(key) for key in ("listenerArn", "priority")):
            raise Refused("PriorityInUse", f"Priority '{rule.get('priority')}' is currently in use")
    for arn in forwarded(rule.outputs, "actions"):
        if balancer:
            _group_fits(cloud, balancer, listener.get("protocol"), arn)


def _group_fits(cloud: Cloud, balancer: Resource, protocol: str, arn: str) -> None:
    group = cloud.get(GROUP, arn)
    if group is None:
        return
    if group.get("vpcId") != balancer.get("vpcId"):
        raise Refused("InvalidConfigurationRequest", f"The load balancer and target group {arn} are in different VPCs")
    if group.get("protocolVersion") == "GRPC" and protocol != "HTTPS":
        raise Refused(
            "InvalidLoadBalancerAction",
            f"Listener protocol '{protocol}' is not supported with a target group with the protocol-version 'GRPC'",
        )
    if group.get("protocol") not in PROTOCOLS[balancer.get("loadBalancerType")]:
        raise Refused(
            "InvalidLoadBalancerAction",
            f"a {balancer.get('loadBalancerType')} load balancer can't send to a target group of protocol {group.get('protocol')}",
        )
    if balancers_of(cloud, arn) - {balancer.id}:
        raise Refused(
            "TargetGroupAssociationLimit",
            f"The following target groups cannot be associated with more than one load balancer: {arn}",
        )
