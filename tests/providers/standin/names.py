"""Names against data/names.yaml: what AWS takes, and what is taken."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tests.providers.standin.cloud import Cloud, Refused
from tests.providers.standin.data import row
from tests.providers.standin.naming import DEFAULTS

Failures = list[tuple[str, str]]


def check_form(type_: str, inputs: Mapping[str, Any]) -> Failures:
    """What is wrong with the name itself."""
    rule = row("names", type_)
    name = rule.get("property", "name")
    failures: Failures = []
    value, prefix = inputs.get(name), inputs.get(f"{name}Prefix")
    if isinstance(prefix, str) and len(prefix) > rule.get("prefix_max", rule.get("max", 255) - 26):
        limit = rule.get("prefix_max", rule.get("max", 255) - 26)
        failures.append((f"{name}Prefix", f"{name}Prefix cannot be longer than {limit} characters: {prefix!r}"))
    if isinstance(value, str) and isinstance(prefix, str) and name not in inputs.get(DEFAULTS, []):
        failures.append((name, f"{name} conflicts with {name}Prefix"))
    if not isinstance(value, str) or not rule:
        return failures
    if len(value) > rule.get("max", 1024):
        failures.append((name, f"{name} cannot be longer than {rule['max']} characters: {value!r} has {len(value)}"))
    if len(value) < rule.get("min", 1):
        failures.append((name, f"{name} must have at least {rule.get('min', 1)} characters: {value!r}"))
    if (pattern := rule.get("pattern")) and not re.fullmatch(pattern, value):
        failures.append((name, f"invalid value for {name} (must match {pattern}): {value!r}"))
    return failures


def check_free(cloud: Cloud, type_: str, values: Mapping[str, Any], own_id: str = "") -> None:
    """Refuses a name that is taken, by something live or by something whose deletion still waits."""
    rule = row("names", type_)
    name = rule.get("property", "name")
    value = values.get(name)
    if value is None or not rule.get("unique"):
        return
    within = rule.get("within")
    for state in ("live", "scheduled"):
        for other in cloud.mentioning(str(value), type_, state=state):
            if other.id == own_id or other.get(name) != value or (within and other.get(within) != values.get(within)):
                continue
            if state == "scheduled":
                if said := rule.get("scheduled"):
                    code, _, words = str(said).partition(": ")
                    raise Refused(code, f"{words} ({value})")
                continue
            raise Refused(rule["unique"], f"{name} {value!r} already exists")
