"""Nodes change one at a time, so the old and the new must trust each other: which change of the CA goes in one `up`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra.aws.clickhouse.given import Given
from infra.settings import Settings
from infra.settings.tls import STEPS

KEY = "clickhouseTls"


def trust(settings: Settings, given: Given) -> dict[str, Any]:
    """Who signs and who is trusted, as it is kept for the next `up` to compare with."""
    return {"step": settings.clickhouseTls, "roots": given.roots, "signers": given.signers}


def objection(old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> str:
    """Why the nodes can't go from the one to the other in one `up`; '' when they can."""
    if not old or not new:
        return ""
    before, after = STEPS.index(old["step"]), STEPS.index(new["step"])
    if abs(after - before) > 1:
        ways = STEPS[before : after + 1] if before < after else STEPS[after : before + 1][::-1]
        return (
            f"{KEY}: {old['step']} is deployed and {new['step']} is set: nodes change one at a time and would not trust "
            f"each other meanwhile; go by {' and '.join(ways[1:-1])}, one `up` each"
        )
    if set(new["signers"]) - set(old["roots"]) and before:
        return (
            "clickhouseCertificates: nodes that have not changed yet would not trust the new CA: first add its root to "
            "clickhouseCaPem, beside the old one, and run `up`; then change the certificates"
        )
    if set(old["signers"]) - set(new["roots"]) and after:
        return (
            "clickhouseCaPem: it leaves out the CA that signed certificates which nodes still show: keep its root in it "
            "for this `up`, and take it out in the next one"
        )
    return ""
