"""A tenant for each test; each file has a stack of its own, because what is broken in one must not disturb another."""

from __future__ import annotations

import pytest

from tests.pipeline.live import new_tenant


@pytest.fixture
def tenant() -> str:
    """A tenant of the test's own."""
    return new_tenant()
