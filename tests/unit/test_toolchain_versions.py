"""configs/versions.yaml and the lock files that repeat a version say the same."""

from __future__ import annotations

import re
import tomllib
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import yaml

from infra.local.toolchain.versions import FILE, at_least, minimum, version_of
from infra.paths import ROOT

TOOLCHAIN = ROOT / "infra" / "local" / "toolchain"


def required(go_mod: Path) -> dict[str, str]:
    """Module -> version of a go.mod's require blocks."""
    lines = go_mod.read_text().splitlines()
    return dict(re.findall(r"^\t?(?:require )?(\S+\.\S+/\S+) (v\S+)", "\n".join(lines), re.MULTILINE))


def test_every_entry_has_a_version_and_a_pin_that_is_empty_or_a_digest() -> None:
    for name, entry in yaml.safe_load(FILE.read_text())["tools"].items():
        assert set(entry) == {"version", "pin"}, name
        assert re.fullmatch(r"\d+(\.\d+){2,3}", entry["version"]), name
        assert re.fullmatch(r"(sha256:[0-9a-f]{64})?", entry["pin"]), name


def test_the_engine() -> None:
    modules = required(TOOLCHAIN / "pulumi" / "go.mod")
    assert modules["github.com/pulumi/pulumi/pkg/v3"] == f"v{version_of('pulumi')}"
    assert at_least(version_of("pulumi"), minimum("pulumi"))


def test_the_collector_is_built_from_what_its_config_lists() -> None:
    config = yaml.safe_load((TOOLCHAIN / "collector" / "builder.yaml").read_text())
    assert config["dist"]["version"] == version_of("collector")
    modules = required(TOOLCHAIN / "collector" / "go.mod")
    parts = [part["gomod"].split() for kind in config if kind != "dist" for part in config[kind]]
    assert len(parts) > 10
    for module, version in parts:
        assert modules[module] == version
        expected = "confmap-providers" if "/confmap/provider/" in module else "collector"
        assert version == f"v{version_of(expected)}", module
    assert (
        required(TOOLCHAIN / "ocb" / "go.mod")["go.opentelemetry.io/collector/cmd/builder"]
        == f"v{version_of('collector')}"
    )


def test_crane() -> None:
    modules = required(TOOLCHAIN / "crane" / "go.mod")
    assert modules["github.com/google/go-containerregistry"] == f"v{version_of('crane')}"


@pytest.mark.parametrize("name", ["pulumi", "ocb", "collector", "crane", "session-manager-plugin"])
def test_go_is_new_enough_for_every_module(name: str) -> None:
    found = re.search(r"^go (\S+)$", (TOOLCHAIN / name / "go.mod").read_text(), re.MULTILINE)
    assert found and at_least(minimum("go"), ".".join(found[1].split(".")[:2]))


def test_the_broker() -> None:
    pom = ET.parse(TOOLCHAIN / "kafka" / "pom.xml").getroot()
    space = "{http://maven.apache.org/POM/4.0.0}"
    found = {
        dependency.findtext(f"{space}artifactId"): dependency.findtext(f"{space}version")
        for dependency in pom.iter(f"{space}dependency")
    }
    assert found["kafka_2.13"] == version_of("kafka")
    jars = (TOOLCHAIN / "kafka" / "jars.sha256").read_text()
    assert f"  kafka_2.13-{version_of('kafka')}.jar\n" in jars
    assert f"  log4j-slf4j-impl-{found['log4j-slf4j-impl']}.jar\n" in jars


def test_python_and_the_engine_library() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f"chdb-core=={version_of('chdb-core')}" in project["dependencies"]
    assert project["requires-python"] == f">={minimum('python')}"
