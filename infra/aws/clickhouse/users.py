"""The service users' passwords: generated once, in Secrets Manager, read by the nodes and by whoever signs in."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
import pulumi_random as random

from infra.aws.clickhouse.certificates import json_secret
from infra.aws.context import Context

PASSWORD_LENGTH = 40


class Users(pulumi.ComponentResource):
    """A secret {"username", "password"} for each name; `arns` and `versions` by name."""

    arns: dict[str, pulumi.Output[str]]
    versions: dict[str, pulumi.Output[str]]

    def __init__(
        self,
        name: str,
        context: Context,
        key_arn: pulumi.Input[str],
        users: Sequence[str],
        opts: pulumi.ResourceOptions | None = None,
    ):
        super().__init__("agent-telemetry:aws:Users", name, None, opts)
        self.arns, self.versions = {}, {}
        for user in users:
            password = random.RandomPassword(
                f"{name}-{user}-password", length=PASSWORD_LENGTH, special=False, opts=context.options(self)
            )
            values: dict[str, pulumi.Input[str]] = {"username": user, "password": password.result}
            secret, version = json_secret(context, self, f"{name}-{user}", key_arn, values)
            self.arns[user], self.versions[user] = secret.arn, version.version_id
        self.register_outputs({"arns": self.arns})
