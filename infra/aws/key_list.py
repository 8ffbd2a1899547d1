"""The list of live credentials' public keys: an object in a versioned bucket that the collectors' tasks read."""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_aws as aws

from infra.aws.buckets import BucketArgs, PrivateBucket
from infra.aws.context import Context
from infra.aws.key_bucket import OBJECT, bucket_name
from infra.tenants import empty_list, key_list_text

OLD_VERSIONS_DAYS = 30


class KeyList(pulumi.ComponentResource):
    """Bucket and object. What is in the object is not Pulumi's: `telemetry tenants` changes it."""

    bucket_name: str
    key: str = OBJECT
    ready: list[pulumi.Resource]

    def __init__(
        self,
        name: str,
        context: Context,
        key_arn: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ):
        super().__init__("agent-telemetry:aws:KeyList", name, None, opts)
        settings = context.settings
        self.bucket_name = bucket_name(settings, context.stack)
        self._context, self._key_arn = context, key_arn
        bucket = PrivateBucket(
            name,
            BucketArgs(
                context,
                bucket_name=self.bucket_name,
                key_arn=key_arn,
                versioned=True,
                expire_old_versions_days=OLD_VERSIONS_DAYS,
            ),
            context.options(self),
        )
        self.arn = bucket.arn
        listed = aws.s3.BucketObjectv2(
            f"{name}-object",
            bucket=bucket.name,
            key=OBJECT,
            content=key_list_text(empty_list()),
            content_type="application/json",
            force_destroy=not settings.protect,
            # Only the first content is ours.
            opts=context.stateful(self, depends_on=bucket.ready, ignore_changes=["content", "contentType", "kmsKeyId"]),
        )
        self.ready = [*bucket.ready, listed]
        self.register_outputs({"bucket": bucket.name})

    def read_statements(self) -> pulumi.Output[list[dict[str, Any]]]:
        """For who reads the list."""
        return self._statements("s3:GetObject", "kms:Decrypt")

    def change_statements(self) -> pulumi.Output[list[dict[str, Any]]]:
        """For who adds and revokes credentials of its own."""
        return self._statements(["s3:GetObject", "s3:PutObject"], ["kms:Decrypt", "kms:GenerateDataKey"])

    def _statements(self, objects: Any, keys: Any) -> pulumi.Output[list[dict[str, Any]]]:
        region = self._context.settings.awsRegion
        return pulumi.Output.all(self.arn, self._key_arn).apply(
            lambda found: [
                {"Effect": "Allow", "Action": objects, "Resource": f"{found[0]}/{OBJECT}"},
                {
                    "Effect": "Allow",
                    "Action": keys,
                    "Resource": found[1],
                    "Condition": {"StringEquals": {"kms:ViaService": f"s3.{region}.amazonaws.com"}},
                },
            ]
        )
