"""A `grafana` that is found on this machine, run as part of the stack: its command, its ini and its provisioning files."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from infra.config import PROJECT
from infra.dashboards.provisioning import FileSource, provisioning_files
from infra.errors import UserError
from infra.local.toolchain.programs import output_version
from infra.local.toolchain.versions import at_least, minimum
from infra.paths import CONFIGS
from infra.postdeploy.grafana_api import PLUGIN
from infra.settings import Settings
from infra.templates import render

PACKAGED_HOME = Path("/usr/share/grafana")
PACKAGED_PLUGINS = Path("/var/lib/grafana/plugins")
"""Where Grafana's own Debian and RPM packages put them."""
GRAFANA_SECONDS = 180
"""A first start makes its database."""


@dataclass(frozen=True)
class FoundGrafana:
    """A Grafana that is new enough and has the ClickHouse plugin."""

    program: Path
    version: str
    home: Path
    """Its `conf` and `public`."""
    plugins: Path


@dataclass(frozen=True)
class GrafanaRun:
    """What infra/local/process.py needs to run it."""

    command: list[str]
    files: dict[str, str]
    """Absolute path to content."""
    ready_url: str
    version: str


def find_grafana(
    homes: Iterable[Path] = (PACKAGED_HOME,), plugins: Iterable[Path] = (PACKAGED_PLUGINS,)
) -> FoundGrafana:
    """The `grafana` on PATH. Raises UserError that says what it lacks."""
    wanted = minimum("grafana")
    path = shutil.which("grafana")
    if path is None:
        raise UserError(
            f"dashboardsBy: grafana, but there is no `grafana` on PATH: install {wanted} or newer, or leave it at page"
        )
    version = output_version([path, "--version"], r"(\d+\.\d+\.\d+)")
    if version is None or not at_least(version, wanted):
        raise UserError(
            f"dashboardsBy: {path} is Grafana {version or 'of no known version'}; {wanted} or newer is needed"
        )
    program = Path(path).resolve()
    home = next((place for place in (program.parents[1], *homes) if (place / "conf" / "defaults.ini").is_file()), None)
    if home is None:
        raise UserError(
            f"dashboardsBy: {program} has no home folder with conf/defaults.ini beside its bin, nor {PACKAGED_HOME}"
        )
    own = os.environ.get("GF_PATHS_PLUGINS")
    places = [*([Path(own)] if own else []), home / "data" / "plugins", *plugins]
    found = next((place for place in places if (place / PLUGIN).is_dir()), None)
    if found is None:
        looked = ", ".join(map(str, places))
        raise UserError(
            f"dashboardsBy: Grafana's plugin {PLUGIN} is in none of {looked}: install it (`grafana cli plugins install "
            f"{PLUGIN}`), or name its folder in GF_PATHS_PLUGINS"
        )
    return FoundGrafana(program, version, home, found)


def grafana_run(found: FoundGrafana, settings: Settings, stack: str, folder: Path) -> GrafanaRun:
    """The command and files that show the stack's dashboards on dashboardsPort. `folder`: where Grafana keeps its own."""
    ini = folder / "grafana.ini"
    source = FileSource("127.0.0.1", settings.clickhousePort)
    provisioned: Mapping[str, str] = provisioning_files(settings, stack, source, str(folder / "provisioning"))
    text = render(
        CONFIGS / "grafana" / "grafana.ini",
        {
            "written_by": "`telemetry up`",
            "paths": {"folder": folder, "plugins": found.plugins},
            "provisioning": folder / "provisioning",
            "address": "127.0.0.1",
            "port": settings.dashboardsPort,
            "prefix": f"{PROJECT}-{stack}",
            "plugins_are_there": True,
        },
    )
    return GrafanaRun(
        command=[str(found.program), "server", f"--homepath={found.home}", f"--config={ini}"],
        files={str(ini): text, **{str(folder / "provisioning" / name): file for name, file in provisioned.items()}},
        ready_url=f"http://127.0.0.1:{settings.dashboardsPort}/api/health",
        version=found.version,
    )
