"""The table of served operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.providers.control_plane import ControlPlane

Handler = Callable[["ControlPlane", dict[str, Any], str], dict[str, Any]]
HANDLERS: dict[tuple[str, str], Handler] = {}


def serves(service: str, operation: str) -> Callable[[Handler], Handler]:
    """Registers a handler: control plane, parameters, region → result."""

    def register(handler: Handler) -> Handler:
        HANDLERS[service, operation] = handler
        return handler

    return register
