"""What configs/policy.yaml gives the rules: ceilings of ephemeral stacks, and resources that a rule does not hold for."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any

import yaml

from infra.errors import UserError
from infra.paths import CONFIGS

FILE = CONFIGS / "policy.yaml"
ALL = "*"
REASON = 20
"""Characters that a reason has at least."""


@dataclass(frozen=True)
class Ceilings:
    """What an ephemeral stack may have at most."""

    instance_size: str
    instances: int
    broker_size: str
    brokers: int
    broker_storage_gib: int
    broker_storage_max_gib: int
    volume_gib: int
    task_cpu: int
    task_memory_mib: int
    tasks: int
    nat_gateways: int
    monthly_usd: Decimal


@dataclass(frozen=True)
class Exemption:
    """A resource that a rule does not hold for."""

    control: str
    resource: str
    reason: str
    stack: str = ""
    """'': in every stack."""

    def holds(self, control: str, resource: str, stack: str) -> bool:
        """Whether this finding is meant."""
        return self.control == control and self.resource in (resource, ALL) and self.stack in (stack, "")


@functools.cache
def _file() -> Mapping[str, Any]:
    return yaml.safe_load(FILE.read_text())


def ceilings() -> Ceilings:
    """Raises UserError."""
    return ceilings_of(_file().get("ceilings") or {})


def ceilings_of(told: Mapping[str, Any]) -> Ceilings:
    """From the file's content. Raises UserError."""
    names = {field.name for field in fields(Ceilings)}
    if wrong := sorted(names ^ set(told)):
        raise UserError(
            f"configs/policy.yaml: ceilings: {', '.join(wrong)}: missing or unknown; it has {sorted(names)}"
        )
    return Ceilings(**{**told, "monthly_usd": Decimal(str(told["monthly_usd"]))})


def exemptions(controls: Sequence[str]) -> list[Exemption]:
    """Raises UserError for a control that there is not, and without a written reason."""
    return exemptions_of(_file().get("exemptions") or [], controls)


def exemptions_of(told: Sequence[Mapping[str, Any]], controls: Sequence[str]) -> list[Exemption]:
    """From the file's content. Raises UserError."""
    found = []
    for number, entry in enumerate(told, 1):
        where = f"configs/policy.yaml: exemption {number}"
        if not {"control", "resource", "reason"} <= set(entry) <= {"control", "resource", "reason", "stack"}:
            raise UserError(
                f"{where}: control, resource, reason and, at will, stack are expected; found {sorted(entry)}"
            )
        if entry["control"] not in controls:
            raise UserError(f"{where}: there is no control {entry['control']}; docs/policy.md lists them")
        if entry["resource"] == ALL and not entry.get("stack"):
            raise UserError(f"{where}: resource '*' exempts everything: name the stack for which it holds")
        if len(str(entry["reason"]).strip()) < REASON:
            raise UserError(f"{where}: the reason is missing; say why in a sentence, for who reads it in two years")
        found.append(Exemption(**entry))
    return found
