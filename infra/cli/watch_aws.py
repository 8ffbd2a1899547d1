"""status and logs of a stack on AWS: what ECS and SSM say of its parts, and where CloudWatch keeps their logs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from infra.aws.api import as_user_error, client
from infra.cli.parts import Parts
from infra.collector import workload_name
from infra.config import PROJECT, file_settings
from infra.errors import UserError
from infra.settings import Settings

SERVICES_AT_ONCE = 10
"""What DescribeServices takes."""


def parts_on_aws(name: str) -> Parts:
    """Each part. Raises UserError when AWS can't be asked."""
    found = file_settings(name)
    parts = Parts(("part", "runs", "wanted", "last event"))
    for part, runs, wanted, event in _services(found.awsRegion, f"{PROJECT}-{name}"):
        parts.add(part, runs >= wanted, {"runs": runs, "wanted": wanted, "last event": event})
    if found.collectorPlatform == "kubernetes":
        parts.add("collectors (pods)", *_pods(found, name))
    for node, online in _nodes(found.awsRegion, name):
        parts.add(node, online, {"runs": int(online), "wanted": 1, "last event": ""})
    return parts


def _services(region: str, cluster: str) -> Iterator[tuple[str, int, int, str]]:
    """Each ECS service: name, running, desired, its newest event."""
    ecs = client("ecs", region)
    with as_user_error(f"ECS cluster {cluster}"):
        pages = ecs.get_paginator("list_services").paginate(cluster=cluster)
        arns = sorted(arn for page in pages for arn in page["serviceArns"])
        for start in range(0, len(arns), SERVICES_AT_ONCE):
            chunk = arns[start : start + SERVICES_AT_ONCE]
            for item in ecs.describe_services(cluster=cluster, services=chunk)["services"]:
                events = item.get("events") or [{}]
                yield item["serviceName"], item["runningCount"], item["desiredCount"], events[0].get("message", "")


def _pods(settings: Settings, name: str) -> tuple[bool | None, dict[str, Any]]:
    """Whether the collectors run in the cluster (None: it can't be asked from here), and their row."""
    from infra.aws.eks_kubeconfig import described
    from infra.kubernetes.running import collectors

    try:
        with as_user_error(f"EKS cluster {settings.kubernetesEksCluster}"):
            kubeconfig = described(settings)
        found = collectors(settings, name, kubeconfig)
    except UserError as error:
        return None, {"runs": None, "wanted": None, "last event": f"not seen from here: {error}"}
    if found is None:
        return False, {"runs": 0, "wanted": settings.collectorMinTasks, "last event": "there is no such Deployment"}
    return found.available >= found.wanted, {"runs": found.available, "wanted": found.wanted, "last event": ""}


def _nodes(region: str, name: str) -> Iterator[tuple[str, bool]]:
    """Each of the stack's EC2 instances (ClickHouse, Keepers) and whether SSM reaches it."""
    filters = [
        {"Name": "tag:Project", "Values": [PROJECT]},
        {"Name": "tag:Stack", "Values": [name]},
        {"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]},
    ]
    with as_user_error(f"nodes of {name}"):
        pages = client("ec2", region).get_paginator("describe_instances").paginate(Filters=filters)
        instances = [item for page in pages for group in page["Reservations"] for item in group["Instances"]]
        if not instances:
            return
        ids = [{"Key": "InstanceIds", "Values": [item["InstanceId"] for item in instances]}]
        seen = client("ssm", region).describe_instance_information(Filters=ids)["InstanceInformationList"]
    online = {item["InstanceId"] for item in seen if item.get("PingStatus") == "Online"}
    for item in sorted(instances, key=_title):
        yield _title(item), item["InstanceId"] in online


def _title(instance: dict) -> str:
    """Its Name tag, with its id."""
    tags = {tag["Key"]: tag["Value"] for tag in instance.get("Tags", [])}
    return f"{tags.get('Name', 'node')} ({instance['InstanceId']})"


def log_groups(name: str, part: str | None) -> list[str]:
    """The command that follows each part's log. Raises UserError when there is none."""
    found = file_settings(name)
    commands = []
    if found.collectorPlatform == "kubernetes" and part in (None, "collector"):
        where = f"--context {found.kubernetesContext} " if found.kubernetesContext else ""
        workload = f"deployment/{workload_name(f'{PROJECT}-{name}')}"
        commands = [f"kubectl {where}-n {found.kubernetesNamespace} logs {workload} --all-containers --follow"]
        if part:
            return commands
    prefix = f"/{PROJECT}/{name}/{part or ''}"
    with as_user_error(f"log groups {prefix}"):
        pages = client("logs", found.awsRegion).get_paginator("describe_log_groups").paginate(logGroupNamePrefix=prefix)
        groups = [group["logGroupName"] for page in pages for group in page["logGroups"]]
    if not groups:
        raise UserError(
            f"no log group in {found.awsRegion} begins with {prefix}: is the stack up, and the part's name right?"
        )
    return commands + [f"aws logs tail {group} --follow --region {found.awsRegion}" for group in groups]
