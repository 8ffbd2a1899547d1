"""Flow logs: who talked to whom in the VPC, and what was refused."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from infra.aws.context import Context
from infra.aws.ecs import logs, role


def flow_logs(
    context: Context, parent: pulumi.Resource, vpc_id: pulumi.Input[str], key_arn: pulumi.Input[str]
) -> aws.ec2.FlowLog:
    """All flows of the VPC, in ten-minute records, in an encrypted log group."""
    group = logs(context, parent, "network-flows", key_arn).group
    writer, ready = role(
        context,
        parent,
        "network-flows-role",
        [
            {
                "Effect": "Allow",
                # Without CreateLogGroup: records that come late must not bring the group back after a destroy.
                "Action": ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"],
                "Resource": [group.arn, pulumi.Output.concat(group.arn, ":*")],
            }
        ],
        service="vpc-flow-logs",
        source=context.arn("ec2", "vpc-flow-log/*"),
    )
    return aws.ec2.FlowLog(
        "network-flows",
        vpc_id=vpc_id,
        traffic_type="ALL",
        log_destination=group.arn,
        iam_role_arn=writer.arn,
        max_aggregation_interval=600,
        opts=context.options(parent, depends_on=ready),
    )
