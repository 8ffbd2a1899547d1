"""A stand-in for the program `grafana`: reads its arguments, its ini and its provisioning folder as Grafana does (variables of
the environment too), ends with an error where something is not as it must be, and tells on /loaded what it has read.

python -m tests.grafana_program --version
python -m tests.grafana_program server --homepath=… --config=…
"""

from __future__ import annotations

import configparser
import json
import os
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

VERSION = "12.4.0"
SECTIONS = {
    "paths": {"data", "logs", "plugins", "provisioning"},
    "server": {"protocol", "http_addr", "http_port"},
    "security": {"disable_initial_admin_creation"},
    "auth": {"disable_login_form"},
    "auth.anonymous": {"enabled", "org_role"},
    "users": {"default_theme"},
    "dashboards": {"default_home_dashboard_path"},
    "log": {"mode"},
    "analytics": {"reporting_enabled", "check_for_updates", "check_for_plugin_updates", "feedback_links_enabled"},
    "news": {"news_feed_enabled"},
    "plugins": {"preinstall_disabled"},
}
SOURCE_KEYS = {"name", "type", "uid", "access", "orgId", "editable", "jsonData", "secureJsonData"}
PROVIDER_KEYS = {
    *("name", "orgId", "folder", "folderUid", "type", "disableDeletion", "allowUiUpdates", "updateIntervalSeconds"),
    "options",
}


def interpolated(value: Any) -> Any:
    """$NAME and ${NAME} are variables of the environment, $$ is a dollar sign."""
    if isinstance(value, str):
        expand = lambda found: os.environ.get(found[1] or found[2], "")  # noqa: E731
        return "$".join(re.sub(r"\$(?:\{(\w+)\}|(\w+))", expand, part) for part in value.split("$$"))
    if isinstance(value, dict):
        return {key: interpolated(inner) for key, inner in value.items()}
    return [interpolated(inner) for inner in value] if isinstance(value, list) else value


def files(folder: Path, key: str) -> list[Any]:
    """The entries under `key` of each file of a folder of the provisioning folder."""
    found: list[Any] = []
    for path in sorted(folder.glob("*.yaml")):
        content = yaml.safe_load(path.read_text())
        assert content["apiVersion"] == 1, path
        found += interpolated(content.get(key, []))
    return found


def loaded(provisioning: Path) -> dict[str, Any]:
    """All that Grafana would make of the folder. Raises AssertionError."""
    sources = files(provisioning / "datasources", "datasources")
    for source in sources:
        assert not set(source) - SOURCE_KEYS, source
    boards: dict[str, Any] = {}
    for provider in files(provisioning / "dashboards", "providers"):
        assert not set(provider) - PROVIDER_KEYS and provider["type"] == "file", provider
        found = sorted(Path(provider["options"]["path"]).glob("**/*.json"))
        assert found, f"no dashboards in {provider['options']['path']}"
        # A dashboard's file is taken as it is: no variables of the environment.
        models = [json.loads(path.read_text()) for path in found]
        boards[provider["folderUid"]] = {model["uid"]: model for model in models}
    alerting = provisioning / "alerting"
    return {
        "sources": sources,
        "dashboards": boards,
        "groups": files(alerting, "groups"),
        "contactPoints": files(alerting, "contactPoints"),
    }


def main(arguments: list[str]) -> None:
    if arguments == ["--version"]:
        print(f"grafana version {VERSION}")
        return
    command, home, config = arguments
    assert command == "server", arguments
    assert (Path(home.removeprefix("--homepath=")) / "conf" / "defaults.ini").is_file(), home
    ini = configparser.ConfigParser(interpolation=None)
    ini.read_string(Path(config.removeprefix("--config=")).read_text())
    for section in ini.sections():
        assert not set(ini[section]) - SECTIONS[section], section
    assert (Path(ini["paths"]["plugins"]) / "grafana-clickhouse-datasource").is_dir()
    home_dashboard = json.loads(Path(ini["dashboards"]["default_home_dashboard_path"]).read_text())
    told = {**loaded(Path(ini["paths"]["provisioning"])), "home": home_dashboard["title"]}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answers = {"/api/health": {"database": "ok", "version": VERSION}, "/loaded": told}
            self.send_response(200 if self.path in answers else 404)
            self.end_headers()
            self.wfile.write(json.dumps(answers.get(self.path)).encode())

    assert ini["server"]["http_addr"] == "127.0.0.1"
    ThreadingHTTPServer(("127.0.0.1", int(ini["server"]["http_port"])), Handler).serve_forever()


if __name__ == "__main__":
    main(sys.argv[1:])
