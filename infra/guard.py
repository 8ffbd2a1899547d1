"""What an `up` refuses and a preview only warns of: example values in the settings, images and packages without a digest."""

from __future__ import annotations

from typing import Any

import pulumi
import yaml

from infra.config import stack_file
from infra.errors import UserError
from infra.paths import CONFIGS
from infra.settings import Settings
from infra.settings.names import name_problems
from infra.settings.rules import example_keys


def versions() -> dict[str, Any]:
    """configs/versions.yaml: what is deployed and built, each a version and a pin."""
    return yaml.safe_load((CONFIGS / "versions.yaml").read_text())


def missing_pins() -> list[str]:
    """What is deployed on AWS and has no digest in configs/versions.yaml."""
    return [name for name, entry in versions().get("deployed", {}).items() if not entry["pin"]]


def objections(settings: Settings, stack: str) -> list[str]:
    """Everything for which an `up` of this stack is refused, one line each."""
    found = [
        f"{key}: still an example value; set your own in the stack's file ({stack_file(stack)})"
        for key in example_keys(settings)
    ]
    if settings.platform == "aws" and settings.requirePins:
        found += [
            f"configs/versions.yaml: {name} has no pin; `telemetry pin` on a networked machine fills it"
            for name in missing_pins()
        ]
    return found


def check_name(settings: Settings, stack: str) -> None:
    """Raises UserError for a stack whose name some service would refuse, or that would borrow from itself."""
    found = name_problems(stack, settings.platform)
    if stack == settings.shareStack:
        found.append(f"shareStack: {stack} is this stack itself; name the one that lends, or leave it empty")
    if found:
        raise UserError("\n".join(found))


def check_account(settings: Settings, stack: str) -> None:
    """Warns in a preview, refuses in an `up`. Raises UserError that names every key."""
    found = objections(settings, stack)
    if not found:
        return
    text = "\n".join(found)
    if not pulumi.runtime.is_dry_run():
        raise UserError(f"this stack is not ready for an `up`:\n{text}")
    pulumi.log.warn(f"an `up` will be refused:\n{text}")
