"""What is found on the machine: accepted from the minimum version on, else one message that lists everything."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from infra.errors import UserError
from infra.local.toolchain import ensure, find_clickhouse
from infra.local.toolchain.programs import official_pulumi, require
from infra.local.toolchain.versions import at_least

Fake = Callable[[str, str], Path]


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    """Puts a program on an otherwise empty PATH; it prints the given text."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("AGENT_TELEMETRY_CACHE", str(tmp_path / "cache"))

    def make(name: str, text: str) -> Path:
        path = folder / name
        path.write_text(f"#!/bin/sh\nif [ \"$1\" = env ]; then echo local; else echo '{text}'; fi\n")
        path.chmod(0o755)
        return path

    return make


@pytest.mark.parametrize(
    ("version", "wanted", "enough"),
    [
        ("26.1", "26.1", True),
        ("26.1.0", "26.1", True),
        ("26", "26.1", False),
        ("9.0", "17", False),
        ("1.9", "1.26", False),
        ("v3.250.0", "3.250.0", True),
        ("1.27rc1", "1.26", True),
        ("", "1", False),
    ],
)
def test_versions_compare_by_number(version: str, wanted: str, enough: bool) -> None:
    assert at_least(version, wanted) is enough


def test_all_missing_and_old_tools_come_in_one_message_before_anything_is_built(fake: Fake, tmp_path: Path) -> None:
    fake("go", "go version go1.19.8 linux/amd64")
    java = fake("java", 'openjdk version "11.0.2" 2019-01-15')
    with pytest.raises(UserError) as caught:
        ensure()
    message = str(caught.value)
    assert "go1.19" not in message and "1.19.8" in message
    assert f"{java} is 11.0.2" in message and "install a JDK 17" in message
    assert "maven 3.6.3 or newer is needed; not found" in message
    assert not (tmp_path / "cache").exists()


def test_an_old_go_that_may_not_fetch_a_newer_one_is_refused(fake: Fake) -> None:
    path = fake("go", "go version go1.25.1 linux/amd64")
    with pytest.raises(UserError, match="1\\.25\\.1"):
        require(["go"])
    path.write_text(path.read_text().replace("echo local", "echo auto"))
    assert require(["go"])["go"].version == "1.25.1"


def test_java_home_comes_first_and_its_release_file_is_believed(
    fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake("java", 'java version "1.8.0_202"')
    home = tmp_path / "jdk"
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "java").write_text("")
    (home / "release").write_text('JAVA_VERSION="21.0.4"\n')
    monkeypatch.setenv("JAVA_HOME", str(home))
    assert require(["java"])["java"].path == home / "bin" / "java"


def test_a_program_that_does_not_start_counts_as_not_runnable(fake: Fake) -> None:
    fake("mvn", "").write_bytes(b"\x7fELF")
    with pytest.raises(UserError, match="not runnable"):
        require(["maven"])


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("ClickHouse server version 26.1.2.1 (official build).", "26.1.2.1"),
        ("ClickHouse server version 26.8.1.5 (official build).", "26.8.1.5"),
        ("ClickHouse local version 26.3.2.1 (official build).", "26.3.2.1"),
        ("ClickHouse server version 26.3.5.12.altinitystable (altinity build).", "26.3.5.12"),
        ("ClickHouse server version 18.16.1.", None),
        ("ClickHouse server version 25.12.9.1.", None),
        ("Use one of the following commands:", None),
    ],
)
def test_a_clickhouse_on_the_path_counts_from_26_1_on(fake: Fake, text: str, version: str | None) -> None:
    path = fake("clickhouse", text)
    assert find_clickhouse() == ((path, version) if version else None)


def test_no_clickhouse_is_no_error(fake: Fake) -> None:
    assert find_clickhouse() is None


def test_an_official_pulumi_is_used_from_the_minimum_on(fake: Fake) -> None:
    path = fake("pulumi", "v3.249.9")
    assert official_pulumi() is None
    path = fake("pulumi", "v3.260.1")
    toolchain = ensure(["pulumi"])
    assert toolchain.pulumi_version == "3.260.1"
    assert toolchain.pulumi_root / "bin" / "pulumi" == path


def test_a_pulumi_outside_a_bin_folder_gets_the_place_that_the_automation_api_wants(
    fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = fake("pulumi", "v3.260.1")
    (tmp_path / "installs").mkdir()
    path.rename(tmp_path / "installs" / "pulumi")
    monkeypatch.setenv("PATH", str(tmp_path / "installs"))
    for _ in range(2):
        program = ensure(["pulumi"]).pulumi_root / "bin" / "pulumi"
        assert program.resolve() == tmp_path / "installs" / "pulumi"
