"""Commands start fast: what is slow to import comes in only where it is used."""

import subprocess
import sys

import pytest

from infra.paths import ROOT

CLIENTS = {"clickhouse_connect", "opentelemetry.proto"}
SERVERS = {"chdb", "uvicorn", "starlette"}


def imported(*modules: str) -> set[str]:
    """The names of all modules that are there after these have been imported in a new interpreter."""
    program = f"import sys, {', '.join(modules)}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_command_line_starts_without_pulumi_and_the_clients() -> None:
    assert not imported("infra.cli") & {"pulumi", "grpc", "jinja2", *CLIENTS, *SERVERS}


def test_the_program_declares_its_steps_without_their_clients() -> None:
    found = imported("infra.pipeline", "infra.local.platform")
    assert "pulumi" in found
    assert not found & {*CLIENTS, *SERVERS}


def test_without_collectors_in_a_cluster_nothing_of_kubernetes_is_imported() -> None:
    found = imported("infra.pipeline", "infra.aws.platform")
    assert "pulumi_aws" in found and not found & {"pulumi_kubernetes", "kubernetes", "infra.kubernetes"}


def test_the_platforms_import_nothing_of_each_other() -> None:
    platforms = ("aws", "kubernetes", "local")
    wrong = [
        f"{path.relative_to(ROOT)}: {line}"
        for platform in platforms
        for path in (ROOT / "infra" / platform).rglob("*.py")
        for line in path.read_text().splitlines()
        for other in platforms
        if other != platform and f"from infra.{other}" in line and not allowed(platform, line)
    ]
    assert wrong == []


def allowed(platform: str, line: str) -> bool:
    """Building tools is the one thing of this machine that others ask for."""
    return "infra.local.toolchain" in line


@pytest.mark.parametrize(
    "module",
    ["infra.local.folder", "infra.local.process", "infra.local.kafka", "infra.local.keys", "infra.local.supervisor"],
)
def test_the_dynamic_provider_of_a_part_needs_neither_settings_nor_clients(module: str) -> None:
    assert not imported(module) & {"pydantic", *CLIENTS, *SERVERS}
