"""What each tenant in tenantReaders gets in Grafana: a data source that signs in as its reader, a folder that only its team
may look at, and its own dashboards in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

from infra.endpoints import ClickHouseEndpoint, GrafanaEndpoint, Parts
from infra.postdeploy.grafana import Dashboard, DataSource, Folder
from infra.postdeploy.grafana_access import FolderAccess
from infra.settings import Settings
from infra.tenant_views import TENANT_DATABASE


@dataclass(frozen=True)
class TenantFolder:
    """One tenant's."""

    tenant: str
    uid: str
    """The folder's, and the data source's."""
    title: str
    team: str
    """May look; '': nobody but administrators."""
    models: Mapping[str, Mapping[str, Any]]
    """Its dashboards by slug."""
    clickhouse: ClickHouseEndpoint
    """As its reader."""


def tenant_folders(settings: Settings, parts: Parts, prefix: str, title: str) -> list[TenantFolder]:
    """Each tenant's; `prefix` and `title`: the stack's."""
    from infra.dashboards.tenants import build_tenant, tenant_prefix, tenant_title

    return [
        TenantFolder(
            tenant,
            tenant_prefix(prefix, tenant),
            tenant_title(title, tenant),
            settings.tenantTeams.get(tenant, ""),
            build_tenant(prefix, tenant),
            clickhouse,
        )
        for tenant, clickhouse in parts.readers.items()
    ]


def show_tenant(
    grafana: GrafanaEndpoint, found: TenantFolder, trigger: pulumi.Input[str], after: Sequence[pulumi.Resource]
) -> list[pulumi.Resource]:
    """All of one tenant's; the folder is closed before anything is put into it."""
    opts = pulumi.ResourceOptions(depends_on=list(after))
    of = f"of-{found.tenant}"
    source = DataSource(
        f"grafana-clickhouse-{of}", grafana, found.uid, found.clickhouse, trigger, TENANT_DATABASE, opts
    )
    folder = Folder(
        f"grafana-folder-{of}", grafana, found.uid, found.title, pulumi.ResourceOptions(depends_on=[source])
    )
    access = FolderAccess(
        f"grafana-access-{of}", grafana, found.uid, found.team, pulumi.ResourceOptions(depends_on=[folder])
    )
    closed = pulumi.ResourceOptions(depends_on=[access])
    return [
        Dashboard(f"dashboard-{slug}-{of}", grafana, str(model["uid"]), found.uid, model, closed)
        for slug, model in found.models.items()
    ]
