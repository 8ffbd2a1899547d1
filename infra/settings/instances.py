"""What the program knows of EC2's instance types: which are arm64, and how much memory they have."""

from __future__ import annotations

import re

GIB_PER_CORE = {"c": 2, "m": 4, "r": 8, "t": 4, "x": 16}
BURSTABLE_GIB = {"nano": 0.5, "micro": 1.0, "small": 2.0, "medium": 4.0, "large": 8.0}
CORES = {"medium": 1, "large": 2, "xlarge": 4}


def memory_gib(instance_type: str) -> float:
    """An arm64 instance type's memory. Raises ValueError for another processor, and for a type that it does not know."""
    found = re.fullmatch(r"([cmrtx])\d+g[a-z]*\.(\w+)", instance_type)
    if not found:
        raise ValueError(f"{instance_type}: not an arm64 type of the families c, m, r, t or x (m7g.large)")
    family, size = found.groups()
    if family == "t" and size in BURSTABLE_GIB:
        return BURSTABLE_GIB[size]
    many = re.fullmatch(r"([1-9]\d*)xlarge", size)
    cores = CORES["xlarge"] * int(many[1]) if many else CORES.get(size)
    if not cores:
        raise ValueError(f"{instance_type}: {size} is no size of the family {family}")
    return float(cores * GIB_PER_CORE[family])
