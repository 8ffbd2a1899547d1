"""The tools of the platform `local`: found on PATH, or built once into a cache outside the tree."""

from infra.local.toolchain.clickhouse import find_clickhouse
from infra.local.toolchain.ensure import ALL, Toolchain, ensure

__all__ = ["ALL", "Toolchain", "ensure", "find_clickhouse"]
