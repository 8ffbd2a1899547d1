"""The data source, the dashboards, the alert rules and the contact points as Grafana's provisioning files: the same objects
that a Grafana is given by its API, for one that reads them from a folder (in a container, or on this machine)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from infra.config import PROJECT
from infra.contacts import Contact, contacts
from infra.dashboards.alerts import build_rule_groups
from infra.dashboards.catalogue import build_all
from infra.dashboards.tenants import build_tenant, tenant_prefix, tenant_title
from infra.postdeploy.grafana_contacts import contact_uid, receivers
from infra.postdeploy.grafana_source import source_body
from infra.schema import DATABASE
from infra.settings import Settings
from infra.tenant_views import TENANT_DATABASE, reader

ORGANISATION = 1
"""A Grafana's first, which is always there."""
PASSWORD = "TELEMETRY_CLICKHOUSE_PASSWORD"
CA = "TELEMETRY_CLICKHOUSE_CA"
"""Variables of Grafana's environment, which it puts in: no secret is in a file."""
UPDATE_SECONDS = 30


@dataclass(frozen=True)
class FileSource:
    """ClickHouse as that Grafana reaches it."""

    host: str
    port: int
    user: str = "dashboards"
    secure: bool = False
    own_ca: bool = False
    """Its certificate's CA is given in the variable CA."""
    password: bool = False
    """It asks for one, given in the variable PASSWORD."""


def provisioning_files(settings: Settings, stack: str, source: FileSource, seen_as: str) -> dict[str, str]:
    """Path below the provisioning folder to content. `seen_as`: where Grafana finds that folder."""
    prefix, title = f"{PROJECT}-{stack}", f"Agents ({stack})"
    parts = [_part(prefix, title, build_all(prefix), DATABASE, source, PASSWORD)]
    for tenant in settings.tenantReaders:
        own, models = tenant_prefix(prefix, tenant), build_tenant(prefix, tenant)
        signed_in = replace(source, user=reader(tenant))
        parts.append(
            _part(own, tenant_title(title, tenant), models, TENANT_DATABASE, signed_in, tenant_password(tenant))
        )
    files = {name: text for part in parts for name, text in part.files.items()}
    folders = [_provider(part.prefix, part.title, seen_as) for part in parts]
    files[f"datasources/{prefix}.yaml"] = _yaml({"apiVersion": 1, "datasources": [part.source for part in parts]})
    files[f"dashboards/{prefix}.yaml"] = _yaml({"apiVersion": 1, "providers": folders})
    files[f"alerting/{prefix}.yaml"] = _yaml(alerting(settings, prefix, title))
    return files


@dataclass(frozen=True)
class _Part:
    """A folder with its dashboards and the data source that they ask: the stack's, or a tenant's."""

    prefix: str
    title: str
    files: Mapping[str, str]
    source: Mapping[str, Any]


def _part(
    prefix: str, title: str, models: Mapping[str, Any], database: str, source: FileSource, password: str
) -> _Part:
    files = {f"dashboards/{prefix}/{slug}.json": _json(model) for slug, model in models.items()}
    return _Part(prefix, title, files, _data_source(prefix, source, database, password))


def tenant_password(tenant: str) -> str:
    """The variable of Grafana's environment with the password of the tenant's user."""
    return f"{PASSWORD}_{tenant.replace('-', '_').upper()}"


def _data_source(prefix: str, source: FileSource, database: str, password: str) -> dict[str, Any]:
    """Of datasources/*.yaml. The file's keys are those of the API, with whose it is and whether people may edit it."""
    address = {"host": source.host, "port": source.port, "user": source.user, "secure": source.secure}
    body = source_body(prefix, prefix, address, database, "", f"${CA}" if source.own_ca else "")
    secrets = {key: value for key, value in body["secureJsonData"].items() if value}
    body["secureJsonData"] = {**secrets, **({"password": f"${password}"} if source.password else {})}
    entry = {**body, "orgId": ORGANISATION, "editable": False}
    return {key: value for key, value in entry.items() if value != {}}


def _provider(prefix: str, title: str, seen_as: str) -> dict[str, Any]:
    """Of dashboards/*.yaml: the folder that the dashboards are in, and where their files are."""
    return {
        "name": prefix,
        "orgId": ORGANISATION,
        "folder": title,
        "folderUid": prefix,
        "type": "file",
        "disableDeletion": False,
        "allowUiUpdates": False,
        "updateIntervalSeconds": UPDATE_SECONDS,
        "options": {"path": f"{seen_as.rstrip('/')}/dashboards/{prefix}"},
    }


def alerting(settings: Settings, prefix: str, title: str) -> dict[str, Any]:
    """alerting/*.yaml: rule groups and contact points."""
    groups = build_rule_groups(prefix, receivers(settings, prefix), settings.alertRunbookUrl)
    points = _contact_points(prefix, contacts(settings), receivers(settings, prefix))
    found = {"apiVersion": 1, "groups": [_group(group, f"{title}: alerts") for group in groups]}
    return {**found, **({"contactPoints": points} if points else {})}


def _group(group: Mapping[str, Any], folder: str) -> dict[str, Any]:
    """Rules lie in a folder of their own, named by its title: Grafana reads them before the dashboards and would make one
    of the dashboards' title under another uid."""
    return {
        "orgId": ORGANISATION,
        "name": group["title"],
        "folder": folder,
        "interval": f"{group['interval']}s",
        "rules": [_rule(rule) for rule in group["rules"]],
    }


def _rule(rule: Mapping[str, Any]) -> dict[str, Any]:
    """Without what the group says; what the API takes as annotations are keys of their own."""
    kept = {key: value for key, value in rule.items() if key not in ("folderUID", "orgID", "ruleGroup", "updated")}
    annotations = dict(kept.pop("annotations"))
    where = {"dashboardUid": annotations.pop("__dashboardUid__", ""), "panelId": annotations.pop("__panelId__", "")}
    place = {"dashboardUid": where["dashboardUid"], "panelId": int(where["panelId"])} if all(where.values()) else {}
    return literal({**kept, "annotations": annotations, **place})


def _contact_points(prefix: str, found: Sequence[Contact], names: Mapping[Any, str]) -> list[dict[str, Any]]:
    points: list[dict[str, Any]] = []
    for severity, name in names.items():
        own = [contact for contact in found if contact.severity == severity]
        points.append(
            {"orgId": ORGANISATION, "name": name, "receivers": [_receiver(prefix, contact) for contact in own]}
        )
    return points


def _receiver(prefix: str, contact: Contact) -> dict[str, Any]:
    secret = {key: f"${variable}" for key, variable in contact_variables(contact).items()}
    return {
        "uid": contact_uid(prefix, contact.severity, contact.kind),
        "type": contact.kind,
        "settings": {**literal(dict(contact.settings)), **secret},
        "disableResolveMessage": False,
    }


def contact_variables(contact: Contact) -> dict[str, str]:
    """By secret setting the variable of Grafana's environment that holds it."""
    keys = (contact.secret or {}).get("args", {}).get("keys", {})
    return {key: f"TELEMETRY_ALERT_{contact.kind}_{name}".upper() for name, key in keys.items()}


def literal(value: Any) -> Any:
    """A value as Grafana's files need it: a dollar sign names a variable of the environment unless it is doubled."""
    if isinstance(value, str):
        return value.replace("$", "$$")
    if isinstance(value, Mapping):
        return {key: literal(inner) for key, inner in value.items()}
    return [literal(inner) for inner in value] if isinstance(value, list) else value


def write_files(folder: Path, files: Mapping[str, str]) -> None:
    """Writes them below the folder; of ours, what is no longer among them goes. Raises OSError."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for boards in {(folder / name).parent for name in files if name.endswith(".json")}:
        for left in set(boards.glob("*.json")) - {folder / name for name in files}:
            left.unlink()


def _json(model: Mapping[str, Any]) -> str:
    return json.dumps(model, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


class _Dumper(yaml.SafeDumper):
    """SQL stays readable: a text of several lines is written as such."""


_Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None),
)


def _yaml(content: Mapping[str, Any]) -> str:
    head = "# Written by `telemetry dashboards provision`: change the program, not this file.\n"
    return head + yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
