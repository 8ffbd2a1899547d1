"""The engine's protocol modules; a provider process imports them without the Pulumi SDK around them (`bare`)."""

from __future__ import annotations

import importlib.util
import sys
import types
from pathlib import Path


def bare() -> None:
    """Registers `pulumi` and `pulumi.runtime` as plain folders: a provider starts in half the time.

    Only for a process of its own: nothing in it can import the real `pulumi` afterwards.
    """
    if getattr(sys.modules.get("pulumi"), "bare", False):
        return
    found = importlib.util.find_spec("pulumi")
    assert found is not None and found.submodule_search_locations and "pulumi" not in sys.modules
    root = Path(found.submodule_search_locations[0])
    for name, folder in (("pulumi", root), ("pulumi.runtime", root / "runtime")):
        shell = types.ModuleType(name)
        shell.__path__, shell.__dict__["bare"] = [str(folder)], True
        sys.modules[name] = shell
