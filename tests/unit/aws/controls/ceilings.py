"""What the rules of policy/rules/ceilings.py must notice: starting from prod, which is far above them once it is ephemeral."""

from __future__ import annotations

from decimal import Decimal

from tests.unit.aws.controls.breaks import Breaks
from tests.unit.aws.controls.stacks import Declared


def ephemeral(stack: Declared) -> None:
    stack.ephemeral = True


def dear(stack: Declared) -> None:
    stack.ephemeral, stack.monthly_usd = True, Decimal(601)


BREAKS: Breaks = {"ephemeral-sizes": [ephemeral], "ephemeral-numbers": [ephemeral], "ephemeral-cost": [dear]}
