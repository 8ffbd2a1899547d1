"""What the rules of policy/rules/machines.py must notice."""

from __future__ import annotations

from policy.rules.machines import (
    ATTACHMENT,
    DOCUMENT,
    INSTANCE,
    ROLE,
    ROLE_POLICY,
    TEMPLATES,
    VOLUME,
)
from tests.unit.aws.controls.breaks import Breaks, adds, put, without

BREAKS: Breaks = {
    "EC2.3": [
        put(VOLUME, "encrypted", False),
        put(VOLUME, "kmsKeyId", ""),
        put(INSTANCE, "rootBlockDevice.encrypted", False),
        put(INSTANCE, "ebsBlockDevices", [{"encrypted": False}]),
    ],
    "EC2.8": [put(INSTANCE, "metadataOptions.httpTokens", "optional"), put(INSTANCE, "metadataOptions", None)],
    "SSM.1": [without(ATTACHMENT), put(INSTANCE, "iamInstanceProfile", "")],
    "SSM.7": [adds(DOCUMENT)],
    "IAM.1": [
        put(ROLE_POLICY, "policy!.Statement.0", {"Effect": "Allow", "Action": "*", "Resource": "*"}),
        put(ROLE_POLICY, "policy!.Statement.0", {"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}),
        put(ATTACHMENT, "policyArn", "arn:aws:iam::aws:policy/AdministratorAccess"),
        put(ROLE, "managedPolicyArns", ["arn:aws:iam::aws:policy/AdministratorAccess"]),
    ],
    "IAM.21": [put(ROLE_POLICY, "policy!.Statement.0", {"Effect": "Allow", "Action": ["s3:*"], "Resource": "*"})],
    "KMS.1": [put(ROLE_POLICY, "policy!.Statement.0", {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*"})],
    "KMS.2": [
        put(
            ROLE_POLICY,
            "policy!.Statement.0",
            {"Effect": "Allow", "Action": ["kms:ReEncryptFrom"], "Resource": ["arn:aws:kms:eu-central-1:1:key/*"]},
        )
    ],
    **{id_: [adds(TEMPLATES[0]), adds(TEMPLATES[1])] for id_ in ("EC2.25", "EC2.170", "EC2.181")},
}
