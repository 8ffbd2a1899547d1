"""Settings: typed, joint rules, errors that name the key; Pulumi.yaml is made from them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from infra import config
from infra.errors import UserError
from infra.paths import ROOT
from infra.settings import PORTS, parse_settings


def test_ports_are_the_well_known_ones_unless_a_base_or_a_number_is_given() -> None:
    default = parse_settings({}, "x")
    assert (default.kafkaPort, default.otlpHttpPort, default.clickhousePort) == (9092, 4318, 8123)
    moved = parse_settings({"portBase": 14000, "clickhousePort": 9999, "kafkaPort": 0}, "x")
    assert (moved.kafkaPort, moved.otlpGrpcPort, moved.clickhousePort) == (14092, 14017, 9999)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"kafkaPrt": 1}, "Pulumi.x.yaml: kafkaPrt: unknown setting"),
        ({"kafkaPartitions": "many"}, "Pulumi.x.yaml: kafkaPartitions: Input should be a valid integer (found 'many')"),
        ({"kafkaPort": 70000}, "kafkaPort"),
        ({"kafkaEncoding": "avro"}, "'otlp_proto' or 'otlp_json' (found 'avro')"),
        ({"portBase": "x"}, "portBase"),
        ({"kafkaPort": 4317}, "two ports are the same"),
        ({"retentionSlowDays": 200, "retentionRawDays": 100}, "retentionSlowDays: above retentionRawDays"),
        ({"retentionS3Days": 5}, "retentionS3Days: must lie between"),
        ({"env": "Prod!"}, "env"),
        ({"tenantReaders": ["acme", "acme"]}, "tenantReaders: a tenant stands in it twice"),
        (
            {"tenantReaders": ["acme"], "tenantTeams": {"acme": "Acme"}},
            "tenantTeams: only counts where the stack puts folders into a Grafana (platform aws, grafanaMode not none)",
        ),
    ],
)
def test_a_wrong_setting_is_named_with_what_was_found(values: dict, message: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_settings(values, "Pulumi.x.yaml")
    assert message in str(caught.value)


def test_every_wrong_setting_is_listed_at_once() -> None:
    with pytest.raises(UserError) as caught:
        parse_settings({"a": 1, "b": 2}, "f")
    assert len(str(caught.value).splitlines()) == 2


def test_pulumi_yaml_is_what_the_settings_make() -> None:
    assert (ROOT / "Pulumi.yaml").read_text() == config.project_file(), "run `telemetry settings --write`"
    readme = (ROOT / "README.md").read_text()
    assert readme == config.with_settings_table(readme), "run `telemetry settings --write`"
    assert f"`{next(iter(config.config_schema()))}`" in readme


def test_every_setting_has_a_description_and_a_default() -> None:
    for key, entry in config.config_schema().items():
        assert entry["description"] and "default" in entry, key


def test_every_default_has_the_type_that_pulumi_is_told() -> None:
    kinds = {"integer": int, "string": str, "boolean": bool, "array": list, "object": dict}
    for key, entry in config.config_schema().items():
        assert type(entry["default"]) is kinds[entry["type"]], key


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("config: [unclosed", "is not valid YAML"),
        ("just a sentence", "a mapping `config:` of agent-telemetry:<setting>"),
        ("config: [1, 2]", "a mapping `config:` of agent-telemetry:<setting>"),
        ("config: {1: 2}", "a mapping `config:` of agent-telemetry:<setting>"),
        ("config: {kafkaPort: 1}", "keys are written agent-telemetry:kafkaPort"),
    ],
)
def test_a_stack_file_of_another_shape_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str
) -> None:
    monkeypatch.setattr(config, "ROOT", tmp_path)
    (tmp_path / "Pulumi.odd.yaml").write_text(text)
    with pytest.raises(UserError) as caught:
        config.file_settings("odd")
    assert "Pulumi.odd.yaml" in str(caught.value) and message in str(caught.value)


def test_pulumi_yaml_names_no_environment_that_the_official_cli_would_look_for_below_main() -> None:
    runtime = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["runtime"]
    assert "virtualenv" not in runtime["options"]


def test_values_that_pulumi_gives_as_text_get_their_types(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        "agent-telemetry:kafkaPartitions": "12",
        "agent-telemetry:contentTenants": '["a","b"]',
        "agent-telemetry:tenantRetentionDays": '{"a": 7}',
        "agent-telemetry:env": "dev",
        "aws:region": "eu-central-1",
    }
    monkeypatch.setattr("pulumi.runtime.config.get_config_env", lambda: given)
    found = config.program_settings("x")
    assert found.kafkaPartitions == 12 and found.contentTenants == ["a", "b"]
    assert found.tenantRetentionDays == {"a": 7} and found.env == "dev"


def test_ports_have_distinct_offsets() -> None:
    offsets = [offset for _, offset in PORTS.values()]
    assert len(set(offsets)) == len(offsets)
