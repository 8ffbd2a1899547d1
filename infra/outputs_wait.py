"""How the program waits for its outputs: once for all of them, not once more for each that ends."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Iterable
from typing import Any

from pulumi.runtime import stack


async def _wait(tasks: Iterable[asyncio.Future[Any]], *, return_when: str) -> tuple[set[Any], set[Any]]:
    """asyncio.wait for all of them, or for the first that fails, whatever `return_when` says."""
    return await asyncio.wait(set(tasks), return_when=asyncio.FIRST_EXCEPTION)


def wait_for_all_outputs() -> None:
    """Pulumi's SDK asks for the first of all open outputs that ends, in a loop: each turn attaches to every open one
    again, which is the square of their number, and half of the program's processor time with some hundred resources.

    What comes of it is the same: a failed output still ends the wait at once, and what was added meanwhile is waited
    for in the next turn. An SDK that waits another way is left as it is.
    """
    if getattr(stack, "asyncio", None) is asyncio:
        seen = types.ModuleType("asyncio")
        seen.__dict__.update(vars(asyncio), wait=_wait)
        setattr(stack, "asyncio", seen)  # noqa: B010
