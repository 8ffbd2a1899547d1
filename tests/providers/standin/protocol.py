"""The engine's protocol modules, imported without the Pulumi SDK around them: a provider starts in half the time."""

from __future__ import annotations

import importlib.util
import sys
import types
from pathlib import Path


def _shells() -> None:
    """Registers `pulumi` and `pulumi.runtime` as plain folders, when nothing has imported the real ones yet."""
    if "pulumi" in sys.modules:
        return
    found = importlib.util.find_spec("pulumi")
    assert found is not None and found.submodule_search_locations
    root = Path(found.submodule_search_locations[0])
    for name, folder in (("pulumi", root), ("pulumi.runtime", root / "runtime")):
        shell = types.ModuleType(name)
        shell.__path__ = [str(folder)]
        sys.modules[name] = shell


_shells()

# These import each other as `pulumi.runtime.proto.…`, so they come after the shells.
from pulumi.runtime.proto import (  # noqa: E402
    plugin_pb2,
    provider_pb2,
    provider_pb2_grpc,
    status_pb2,
)

__all__ = ["plugin_pb2", "provider_pb2", "provider_pb2_grpc", "status_pb2"]
