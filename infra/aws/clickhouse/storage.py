"""The nodes' buckets: what lies on the volume `s3`, backups, and the bundles that the nodes fetch."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi

from infra.aws.buckets import BucketArgs, PrivateBucket
from infra.aws.clickhouse.names import FULL, FULL_EVERY_DAYS, INCREMENT
from infra.aws.context import Context

OLD_VERSIONS_DAYS = 7
"""How long a deleted or overwritten backup or bundle can be called back."""


class Storage(pulumi.ComponentResource):
    """Three buckets. Objects of `data` are never deleted by age: ClickHouse alone knows which are still parts of a table."""

    data: PrivateBucket
    backups: PrivateBucket
    bundles: PrivateBucket

    def __init__(
        self, name: str, context: Context, key_arn: pulumi.Input[str], opts: pulumi.ResourceOptions | None = None
    ):
        super().__init__("agent-telemetry:aws:Storage", name, None, opts)
        options, days = context.options(self), context.settings.clickhouseBackupDays
        # Not versioned: ClickHouse writes each object once and deletes it; old versions would only cost.
        self.data = PrivateBucket(f"{name}-data", BucketArgs(context, key_arn=key_arn), options)
        self.backups = PrivateBucket(
            f"{name}-backups",
            BucketArgs(
                context,
                key_arn=key_arn,
                versioned=True,
                # A full backup outlives every increment that is based on it.
                expire_prefixes={FULL: days + FULL_EVERY_DAYS + 1, INCREMENT: days},
                expire_old_versions_days=OLD_VERSIONS_DAYS,
            ),
            options,
        )
        self.bundles = PrivateBucket(
            f"{name}-bundles",
            BucketArgs(context, key_arn=key_arn, versioned=True, expire_old_versions_days=OLD_VERSIONS_DAYS),
            options,
        )
        self.register_outputs({"data": self.data.name, "backups": self.backups.name, "bundles": self.bundles.name})

    @property
    def ready(self) -> Sequence[pulumi.Resource]:
        """What must be there before a node uses the buckets."""
        return [*self.data.ready, *self.backups.ready, *self.bundles.ready]
