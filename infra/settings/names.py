"""What a stack may be called: one rule for the program and the command line, so that no service refuses half-way."""

from __future__ import annotations

import re

LONGEST = 24
"""Grafana's uids take 40 characters, and the folder's and the data source's are agent-telemetry-<stack>. Everything else
that carries the name takes more: schedule groups and roles 64, buckets cut it, Kafka topics 249."""
LONGEST_CERTIFIED = 64
"""Of the name that a certificate is requested for (ACM, RequestCertificate: the common name of RFC 5280)."""
ON_AWS = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
"""What all take: buckets and ECR repositories no capitals, ECR no two hyphens in a row, ECS families no dots."""
ANYWHERE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
"""What Pulumi takes (pulumi stack init), and what can name a folder: `..` is one that is there already."""
TAKEN = {"bootstrap": "`telemetry bootstrap` makes that one"}


def name_problems(stack: str, platform: str) -> list[str]:
    """Why `platform` (local, aws) can't have a stack of this name; nothing where it can."""
    if platform != "aws":
        if ANYWHERE.fullmatch(stack):
            return []
        return [
            f"{stack!r} is no stack's name: 1 to 100 letters, digits, underscores, hyphens and dots, not beginning with one of the last two"
        ]
    found = []
    if not ON_AWS.fullmatch(stack):
        found.append(
            f"{stack!r} can't name a stack on AWS: small letters and digits, in words joined by one hyphen each "
            "(buckets, image repositories and task families carry the name)"
        )
    if len(stack) > LONGEST:
        found.append(f"{stack!r} has {len(stack)} characters, and Grafana's uids have room for {LONGEST}")
    if stack in TAKEN:
        found.append(f"{stack!r} is taken: {TAKEN[stack]}")
    return found
