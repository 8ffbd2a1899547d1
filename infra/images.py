"""Images by their names in configs/versions.yaml, whoever runs them."""

from __future__ import annotations

from infra.guard import versions


def image_reference(name: str) -> str:
    """`name` of configs/versions.yaml's `deployed`: by digest where one is pinned, else by tag."""
    entry = versions()["deployed"][name]
    return f"{entry['image']}@{entry['pin']}" if entry["pin"] else f"{entry['image']}:{entry['version']}"
