"""The policy pack that engine commands on AWS run against, and how strict it is (docs/policy.md)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from infra.errors import UserError
from infra.paths import ROOT

if TYPE_CHECKING:  # slow to import, and the pack itself starts with this file
    from infra.comment.recorder import Recorder
    from infra.settings import Settings

PACK = ROOT / "policy"


def is_prod(env: str, protect: bool) -> bool:
    """Whether policies are mandatory for a stack with these settings, and rules for prod alone hold."""
    return protect or env == "prod"


def policy_options(settings: Settings) -> dict[str, list[str]]:
    """For the Automation API's preview and up; nothing for a stack that is not on AWS."""
    if settings.platform != "aws":
        return {}
    levels = "prod" if is_prod(settings.env, settings.protect) else "dev"
    return {"policy_packs": [str(PACK)], "policy_pack_configs": [str(PACK / "levels" / f"{levels}.json")]}


@contextmanager
def refusal_named(recorder: Recorder) -> Iterator[None]:
    """Around a preview: when it fails because mandatory policies refuse it, that is what the UserError says."""
    try:
        yield
    except UserError:
        if recorder.errors or not recorder.refused():
            raise
        raise UserError(
            f"mandatory policies refuse this: {', '.join(recorder.refused())}. What they found is above, nothing was touched. Correct it, "
            "or exempt a resource with a written reason (docs/policy.md)"
        ) from None
