"""The stack's configuration as Pulumi keeps it, turned into Settings: from a running program or from a stack file."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import yaml

from infra.errors import UserError
from infra.paths import ROOT
from infra.settings import Settings, parse_settings

PROJECT = "agent-telemetry"


def stack_file(stack: str) -> str:
    """The stack file's name, below the repository's root."""
    return f"Pulumi.{stack}.yaml"


def _typed(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values as Pulumi gives them (all text) with the types that Settings wants; what does not parse stays text."""
    typed: dict[str, Any] = {}
    for key, value in values.items():
        field = Settings.model_fields.get(key)
        if isinstance(value, str) and field and _kind(field.annotation) in (int, bool, list, dict):
            with contextlib.suppress(json.JSONDecodeError):
                value = json.loads(value)
        typed[key] = value
    return typed


def _kind(annotation: Any) -> Any:
    """int, str, bool, list or dict: a choice's kind is that of its values."""
    origin = get_origin(annotation)
    return type(get_args(annotation)[0]) if origin is Literal else origin or annotation


def program_settings(stack: str) -> Settings:
    """The settings of the stack whose program is running. Raises UserError."""
    # Half a second of imports, and most commands read only the stack file.
    from pulumi.runtime.config import CONFIG, get_config_env

    raw = {**get_config_env(), **CONFIG.get()}
    prefix = f"{PROJECT}:"
    values = {key.removeprefix(prefix): value for key, value in raw.items() if key.startswith(prefix)}
    return parse_settings(_typed(values), stack_file(stack))


def stack_file_content(path: Path) -> dict[str, Any]:
    """What a stack file says. Raises UserError, or FileNotFoundError without the file."""
    try:
        content = yaml.safe_load(path.read_text()) or {}
    except yaml.YAMLError as error:
        raise UserError(f"{path.name} is not valid YAML: {error}") from None
    config = content.get("config") or {} if isinstance(content, dict) else None
    if not isinstance(config, dict) or not all(isinstance(key, str) for key in config):
        raise UserError(f"{path.name}: a mapping `config:` of {PROJECT}:<setting> to its value is expected")
    return content


def file_settings(stack: str) -> Settings:
    """The settings in the stack's file, before any engine runs. Raises UserError."""
    path = ROOT / stack_file(stack)
    try:
        content = stack_file_content(path)
    except FileNotFoundError:
        raise UserError(
            f"there is no {path.name}: the stack {stack} does not exist yet; make it with `make up NAME={stack} "
            "PORT_BASE=14000` (any free range of ports)"
        ) from None
    return content_settings(content, path.name)


def content_settings(content: Mapping[str, Any], source: str) -> Settings:
    """The settings in a stack file's content; `source` leads the errors. Raises UserError."""
    config = content.get("config") or {}
    foreign = [key for key in config if ":" not in key]
    if foreign:
        raise UserError(f"{source}: {foreign[0]}: keys are written {PROJECT}:{foreign[0]}")
    prefix = f"{PROJECT}:"
    return parse_settings(
        _typed({key.removeprefix(prefix): value for key, value in config.items() if key.startswith(prefix)}), source
    )


def config_schema() -> dict[str, dict[str, Any]]:
    """Pulumi.yaml's config block: every key with type, default and description, made from Settings."""
    names = {int: "integer", str: "string", bool: "boolean", list: "array", dict: "object"}
    block: dict[str, dict[str, Any]] = {}
    for key, field in Settings.model_fields.items():
        kind = names.get(_kind(field.annotation), "string")
        entry: dict[str, Any] = {"type": kind, "description": field.description}
        if kind == "array":
            entry["items"] = {"type": "string"}
        entry["default"] = field.default
        block[key] = entry
    return block


def project_file() -> str:
    """Pulumi.yaml as it should be.

    No `virtualenv`: with `main` set, the official CLI's dynamic provider looks for a relative one below the program's
    folder (pulumi/pulumi#7061). The interpreter is `telemetry env`'s PULUMI_PYTHON_CMD, else python3 on PATH.
    """
    head = {
        "name": PROJECT,
        "description": "A real-time telemetry pipeline for AI agents",
        "runtime": {"name": "python", "options": {"toolchain": "pip"}},
        "main": "infra/",
        # Where the engine that `telemetry` builds finds what runs a policy pack; an official Pulumi has its own.
        "plugins": {"analyzers": [{"name": "policy-python", "path": "infra/local/toolchain/bin"}]},
    }
    text = yaml.safe_dump(head, sort_keys=False, width=120)
    block = yaml.safe_dump({"config": config_schema()}, sort_keys=False, width=110, allow_unicode=True)
    return text + "# Made from infra/settings/ by `telemetry settings --write`; a test compares them.\n" + block


TABLE_BEGIN, TABLE_END = "<!-- settings: made by `telemetry settings --write` -->", "<!-- end of settings -->"


def settings_table() -> str:
    """README's table of every key."""
    rows = ["| key | type | default | |", "|---|---|---|---|"]
    for key, entry in config_schema().items():
        default = json.dumps(entry["default"])
        text = str(entry["description"]).replace("|", "\\|")
        rows.append(f"| `{key}` | {entry['type']} | `{default}` | {text} |")
    return "\n".join(rows)


def with_settings_table(readme: str) -> str:
    """README with the table as it should be between its two marks."""
    before, _, rest = readme.partition(TABLE_BEGIN)
    _, _, after = rest.partition(TABLE_END)
    return f"{before}{TABLE_BEGIN}\n\n{settings_table()}\n\n{TABLE_END}{after}"
