"""What the rules of policy/rules/stack_wide.py must notice."""

from __future__ import annotations

from policy.rules.stack_wide import CLUSTER, HOLDS_DATA, TAGGED, WITH_KEY
from tests.unit.aws.controls.breaks import Breaks, adds, put, unprotect

BREAKS: Breaks = {
    "tags": [*(put(type_, "tags", {"Project": "agent-telemetry"}) for type_ in TAGGED), adds(TAGGED[0])],
    "protected": [unprotect(type_) for type_ in HOLDS_DATA],
    "stored-encrypted": [
        put(CLUSTER, "encryptionInfo.encryptionAtRestKmsKeyArn", ""),
        *(put(type_, key, None) for type_, key in WITH_KEY.items()),
    ],
}
