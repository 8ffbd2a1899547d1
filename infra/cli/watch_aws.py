"""status and logs of a stack on AWS: what ECS and SSM say of its parts, and where CloudWatch keeps their logs."""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Table

from infra.aws.api import as_user_error, client
from infra.cli.console import console
from infra.cli.worker_results import print_worker
from infra.config import PROJECT, file_settings
from infra.errors import UserError

SERVICES_AT_ONCE = 10
"""What DescribeServices takes."""


def status_on_aws(name: str) -> None:
    """Prints each part and what the worker found last. Raises UserError when something does not run."""
    found = file_settings(name)
    table = Table("part", "runs", "wanted", "last event")
    down = []
    for part, runs, wanted, event in _services(found.awsRegion, f"{PROJECT}-{name}"):
        table.add_row(part, str(runs), str(wanted), event, style="red" if runs < wanted else None)
        if runs < wanted:
            down.append(part)
    for node, online in _nodes(found.awsRegion, name):
        table.add_row(node, "1" if online else "0", "1", "", style=None if online else "red")
        if not online:
            down.append(node)
    console.print(table)
    print_worker(name)
    if down:
        raise UserError(f"{', '.join(down)}: not running as wanted; `telemetry logs --name {name}` says where to look")


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


def log_groups(name: str, part: str | None) -> None:
    """Prints the command that follows each part's log. Raises UserError when there is none."""
    found = file_settings(name)
    prefix = f"/{PROJECT}/{name}/{part or ''}"
    with as_user_error(f"log groups {prefix}"):
        pages = client("logs", found.awsRegion).get_paginator("describe_log_groups").paginate(logGroupNamePrefix=prefix)
        groups = [group["logGroupName"] for page in pages for group in page["logGroups"]]
    if not groups:
        raise UserError(
            f"no log group in {found.awsRegion} begins with {prefix}: is the stack up, and the part's name right?"
        )
    console.print("CloudWatch keeps the logs; follow them with the AWS CLI:")
    for group in groups:
        console.print(f"  aws logs tail {group} --follow --region {found.awsRegion}", highlight=False, soft_wrap=True)
