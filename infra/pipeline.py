"""The architecture, top to bottom: platform parts end in endpoints, post-deploy steps take endpoints and nothing else."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pulumi

from infra.collector import Elsewhere
from infra.config import PROJECT
from infra.dashboards.alerts_config import shipped as alert_thresholds
from infra.endpoints import Parts, Platform
from infra.guard import check_account, check_name
from infra.postdeploy.canary import Canary
from infra.postdeploy.grafana import Dashboard, DataSource, Folder, Ground, Plugin
from infra.postdeploy.grafana_alerts import RuleGroup
from infra.postdeploy.grafana_contacts import contact_points, receivers
from infra.postdeploy.grafana_tenants import show_tenant, tenant_folders
from infra.postdeploy.schema import Schema, schema
from infra.settings import Settings
from infra.shards import everywhere_over_all, named
from infra.worker.budgets.config import budgets_of


def deploy(settings: Settings, stack: str) -> None:
    """Declares the whole pipeline of one stack and its outputs."""
    check_name(settings, stack)
    check_account(settings, stack)
    alert_thresholds()  # a wrong one is told before anything is touched
    budgets_of(settings)  # what is wrong with them is said before anything is touched
    platform = platform_of(settings, stack)
    parts = platform.parts
    tables = schema(settings, parts)
    worker = platform.worker(after=[*tables.ingest, *tables.asked])
    shown = show(settings, stack, parts, after=tables.asked)
    canary = prove(parts, tables, after=[*worker, *shown])

    pulumi.export("otlpHttp", parts.otlp.http_url)
    pulumi.export("otlpGrpc", parts.otlp.grpc_target)
    scheme = parts.clickhouse.secure.apply(lambda secure: "https" if secure else "http")
    pulumi.export(
        "clickhouseHttp", pulumi.Output.format("{}://{}:{}", scheme, parts.clickhouse.host, parts.clickhouse.port)
    )
    pulumi.export("kafka", parts.kafka.bootstrap_servers)
    pulumi.export("canaryDelaySeconds", canary.delay_seconds)
    for name, value in platform.outputs.items():
        pulumi.export(name, value)
    if settings.expiresAt:
        # In the state, for whoever cleans up: the stack's file may be gone by then.
        pulumi.export("expiresAt", settings.expiresAt)
    platform.guard(after=[canary])


def platform_of(settings: Settings, stack: str) -> Platform:
    """Who provides the parts. Imported when asked for: one platform's libraries are slow to load and no business of
    the other's."""
    if settings.platform == "aws":
        from infra.aws.platform import AwsPlatform

        return AwsPlatform(settings, stack, elsewhere(settings))
    from infra.local.platform import LocalPlatform

    return LocalPlatform(settings, stack)


def elsewhere(settings: Settings) -> Elsewhere | None:
    """Who runs the collectors where the platform itself does not."""
    if settings.collectorPlatform == "ecs":
        return None
    from infra.kubernetes.collector import Collector

    return Collector


def show(settings: Settings, stack: str, parts: Parts, after: Sequence[pulumi.Resource]) -> Sequence[pulumi.Resource]:
    """Dashboards and alerts in a folder of the stack's own, on a data source that can only read. Returns what is there
    when all of it is."""
    if parts.grafana is None or parts.dashboards is None:
        return []
    from infra.dashboards.alerts import build_rule_groups
    from infra.dashboards.catalogue import build_all

    uid, title = f"{PROJECT}-{stack}", f"Agents ({stack})"
    models = build_all(uid)
    tenants = tenant_folders(settings, parts, uid, title)
    # One after the other, and the folder last: what Grafana refuses leaves no folder with half of it.
    groups = build_rule_groups(uid, receivers(settings, uid), settings.alertRunbookUrl)
    if parts.further_shards:
        models, groups = everywhere_over_all(models), everywhere_over_all(groups)
    folders = {uid: title, **{one.uid: one.title for one in tenants}}
    in_folder = {model["uid"]: uid for model in models.values()}
    in_folder |= {str(model["uid"]): one.uid for one in tenants for model in one.models.values()}
    teams = [one.team for one in tenants if one.team]
    ground = Ground(
        "grafana-ground", parts.grafana, uid, folders, {own: own for own in folders}, in_folder, groups, teams
    )
    plugin = Plugin("grafana-plugin", parts.grafana, pulumi.ResourceOptions(depends_on=[ground]))
    source = DataSource(
        "grafana-clickhouse",
        parts.grafana,
        uid,
        parts.dashboards,
        parts.fingerprints["clickhouse"],
        opts=pulumi.ResourceOptions(depends_on=[plugin, *after]),
    )
    folder = Folder("grafana-folder", parts.grafana, uid, title, pulumi.ResourceOptions(depends_on=[source]))
    opts = pulumi.ResourceOptions(depends_on=[folder])
    boards = [
        Dashboard(f"dashboard-{slug}", parts.grafana, model["uid"], uid, model, opts) for slug, model in models.items()
    ]
    made: list[pulumi.Resource] = [*boards, *contact_points(settings, parts.grafana, uid, opts)]
    for group in groups:
        # One after the other: a rule that changes its group is in both for a moment.
        after_these = pulumi.ResourceOptions(depends_on=made)
        made = [*made, RuleGroup(f"alerts-{group['title']}", parts.grafana, group, after_these)]
    for one in tenants:
        made += show_tenant(parts.grafana, one, parts.fingerprints["clickhouse"], [plugin, *after])
    pulumi.export("dashboard", pulumi.Output.format("{}/d/{}", parts.grafana.url, models["overview"]["uid"]))
    return made


def prove(parts: Parts, tables: Schema, after: Sequence[pulumi.Resource]) -> Canary:
    """One trace through all of it, last; sent again only when a part, its configuration or the schema changed."""
    trigger: dict[str, pulumi.Input[str]] = {**parts.fingerprints, **tables.checksums}
    for number, ingest in enumerate(tables.ingest, 1):
        # Sorted: the engine gives a map back in another order than it was written.
        trigger[named("ingest", number)] = ingest.files.apply(lambda files: json.dumps(files, sort_keys=True))
    opts = pulumi.ResourceOptions(depends_on=[*tables.ingest, *tables.asked, *after])
    return Canary("canary", parts.otlp, parts.clickhouse, trigger, opts=opts)
