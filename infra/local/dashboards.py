"""The dashboards on this machine as a supervised process: the page of infra/dashboards/render, or a `grafana` that is there."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import pulumi

from infra.local.process import Process, ProcessArgs, digest
from infra.paths import CONFIGS, ROOT, SQL
from infra.settings import Settings

MADE_OF = (
    (ROOT / "infra" / "dashboards", "*.py"),
    (SQL / "queries" / "dashboards", "*.sql"),
    (SQL / "macros", "*.sql"),
    (CONFIGS, "slos.yaml"),
)


@dataclass(frozen=True)
class DashboardsArgs:
    """What the page needs."""

    settings: Settings
    stack: str
    run: Path


class Dashboards(pulumi.ComponentResource):
    """One page for the stack; `url` is where it is."""

    url: pulumi.Output[str]

    def __init__(self, name: str, args: DashboardsArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("agent-telemetry:local:Dashboards", name, None, opts)
        url = page_url(args.settings)
        run = _grafana(args) if args.settings.dashboardsBy == "grafana" else _page(args, url)
        process = Process(f"{name}-process", "dashboards", run, pulumi.ResourceOptions(parent=self))
        self.url = process.process.apply(lambda _: url)
        self.register_outputs({"url": self.url})


def _page(args: DashboardsArgs, url: str) -> ProcessArgs:
    return ProcessArgs(
        run=args.run,
        command=[
            *(sys.executable, "-m", "infra.dashboards.render", "--stack", args.stack),
            *("--clickhouse", f"http://127.0.0.1:{args.settings.clickhousePort}"),
            *("--port", str(args.settings.dashboardsPort)),
        ],
        ports={"dashboardsPort": args.settings.dashboardsPort},
        ready_url=f"{url}/healthz",
        version=_version(),
    )


def _grafana(args: DashboardsArgs) -> ProcessArgs:
    from infra.local.grafana import GRAFANA_SECONDS, find_grafana, grafana_run

    found = grafana_run(find_grafana(), args.settings, args.stack, args.run / "grafana")
    return ProcessArgs(
        run=args.run,
        command=found.command,
        ports={"dashboardsPort": args.settings.dashboardsPort},
        ready_url=found.ready_url,
        ready_seconds=GRAFANA_SECONDS,
        files=found.files,
        version=found.version,
    )


def page_url(settings: Settings) -> str:
    """Where the stack's page is."""
    return f"http://127.0.0.1:{settings.dashboardsPort}"


def _version() -> str:
    """Changes with a dashboard: the process builds them when it starts."""
    files = [path for folder, kind in MADE_OF for path in sorted(folder.rglob(kind))]
    return digest(*(path.read_text() for path in files))
