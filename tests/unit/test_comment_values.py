"""A change's values in a comment: what differs, with both sides where they are short and nobody's secret."""

from __future__ import annotations

from typing import Any

import pytest
from pulumi.runtime.rpc import UNKNOWN

from infra.comment.values import MOST, moved


@pytest.mark.parametrize(
    ("old", "new", "lines"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": {"b": [{"size": 40}]}}, {"a": {"b": [{"size": 60}]}}, ["`a.b[0].size`: `40` → `60`"]),
        ({}, {"tls": True}, ["`tls`: nothing → `true`"]),
        ({"name": "x"}, {"name": UNKNOWN}, ["`name`: `x` → known afterwards"]),
        ({"password": "[secret]"}, {"password": "p"}, ["`password`: a secret → `p`"]),
        ({"sql": "SELECT 1"}, {"sql": "SELECT\n2"}, ["`sql`"]),
        ({"text": "a" * 61}, {"text": "b"}, ["`text`"]),
        ({"text": "a`b"}, {"text": "b"}, ["`text`"]),
        ({"zones": ["a"]}, {"zones": ["a", "b"]}, ["`zones`"]),
        ({"__defaults": []}, {"__defaults": ["x"]}, []),
    ],
)
def test_what_differs_is_told(old: dict[str, Any], new: dict[str, Any], lines: list[str]) -> None:
    assert moved(old, new) == lines


def test_of_many_values_the_first_are_shown_and_the_rest_counted() -> None:
    said = moved({}, {f"k{number:02}": number for number in range(40)})
    assert len(said) == MOST + 1 and said[-1] == f"and {40 - MOST} more"
