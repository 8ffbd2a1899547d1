"""The stack's settings: typed, with defaults and descriptions; Pulumi.yaml's config block is made from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ConfigDict, ValidationError, model_validator

from infra.errors import UserError
from infra.settings.alerts import AlertSettings
from infra.settings.aws import AwsSettings
from infra.settings.local import LocalSettings
from infra.settings.pipeline import PipelineSettings
from infra.settings.rules import problems

PORTS = {
    "kafkaPort": (9092, 92),
    "kafkaControllerPort": (9093, 93),
    "otlpGrpcPort": (4317, 17),
    "otlpHttpPort": (4318, 18),
    "clickhousePort": (8123, 23),
    "collectorHealthPort": (13133, 33),
    "collectorMetricsPort": (8888, 88),
    "dashboardsPort": (3000, 30),
}
"""A port's setting to its well-known number and its offset from portBase; used where the setting is 0."""


class Settings(AlertSettings, AwsSettings, LocalSettings, PipelineSettings):
    """Every key of the stack's configuration, flat and camelCase as in Pulumi.<stack>.yaml."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _ports(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        base = values.get("portBase", 0)
        if not isinstance(base, int):
            return values
        filled = {key: base + offset if base else known for key, (known, offset) in PORTS.items()}
        return filled | {key: value for key, value in values.items() if not (key in PORTS and value == 0)}

    @model_validator(mode="after")
    def _consistent(self) -> Settings:
        found = problems(self)
        ports = [getattr(self, key) for key in PORTS]
        if len(set(ports)) != len(ports):
            found.append(f"two ports are the same: {dict(zip(PORTS, ports, strict=True))}")
        if found:
            raise ValueError("\n".join(found))
        return self


def parse_settings(values: Mapping[str, Any], source: str) -> Settings:
    """Settings from typed values. `source` (a stack file's name) leads the error. Raises UserError."""
    try:
        return Settings.model_validate(dict(values))
    except ValidationError as error:
        lines = []
        for item in error.errors():
            key = ".".join(str(part) for part in item["loc"]) or "settings"
            found = "" if item["type"] in ("extra_forbidden", "value_error") else f" (found {item['input']!r})"
            message = (
                "unknown setting" if item["type"] == "extra_forbidden" else item["msg"].removeprefix("Value error, ")
            )
            if item["type"] == "value_error":
                lines += [f"{source}: {line}" for line in message.splitlines()]
            else:
                lines.append(f"{source}: {key}: {message}{found}")
        lines += [f"{source}: {line}" for line in _contradictions(values, error)]
        raise UserError("\n".join(lines)) from None


def _contradictions(values: Mapping[str, Any], error: ValidationError) -> list[str]:
    """What is wrong between the settings that are right by themselves: rules are not asked while one is not. What a rule
    says of a key that is wrong anyway, or because of it, is left out."""
    wrong = {str(item["loc"][0]) for item in error.errors() if item["loc"]}
    if not wrong:
        return []
    try:
        Settings.model_validate({key: value for key, value in values.items() if key not in wrong})
    except ValidationError as others:
        said = [item["msg"].removeprefix("Value error, ") for item in others.errors() if item["type"] == "value_error"]
        return [line for text in said for line in text.splitlines() if not any(key in line for key in wrong)]
    return []
