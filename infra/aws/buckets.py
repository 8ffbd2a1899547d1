"""S3 buckets as every part here makes them: private, encrypted, TLS only."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_aws as aws

from infra.aws.context import Context


@dataclass(frozen=True)
class BucketArgs:
    """What differs between buckets."""

    context: Context
    bucket_name: str | None = None
    """Where a program must know it beforehand; None: AWS's own, after the stack's prefix."""
    key_arn: pulumi.Input[str] | None = None
    """The customer key; None: S3's own, where AWS's log delivery takes no other."""
    versioned: bool = False
    expire_days: int = 0
    """Objects are deleted after this many days; 0: never."""
    expire_prefixes: Mapping[str, int] = field(default_factory=dict)
    """The same for objects below a prefix."""
    expire_old_versions_days: int = 0
    statements: Sequence[Mapping[str, Any]] = ()
    """Of the bucket's policy; `Resource` is a path in the bucket."""


class PrivateBucket(pulumi.ComponentResource):
    """One bucket. Everything that makes it safe is there before `ready`."""

    name: pulumi.Output[str]
    arn: pulumi.Output[str]
    ready: list[pulumi.Resource]

    def __init__(self, name: str, args: BucketArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("agent-telemetry:aws:PrivateBucket", name, None, opts)
        context = args.context
        bucket = aws.s3.Bucket(
            name,
            bucket=args.bucket_name,
            bucket_prefix=None if args.bucket_name else prefix(context, name),
            force_destroy=not context.settings.protect,
            opts=context.stateful(self),
        )
        self.name, self.arn = bucket.bucket, bucket.arn
        options = context.options(self)
        aws.s3.BucketOwnershipControls(
            f"{name}-ownership", bucket=bucket.id, rule={"object_ownership": "BucketOwnerEnforced"}, opts=options
        )
        block = aws.s3.BucketPublicAccessBlock(
            f"{name}-private",
            bucket=bucket.id,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=options,
        )
        kms = args.key_arn is not None
        by_default = aws.s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs(
            sse_algorithm="aws:kms" if kms else "AES256", kms_master_key_id=args.key_arn
        )
        encryption = aws.s3.BucketServerSideEncryptionConfiguration(
            f"{name}-encryption",
            bucket=bucket.id,
            rules=[
                aws.s3.BucketServerSideEncryptionConfigurationRuleArgs(
                    apply_server_side_encryption_by_default=by_default, bucket_key_enabled=kms
                )
            ],
            opts=options,
        )
        self.ready = [bucket, block, encryption]
        if args.versioned:
            versioning = aws.s3.BucketVersioning(
                f"{name}-versions",
                bucket=bucket.id,
                versioning_configuration={"status": "Enabled"},
                opts=options,
            )
            self.ready.append(versioning)
        self._lifecycle(name, args, bucket)
        policy = aws.s3.BucketPolicy(
            f"{name}-policy",
            bucket=bucket.id,
            policy=bucket.arn.apply(lambda arn: bucket_policy(arn, args.statements)),
            # Both at once conflict in S3's API.
            opts=context.options(self, depends_on=[block]),
        )
        self.ready.append(policy)
        self.register_outputs({"name": self.name, "arn": self.arn})

    def _lifecycle(self, name: str, args: BucketArgs, bucket: aws.s3.Bucket) -> None:
        expiration = aws.s3.BucketLifecycleConfigurationRuleExpirationArgs
        old_versions = aws.s3.BucketLifecycleConfigurationRuleNoncurrentVersionExpirationArgs
        unfinished = aws.s3.BucketLifecycleConfigurationRuleAbortIncompleteMultipartUploadArgs
        old = args.expire_old_versions_days
        rule = aws.s3.BucketLifecycleConfigurationRuleArgs(
            id="tidy",
            status="Enabled",
            filter=aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=""),
            abort_incomplete_multipart_upload=unfinished(days_after_initiation=3),
            expiration=expiration(days=args.expire_days) if args.expire_days else None,
            noncurrent_version_expiration=old_versions(noncurrent_days=old) if old else None,
        )
        expiring = [
            aws.s3.BucketLifecycleConfigurationRuleArgs(
                id=prefix.rstrip("/"),
                status="Enabled",
                filter=aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=prefix),
                expiration=expiration(days=days),
            )
            for prefix, days in args.expire_prefixes.items()
        ]
        aws.s3.BucketLifecycleConfiguration(
            f"{name}-lifecycle", bucket=bucket.id, rules=[rule, *expiring], opts=args.context.options(self)
        )


PREFIX_LENGTH = 37
"""What the provider takes: AWS adds 26 characters (aws.s3.Bucket, bucket_prefix)."""


def prefix(context: Context, name: str) -> str:
    """How a bucket's name begins: whoever deploys may be allowed the stack's buckets and no others."""
    return f"{f'{context.prefix}-{name}'[: PREFIX_LENGTH - 1].rstrip('-')}-"


def bucket_policy(arn: str, statements: Sequence[Mapping[str, Any]]) -> str:
    """The bucket's policy: the given statements, and nothing without TLS."""
    refused = {
        "Sid": "OnlyTls",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [arn, f"{arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    given = [{**item, "Resource": f"{arn}/{item['Resource']}"} for item in statements]
    return json.dumps({"Version": "2012-10-17", "Statement": [refused, *given]}, sort_keys=True)
