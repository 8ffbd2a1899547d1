"""What the rules of policy/rules/storage.py must notice."""

from __future__ import annotations

from policy.rules.storage import (
    ACL,
    BLOCK,
    BUCKET,
    BUCKET_POLICY,
    ENCRYPTION,
    FOR_ALL,
    KEY,
    LIFECYCLE,
    OWNERSHIP,
    QUEUE,
    QUEUE_POLICY,
    REPOSITORY,
    REPOSITORY_LIFECYCLE,
    SECRET,
    TOPIC,
    TOPIC_POLICY,
)
from tests.unit.aws.controls.breaks import Breaks, adds, put, unprotect, without

SSE = "rules.0.applyServerSideEncryptionByDefault"

BREAKS: Breaks = {
    "S3.8": [put(BLOCK, "blockPublicAcls", False), adds(BUCKET)],
    "S3.5": [put(BUCKET_POLICY, "policy!.Statement.0.Effect", "Allow"), without(BUCKET_POLICY), adds(BUCKET)],
    "S3.12": [put(OWNERSHIP, "rule.objectOwnership", "ObjectWriter"), adds(ACL), adds(BUCKET)],
    "S3.13": [without(LIFECYCLE), adds(BUCKET), put(LIFECYCLE, "rules.0.expiration", {"days": 30})],
    "S3.17": [put(ENCRYPTION, SSE, {"sseAlgorithm": "AES256"}), adds(BUCKET)],
    "KMS.3": [put(KEY, "deletionWindowInDays", 7), unprotect(KEY)],
    "KMS.4": [put(KEY, "enableKeyRotation", False)],
    "KMS.5": [put(KEY, "policy!.Statement.0.Principal", "*"), put(KEY, "policy!.Statement.0.Principal", {"AWS": "*"})],
    "SecretsManager.3": [adds(SECRET)],
    "SNS.1": [put(TOPIC, "kmsMasterKeyId", "")],
    "SNS.4": [put(TOPIC_POLICY, "policy!.Statement.0.Principal", "*")],
    "SQS.1": [put(QUEUE, "kmsMasterKeyId", "")],
    "SQS.3": [put(QUEUE, "policy", "{}"), adds(QUEUE_POLICY)],
    "ECR.1": [put(REPOSITORY, "imageScanningConfiguration.scanOnPush", False)],
    "ECR.2": [put(REPOSITORY, "imageTagMutability", "MUTABLE")],
    "ECR.3": [without(REPOSITORY_LIFECYCLE)],
    **{id_: [put(BLOCK, flag, False), without(BLOCK), adds(BUCKET)] for id_, flag in FOR_ALL.items()},
}
