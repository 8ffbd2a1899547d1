"""The stack's configuration as Pulumi keeps it, turned into Settings: from a running program or from a stack file."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from typing import Any, get_origin

import yaml
from pulumi.runtime.config import CONFIG, get_config_env

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
        wanted = get_origin(field.annotation) or field.annotation if field else None
        if isinstance(value, str) and wanted in (int, list, dict):
            with contextlib.suppress(json.JSONDecodeError):
                value = json.loads(value)
        typed[key] = value
    return typed


def program_settings(stack: str) -> Settings:
    """The settings of the stack whose program is running. Raises UserError."""
    raw = {**get_config_env(), **CONFIG.get()}
    prefix = f"{PROJECT}:"
    values = {key.removeprefix(prefix): value for key, value in raw.items() if key.startswith(prefix)}
    return parse_settings(_typed(values), stack_file(stack))


def file_settings(stack: str) -> Settings:
    """The settings in the stack's file, before any engine runs. Raises UserError."""
    path = ROOT / stack_file(stack)
    try:
        content = yaml.safe_load(path.read_text()) or {}
    except FileNotFoundError:
        raise UserError(
            f"there is no {path.name}: the stack {stack} does not exist yet; make it with `make up NAME={stack} "
            "PORT_BASE=14000` (any free range of ports)"
        ) from None
    except yaml.YAMLError as error:
        raise UserError(f"{path.name} is not valid YAML: {error}") from None
    config = content.get("config") or {}
    foreign = [key for key in config if ":" not in key]
    if foreign:
        raise UserError(f"{path.name}: {foreign[0]}: keys are written {PROJECT}:{foreign[0]}")
    prefix = f"{PROJECT}:"
    return parse_settings(
        _typed({key.removeprefix(prefix): value for key, value in config.items() if key.startswith(prefix)}), path.name
    )


def config_schema() -> dict[str, dict[str, Any]]:
    """Pulumi.yaml's config block: every key with type, default and description, made from Settings."""
    names = {int: "integer", str: "string", bool: "boolean", list: "array", dict: "object"}
    block: dict[str, dict[str, Any]] = {}
    for key, field in Settings.model_fields.items():
        kind = names.get(get_origin(field.annotation) or field.annotation or str, "string")
        entry: dict[str, Any] = {"type": kind, "description": field.description}
        if kind == "array":
            entry["items"] = {"type": "string"}
        entry["default"] = field.default
        block[key] = entry
    return block


def project_file() -> str:
    """Pulumi.yaml as it should be."""
    head = {
        "name": PROJECT,
        "description": "A real-time telemetry pipeline for AI agents",
        "runtime": {"name": "python", "options": {"toolchain": "pip", "virtualenv": ".venv"}},
        "main": "infra/",
    }
    text = yaml.safe_dump(head, sort_keys=False, width=120)
    block = yaml.safe_dump({"config": config_schema()}, sort_keys=False, width=110, allow_unicode=True)
    return text + "# Made from infra/settings/ by `telemetry settings --write`; a test compares them.\n" + block
