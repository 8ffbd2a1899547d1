"""A node's own role: SSM, its bundle, its objects, exactly its secrets, its log and metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from infra.aws.clickhouse.names import DATA_PREFIX, METRICS
from infra.aws.context import Context
from infra.aws.ecs import policy

SSM = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"
MULTIPART = ["s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]


@dataclass(frozen=True)
class RoleArgs:
    """What a node may use."""

    context: Context
    node: str
    key_arns: Sequence[pulumi.Input[str]]
    """The stack's key first; the key of Kafka's secret besides: the same, another one, or ''."""
    secret_arns: Sequence[pulumi.Input[str]]
    bundles_arn: pulumi.Input[str]
    log_group_arn: pulumi.Input[str]
    data_arn: pulumi.Input[str] | None = None
    backups_arn: pulumi.Input[str] | None = None
    kafka: pulumi.Input[Sequence[Mapping[str, Any]]] = ()
    """Statements for Kafka's IAM sign-in."""


class NodeRole(pulumi.ComponentResource):
    """The role and its instance profile. `ready`: what a node needs before it acts."""

    profile: pulumi.Output[str]
    ready: list[pulumi.Resource]

    def __init__(self, name: str, args: RoleArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("agent-telemetry:aws:NodeRole", name, None, opts)
        options = args.context.options(self)
        trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
        role = aws.iam.Role(
            name,
            description=f"{args.context.prefix} {args.node}",
            assume_role_policy=policy([trust]),
            opts=options,
        )
        managed = aws.iam.RolePolicyAttachment(f"{name}-ssm", role=role.name, policy_arn=SSM, opts=options)
        inline = aws.iam.RolePolicy(
            f"{name}-policy",
            role=role.name,
            policy=pulumi.Output.all(statements(args), args.kafka).apply(lambda both: policy([*both[0], *both[1]])),
            opts=options,
        )
        profile = aws.iam.InstanceProfile(f"{name}-profile", role=role.name, opts=options)
        self.profile, self.ready = profile.name, [managed, inline]
        self.register_outputs({"profile": self.profile})


def statements(args: RoleArgs) -> list[dict[str, Any]]:
    """What the node may do beside what SSM needs."""
    region = args.context.settings.awsRegion
    keys = pulumi.Output.all(*args.key_arns).apply(lambda arns: sorted({*arns} - {""}))
    buckets = [arn for arn in (args.data_arn, args.backups_arn) if arn is not None]
    found: list[dict[str, Any]] = [
        _allow(["s3:GetObject"], _below(args.bundles_arn, f"{args.node}.json")),
        _allow(["secretsmanager:GetSecretValue"], list(args.secret_arns)),
        {
            **_allow(["kms:Decrypt"], keys),
            "Condition": {"StringEquals": {"kms:ViaService": f"secretsmanager.{region}.amazonaws.com"}},
        },
        {
            # The second one writes; a Keeper only reads its bundle.
            **_allow(["kms:Decrypt", *(["kms:GenerateDataKey"] if buckets else [])], args.key_arns[0]),
            "Condition": {"StringEquals": {"kms:ViaService": f"s3.{region}.amazonaws.com"}},
        },
        _allow(
            ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
            _below(args.log_group_arn, "*", ":"),
        ),
        # It takes no resource; the namespace bounds it.
        {**_allow(["cloudwatch:PutMetricData"], "*"), "Condition": {"StringEquals": {"cloudwatch:namespace": METRICS}}},
    ]
    if args.data_arn is not None:
        own = f"{DATA_PREFIX}{args.node}/*"
        found += [
            _allow(["s3:GetObject", "s3:PutObject", "s3:DeleteObject", *MULTIPART], _below(args.data_arn, own)),
            {**_allow(["s3:ListBucket"], args.data_arn), "Condition": {"StringLike": {"s3:prefix": [own]}}},
        ]
    if args.backups_arn is not None:
        found += [
            # An unfinished backup's files are deleted again; the bucket keeps old versions.
            _allow(["s3:GetObject", "s3:PutObject", "s3:DeleteObject", *MULTIPART], _below(args.backups_arn, "*")),
            _allow(["s3:ListBucket"], args.backups_arn),
        ]
    if buckets:
        found.append(_allow(["s3:GetBucketLocation", "s3:ListBucketMultipartUploads"], buckets))
    return found


def _allow(actions: Sequence[str], resource: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": resource}


def _below(arn: pulumi.Input[str], path: str, separator: str = "/") -> pulumi.Output[str]:
    return pulumi.Output.from_input(arn).apply(lambda known: f"{known}{separator}{path}")
