"""Tenants' own settings (content kept, days of retention) as the rows of telemetry.tenants."""

from __future__ import annotations

import json

import pulumi

from infra.endpoints import ClickHouseEndpoint
from infra.errors import UserError
from infra.postdeploy.reference_tables import ReferenceTable
from infra.settings import Settings
from infra.tenants import EVERYBODY

MOST_DAYS = 3650


def tenant_rows(settings: Settings) -> dict[str, str]:
    """Tenant to its row; `*` stands for every tenant without a row of its own. Raises UserError."""
    if EVERYBODY in settings.tenantRetentionDays:
        raise UserError(
            f"tenantRetentionDays: {EVERYBODY}: every tenant's days are retentionRawDays; name tenants here"
        )
    for tenant, days in settings.tenantRetentionDays.items():
        if not 1 <= days <= MOST_DAYS:
            raise UserError(f"tenantRetentionDays: {tenant}: {days} days; a number from 1 to {MOST_DAYS} is expected")
    everybody = EVERYBODY in settings.contentTenants
    rows = {}
    for tenant in sorted({*settings.contentTenants, *settings.tenantRetentionDays}):
        row = {
            "tenant_id": tenant,
            "retention_days": settings.tenantRetentionDays.get(tenant, 0),
            "keep_content": everybody or tenant in settings.contentTenants,
        }
        rows[tenant] = json.dumps(row, ensure_ascii=False, separators=(",", ":"))
    return rows


class Tenants(ReferenceTable, module="postdeploy", name="Tenants"):
    """The stack's tenants."""

    def __init__(
        self,
        name: str,
        clickhouse: ClickHouseEndpoint,
        settings: Settings,
        opts: pulumi.ResourceOptions | None = None,
    ):
        super().__init__(name, clickhouse, "tenants", "tenant", tenant_rows(settings), opts=opts)
