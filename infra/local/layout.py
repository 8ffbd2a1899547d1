"""Where a local stack keeps its files."""

from __future__ import annotations

from pathlib import Path

from infra.paths import stack_folder

PARTS = ("clickhouse", "collector", "dashboards", "kafka", "worker")
"""As supervisor names them."""


def run_folder(stack: str) -> Path:
    """supervisord, rendered configuration files and the parts' logs."""
    return stack_folder(stack) / "run"


def data_folder(stack: str, part: str) -> Path:
    """A part's data."""
    return stack_folder(stack) / "data" / part


def webhook_secret(stack: str) -> Path:
    """What signs calls of budgetWebhookUrl. Outlives a part's restart, not `down`."""
    return stack_folder(stack) / "auth" / "budget-webhook.secret"


def key_list(stack: str) -> Path:
    """The public keys of the live credentials. Outlives a part's restart, not `down`."""
    return stack_folder(stack) / "auth" / "jwks.json"


def agents_token(stack: str) -> Path:
    """The token that `telemetry ephemeral` hands out. Outlives a part's restart, not `down`."""
    return stack_folder(stack) / "auth" / "agents.jwt"
