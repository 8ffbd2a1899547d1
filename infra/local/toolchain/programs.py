"""What must be on the machine already: finds Go, Java, Maven and an official Pulumi, and asks for their versions."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from infra.errors import UserError
from infra.local.toolchain.versions import at_least, minimum

GO_THAT_FETCHES_NEWER = "1.21"
"""From this version on Go fetches the release that a go.mod asks for, unless GOTOOLCHAIN forbids it."""

HINTS = {
    "python": "install Python {wanted} or newer from python.org or the system's packages",
    "go": "install Go {wanted} or newer from go.dev/dl",
    "java": "install a JDK {wanted} or newer (Debian: apt install openjdk-17-jdk-headless) or set JAVA_HOME to one",
    "maven": "install Apache Maven {wanted} or newer (Debian: apt install maven)",
}


@dataclass(frozen=True)
class Program:
    """A program of the machine that is new enough."""

    name: str
    path: Path
    version: str


def output_version(command: list[str], pattern: str) -> str | None:
    """The first group of `pattern` in what `command` prints; None if it can't run or prints no such thing."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=60,
            env=os.environ | {"PULUMI_SKIP_UPDATE_CHECK": "true"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(pattern, done.stdout.decode(errors="replace"))
    return found[1] if found else None


def _python() -> list[tuple[Path, str | None]]:
    return [(Path(sys.executable), ".".join(str(part) for part in sys.version_info[:3]))]


def _go() -> list[tuple[Path, str | None]]:
    path = shutil.which("go")
    return [(Path(path), output_version([path, "version"], r"go version go(\d[\w.]*)"))] if path else []


def _java() -> list[tuple[Path, str | None]]:
    home = os.environ.get("JAVA_HOME")
    places = [Path(home) / "bin" / "java"] if home else []
    on_path = shutil.which("java")
    places += [Path(on_path)] if on_path else []
    return [(place, _java_version(place)) for place in places if place.exists()]


def _java_version(path: Path) -> str | None:
    # The JDK's own `release` file spares starting a virtual machine, which takes most of a warm run's time.
    release = path.resolve().parents[1] / "release"
    if release.is_file():
        found = re.search(r'^JAVA_VERSION="([^"]+)"', release.read_text(errors="replace"), re.MULTILINE)
        if found:
            return found[1]
    return output_version([str(path), "-version"], r'version "([^"]+)"')


def _maven() -> list[tuple[Path, str | None]]:
    path = shutil.which("mvn")
    return [(Path(path), output_version([path, "-v"], r"Apache Maven (\d[\w.-]*)"))] if path else []


FINDERS = {"python": _python, "go": _go, "java": _java, "maven": _maven}


def _good(name: str, path: Path, version: str) -> bool:
    if at_least(version, minimum(name)):
        return True
    if name != "go" or not at_least(version, GO_THAT_FETCHES_NEWER):
        return False
    return output_version([str(path), "env", "GOTOOLCHAIN"], r"^(\S+)") != "local"


def require(names: Iterable[str]) -> dict[str, Program]:
    """The programs `names`, each the first that is new enough. Raises one UserError that lists all others."""
    programs: dict[str, Program] = {}
    problems: list[str] = []
    for name in sorted(set(names)):
        found = FINDERS[name]()
        for path, version in found:
            if version is not None and _good(name, path, version):
                programs[name] = Program(name, path, version)
                break
        else:
            seen = ", ".join(f"{path} is {version or 'not runnable'}" for path, version in found) or "not found"
            hint = HINTS[name].format(wanted=minimum(name))
            problems.append(f"{name} {minimum(name)} or newer is needed; {seen}: {hint}")
    if problems:
        raise UserError("These tools are missing or too old:\n" + "\n".join(f"  - {line}" for line in problems))
    return programs


def official_pulumi() -> Program | None:
    """The `pulumi` on PATH, if it is new enough for our Python SDK."""
    path = shutil.which("pulumi")
    if path is None:
        return None
    version = output_version([path, "version"], r"v?(\d+\.\d+\.\d+\S*)")
    if version is None or not at_least(version, minimum("pulumi")):
        return None
    return Program("pulumi", Path(path).absolute(), version)
