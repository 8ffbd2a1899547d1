"""A tenant's own reader: the views that it asks, and who it and its definer are (docs/decisions/0005-tenant-readers.md)."""

from __future__ import annotations

from infra.schema import DATABASE

TENANT_DATABASE = f"{DATABASE}_tenant"
OF = "_of_"
"""Between a view's name and the tenant's. No view has it in its name, so that a name says whose it is."""
VIEWS = (
    *("spans", "events", "content", "traces", "runs", "spans_minute", "cost_minute", "tools_minute"),
    # As they are stored, for the dashboards.
    *("spans_raw", "events_raw", "content_raw", "trace_index", "runs_between"),
)
"""What sql/migrations/0009_tenant_views.sql makes."""
ARGUMENTS = {"runs_between": "(from = {from:DateTime('UTC')}, to = {to:DateTime('UTC')})"}
"""Of a view with parameters: handed on."""


def reader(tenant: str) -> str:
    """The user that sees the tenant's rows alone."""
    return f"reader-{tenant}"


def definer(tenant: str) -> str:
    """As whom the tenant's views run. Nobody can sign in as it."""
    return f"definer-{tenant}"


def view_of(view: str, tenant: str) -> str:
    """The name of the tenant's own view."""
    return f"{view}{OF}{tenant}"
