"""What our dynamic resources share, on every platform and in every post-deploy step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def plain_props(props: Mapping[str, Any]) -> dict[str, Any]:
    """Properties without what the engine adds."""
    return {key: value for key, value in props.items() if not key.startswith("__")}
