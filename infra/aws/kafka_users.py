"""Who signs in to Kafka: a user, a password and a secret for each part that does (kafkaAuth scram).

What SCRAM means for rights: MSK's API has no access rules (ACLs), and neither has the Pulumi provider; they could only
be made by a Kafka client inside the VPC. So none exist, and `allow.everyone.if.no.acl.found` stays true: each of our
three users may read and write every topic, those of the stacks that share the cluster (shareStack) too. Users apart still give each part a password of its own, to change alone, and
a name in the brokers' log. What must keep tenants apart does not rest on Kafka: the collector stamps the tenant, and no
tenant has a way to the brokers. Where parts must be held to their own topics, `kafkaAuth: iam` does it: the statements
are in kafka_policy.py.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
import pulumi_random as random

from infra.aws.context import Context
from infra.kafka import name_prefix

USERS = ("collector", "clickhouse", "worker")
SECRET_PREFIX = "AmazonMSK_"
"""What MSK demands of a secret's name."""


@dataclass(frozen=True)
class Users:
    """The users' secrets, {"username", "password"} each."""

    secrets: Mapping[str, pulumi.Output[str]]
    """User to ARN, known once the value is there."""
    versions: Mapping[str, pulumi.Output[str]]
    """User to the id of the secret's value: ECS reads a secret when a task starts, so a new one must make new tasks."""
    associations: list[aws.msk.SingleScramSecretAssociation]
    """From then on the brokers know them. One a user: the resource for a list would own the cluster's whole list, and take
    the users away that other stacks have there."""


def secret_policy(arn: str) -> str:
    """What MSK itself attaches when a secret is associated. Word for word: else each refresh would show a change."""
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Sid": "AWSKafkaResourcePolicy",
                    "Effect": "Allow",
                    "Principal": {"Service": "kafka.amazonaws.com"},
                    "Action": "secretsmanager:getSecretValue",
                    "Resource": arn,
                }
            ],
        }
    )


def users(
    name: str,
    context: Context,
    parent: pulumi.Resource,
    cluster_arn: pulumi.Input[str],
    key_arn: pulumi.Input[str],
    cluster: aws.msk.Cluster | None,
) -> Users:
    """The users, and what tells the cluster of them, one after the other, as MSK works.

    `cluster`: goes together with them; None: another stack's, where a name is ours by its prefix.
    """
    arns: dict[str, pulumi.Output[str]] = {}
    versions: dict[str, pulumi.Output[str]] = {}
    associations: list[aws.msk.SingleScramSecretAssociation] = []
    prefix = name_prefix(context.settings, context.stack)
    for user in USERS:
        password = random.RandomPassword(
            f"{name}-{user}-password", length=32, special=False, opts=context.options(parent)
        )
        secret = aws.secretsmanager.Secret(
            f"{name}-{user}",
            # A prefix: the name of a secret that waits for its deletion is taken.
            name_prefix=f"{SECRET_PREFIX}{context.prefix}-{user}-",
            description=f"{context.prefix}: Kafka user {user}",
            # By ARN, not alias, and never Secrets Manager's own key: MSK takes no other.
            kms_key_id=key_arn,
            # No data: what guards it is the time in which it can be called back, so that kafkaAuth can change.
            recovery_window_in_days=30 if context.settings.protect else 0,
            opts=context.options(parent),
        )
        version = aws.secretsmanager.SecretVersion(
            f"{name}-{user}-value",
            secret_id=secret.arn,
            secret_string=pulumi.Output.json_dumps({"username": f"{prefix}{user}", "password": password.result}),
            opts=context.options(parent),
        )
        policy = aws.secretsmanager.SecretPolicy(
            f"{name}-{user}-policy",
            secret_arn=secret.arn,
            policy=secret.arn.apply(secret_policy),
            opts=context.options(parent),
        )
        # The version's own input: who reads it waits for the value, and knows the ARN even while the value is replaced.
        arns[user], versions[user] = version.secret_id, version.version_id
        first: list[pulumi.Resource] = [version, policy, *associations[-1:]]
        associations.append(
            aws.msk.SingleScramSecretAssociation(
                f"{name}-{user}-known",
                cluster_arn=cluster_arn,
                secret_arn=secret.arn,
                opts=context.options(parent, depends_on=first, deleted_with=cluster),
            )
        )
    return Users(arns, versions, associations)
