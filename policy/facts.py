"""What the pack knows of the stack beside its resources, from its settings: is it prod, has it an end, what does it cost."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pulumi.runtime import get_config_env

from infra.errors import UserError
from infra.paths import ROOT
from infra.policies import is_prod

EXPIRY = "expiresAt"
"""The setting with which an ephemeral stack has an end; '' or absent: it has none."""


@dataclass(frozen=True)
class Facts:
    """Of one stack."""

    prod: bool
    ephemeral: bool
    monthly_usd: Decimal | None
    """Asked of ephemeral stacks only."""


def facts(urn: str) -> Facts:
    """Of the stack in which a resource is (urn:pulumi:STACK::PROJECT::TYPE::NAME)."""
    _, _, stack, _, project, _ = urn.split(":", 5)
    return _facts(stack, project)


@functools.cache
def _facts(stack: str, project: str) -> Facts:
    """From what the engine hands over. An official Pulumi may hand nothing over: then from the stack's file."""
    given = get_config_env()
    told: Mapping[str, Any] = given or _of_file(stack)
    ephemeral = bool(told.get(f"{project}:{EXPIRY}"))
    protect = str(told.get(f"{project}:protect", "")).lower() == "true"
    cost = _monthly_usd(stack, bool(given)) if ephemeral else None
    return Facts(is_prod(str(told.get(f"{project}:env", "")), protect), ephemeral, cost)


def _of_file(stack: str) -> Mapping[str, Any]:
    from infra.config import stack_file, stack_file_content

    return stack_file_content(ROOT / stack_file(stack)).get("config") or {}


def _monthly_usd(stack: str, from_engine: bool) -> Decimal | None:
    # Half a second of imports that few stacks need.
    from infra.aws.costs import estimate
    from infra.config import file_settings, program_settings

    try:
        found = estimate(program_settings(stack) if from_engine else file_settings(stack))
    except UserError:
        return None  # wrong settings: the program itself says which, and makes nothing
    return None if found.missing else sum(found.parts.values(), Decimal(0))
