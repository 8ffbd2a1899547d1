"""What is known of an ephemeral stack without its file: tags of the stack, which every backend keeps beside its state.

They are written before the first resource is made and go with the stack. Pulumi's own backends (a bucket, a folder) have
them from Pulumi 3.250 on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from infra.config import PROJECT
from infra.ephemeral import lifetime

Platform = Literal["local", "aws"]
EXPIRES = f"{PROJECT}:expires"
"""Marks a stack as an ephemeral one. A tag's name takes 40 characters (Pulumi Cloud)."""
REST = f"{PROJECT}:ephemeral"
"""Everything else, as JSON: a tag takes an engine's start to write. Its value takes 256 characters (Pulumi Cloud)."""
OWNER_LENGTH = 60


@dataclass(frozen=True)
class Record:
    """One stack's."""

    expires: datetime
    made: datetime
    owner: str
    """A person or a pull request."""
    commit: str
    """Of the tree that it was last brought up from; '' where that is not known."""
    platform: Platform
    share: str
    """The stack that lends it parts; '' for none."""
    parts: tuple[str, ...]

    def tags(self) -> dict[str, str]:
        """For the stack."""
        rest = {
            "made": lifetime.written(self.made),
            "owner": self.owner[:OWNER_LENGTH],
            "commit": self.commit,
            "platform": self.platform,
            "share": self.share,
            "parts": list(self.parts),
        }
        said = {key: value for key, value in rest.items() if value}
        return {EXPIRES: lifetime.written(self.expires), REST: json.dumps(said, separators=(",", ":"))}

    def expired(self, now: datetime) -> bool:
        """Whether its time is over."""
        return self.expires <= now

    def age_hours(self, now: datetime) -> float:
        """Since it was first brought up."""
        return max(0.0, (now - self.made).total_seconds() / 3600)


def record(tags: Mapping[str, str]) -> Record | None:
    """The record in a stack's tags; None for a stack that is not ephemeral."""
    if EXPIRES not in tags:
        return None
    # What somebody has spoilt by hand counts as over: the alternative goes on costing money.
    expires = lifetime.read(tags[EXPIRES]) or datetime.fromtimestamp(0, UTC)
    try:
        rest = json.loads(tags.get(REST, "{}"))
    except ValueError:
        rest = {}
    if not isinstance(rest, dict):
        rest = {}
    return Record(
        expires=expires,
        made=lifetime.read(str(rest.get("made", ""))) or expires,
        owner=str(rest.get("owner", "")),
        commit=str(rest.get("commit", "")),
        platform="local" if rest.get("platform") == "local" else "aws",
        share=str(rest.get("share", "")),
        parts=tuple(map(str, rest.get("parts", []))),
    )
