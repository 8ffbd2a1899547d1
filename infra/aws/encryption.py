"""The stack's one customer key: everything that it stores is encrypted with it, and its policy says by which services."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from infra.aws.context import Context

USE = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"]
ROTATION_DAYS = 365
KEPT_DAYS = 30
"""A protected stack's key can be called back this long; without it every volume and backup is lost for good."""
GONE_DAYS = 7
"""The least that KMS takes."""


def key_policy(context: Context) -> dict[str, Any]:
    """Who may use the key.

    In a key's own policy `*` means this key. The account's entry lets IAM policies grant it at all: roles name the key,
    and services that work on behalf of one (EBS, S3, Secrets Manager, MSK, ECR, ECS storage) take a grant from it. Two
    services come by themselves and are let in by name: CloudWatch Logs, and CloudWatch's alarms with the EventBridge
    rules that write to an encrypted SNS topic.
    """
    settings = context.settings
    region, account = settings.awsRegion, settings.awsAccount
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "Account",
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
                "Action": "kms:*",
                "Resource": "*",
            },
            {
                "Sid": "Logs",
                "Effect": "Allow",
                "Principal": {"Service": f"logs.{region}.amazonaws.com"},
                "Action": USE,
                "Resource": "*",
                "Condition": {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": context.arn("logs", "log-group:*")}},
            },
            {
                "Sid": "AlarmTopics",
                "Effect": "Allow",
                "Principal": {"Service": ["cloudwatch.amazonaws.com", "events.amazonaws.com"]},
                "Action": ["kms:Decrypt", "kms:GenerateDataKey*"],
                "Resource": "*",
                "Condition": {"StringEquals": {"aws:SourceAccount": account}},
            },
            *_fargate(context),
        ],
    }


def _fargate(context: Context) -> list[dict[str, Any]]:
    """What encrypts the disks of the cluster's tasks, and of no other cluster's."""
    principal = {"Service": "fargate.amazonaws.com"}
    cluster = {
        "kms:EncryptionContext:aws:ecs:clusterAccount": context.settings.awsAccount,
        "kms:EncryptionContext:aws:ecs:clusterName": context.prefix,
    }
    return [
        {
            "Sid": "FargateKeys",
            "Effect": "Allow",
            "Principal": principal,
            "Action": "kms:GenerateDataKeyWithoutPlaintext",
            "Resource": "*",
            "Condition": {"StringEquals": cluster},
        },
        {
            "Sid": "FargateGrants",
            "Effect": "Allow",
            "Principal": principal,
            "Action": "kms:CreateGrant",
            "Resource": "*",
            "Condition": {
                "StringEquals": cluster,
                "ForAllValues:StringEquals": {"kms:GrantOperations": ["Decrypt"]},
            },
        },
        # It asks whether the key is a usable one before it knows the cluster.
        {
            "Sid": "FargateLooks",
            "Effect": "Allow",
            "Principal": principal,
            "Action": "kms:DescribeKey",
            "Resource": "*",
        },
    ]


@dataclass(frozen=True)
class EncryptionArgs:
    """What the key needs."""

    context: Context


class Encryption(pulumi.ComponentResource):
    """One key, rotated each year, and the name that people find it by."""

    key_arn: pulumi.Output[str]

    def __init__(self, name: str, args: EncryptionArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("agent-telemetry:aws:Encryption", name, None, opts)
        context = args.context
        key = aws.kms.Key(
            f"{name}-key",
            description=f"{context.prefix}: everything that the stack stores",
            enable_key_rotation=True,
            rotation_period_in_days=ROTATION_DAYS,
            deletion_window_in_days=KEPT_DAYS if context.settings.protect else GONE_DAYS,
            policy=json.dumps(key_policy(context), sort_keys=True),
            opts=context.stateful(self),
        )
        aws.kms.Alias(
            f"{name}-alias",
            name=f"alias/{context.prefix}",
            target_key_id=key.key_id,
            opts=context.options(self),
        )
        self.key_arn = key.arn
        self.register_outputs({"keyArn": self.key_arn})
