"""`ensure`: the one call that makes the tools of `local` available and says where they are."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from infra.errors import UserError
from infra.local.toolchain import cache
from infra.local.toolchain.build import build_all, folder_of
from infra.local.toolchain.builds import RECIPES, Recipe
from infra.local.toolchain.programs import Program, official_pulumi, require

if TYPE_CHECKING:
    from rich.console import Console

ALL = ("pulumi", "collector", "kafka")


@dataclass(frozen=True)
class Part:
    """A tool that is ready."""

    name: str
    version: str
    folder: Path
    id: str
    """Names the content: the same bytes give the same id on every machine."""


@dataclass(frozen=True)
class Toolchain:
    """The tools that `ensure` was asked for; asking for another one is a KeyError."""

    parts: Mapping[str, Part]

    @property
    def pulumi_root(self) -> Path:
        """For `pulumi.automation.PulumiCommand(root)`: the engine is root/bin/pulumi."""
        return self.parts["pulumi"].folder

    @property
    def pulumi_version(self) -> str:
        """Without a leading v."""
        return self.parts["pulumi"].version

    @property
    def collector(self) -> Path:
        """The collector's program."""
        return self.parts["collector"].folder / "bin" / "otelcol"

    @property
    def crane(self) -> Path:
        """The program that puts layers on images and pushes them."""
        return self.parts["crane"].folder / "bin" / "crane"

    @property
    def session_manager_plugin(self) -> Path:
        """AWS's program behind an SSM session."""
        return self.parts["session-manager-plugin"].folder / "bin" / "session-manager-plugin"

    @property
    def kafka_classpath(self) -> str:
        """All jars of the broker, for `java -cp`."""
        return f"{self.parts['kafka'].folder / 'lib'}/*"

    @property
    def kafka_log_config(self) -> Path:
        """For `-Dlog4j2.configurationFile=`: the broker logs to standard output."""
        return self.parts["kafka"].folder / "log4j2.properties"

    @property
    def java(self) -> Path:
        """A Java virtual machine that is new enough for the broker."""
        return self.parts["java"].folder / "bin" / "java"

    @property
    def versions(self) -> dict[str, str]:
        """Version by tool."""
        return {name: part.version for name, part in self.parts.items()}

    @property
    def ids(self) -> dict[str, str]:
        """Content id by tool."""
        return {name: part.id for name, part in self.parts.items()}


def ensure(
    tools: Iterable[str] = ALL,
    console: Console | None = None,
    *,
    verify: bool = False,
    recipes: Sequence[Recipe] = RECIPES,
) -> Toolchain:
    """The tools, from PATH or the cache, built first where they are missing or damaged. Raises UserError.

    `verify` hashes every cached file again; else only files whose size or time changed are looked at.
    """
    wanted = set(tools)
    unknown = wanted - {recipe.name for recipe in recipes}
    if unknown:
        raise ValueError(f"no such tool: {', '.join(sorted(unknown))}")
    root = cache.cache_root()
    parts: dict[str, Part] = {}
    if "pulumi" in wanted and (program := official_pulumi()):
        parts["pulumi"] = _official_part(program, root)
    chosen = [recipe for recipe in recipes if recipe.name in wanted - parts.keys()]
    missing: list[Recipe] = []
    for recipe in chosen:
        part, damage = _cached(recipe, root, verify)
        if part:
            parts[recipe.name] = part
            continue
        missing.append(recipe)
        if damage:
            message = f"{recipe.title} in the cache is damaged and is built again: {damage}"
            (console or _stderr()).print(message, soft_wrap=True, highlight=False, markup=False)
    needed = {name for recipe in missing for name in recipe.programs} | ({"python"} if missing else set())
    programs = require(needed | ({"java"} if "kafka" in wanted else set()))
    if missing:
        from infra.local.toolchain.progress import Progress

        _check_room(missing, root, programs.get("go"))
        build_all(missing, root, Progress(console))
        for recipe in missing:
            part, damage = _cached(recipe, root, False)
            if part is None:
                raise UserError(
                    f"{folder_of(recipe, root)} was changed by something else right after it was built "
                    f"({damage or 'it is gone'}). Run it again, or set AGENT_TELEMETRY_CACHE to another folder."
                )
            parts[recipe.name] = part
    if java := programs.get("java"):
        # The launcher's own folder, not a link's: the broker keeps working when the system's default changes.
        home = java.path.resolve().parents[1]
        folder = home if (home / "bin" / "java").exists() else java.path.absolute().parents[1]
        parts["java"] = Part("java", java.version, folder, _id(java.version))
    return Toolchain(parts)


def ready(tool: str, recipes: Sequence[Recipe] = RECIPES) -> Part | None:
    """A tool as far as it is there, from PATH or whole in the cache; nothing is built. Raises UserError for a cache that
    can't be read."""
    root = cache.cache_root()
    if tool == "pulumi" and (program := official_pulumi()):
        return _official_part(program, root)
    (recipe,) = [recipe for recipe in recipes if recipe.name == tool]
    return _cached(recipe, root, False)[0]


def _id(*words: str) -> str:
    return hashlib.sha256("\0".join(words).encode()).hexdigest()[:16]


def _stderr() -> Console:
    from rich.console import Console

    return Console(stderr=True)


def _cached(recipe: Recipe, root: Path, verify: bool) -> tuple[Part | None, str | None]:
    folder = folder_of(recipe, root)
    try:
        found = cache.check(folder, full=verify)
    except OSError as error:
        raise cache.storage_error(error, root) from error
    part = Part(recipe.name, recipe.version, folder, found.content) if found.content else None
    return part, found.damage


def _official_part(program: Program, root: Path) -> Part:
    folder = program.path.parents[1]
    if program.path.parent.name != "bin" or program.path.name != "pulumi":
        # The Automation API wants <root>/bin/pulumi; version managers keep it elsewhere.
        folder = root / "links" / _id(str(program.path))
        link = folder / "bin" / "pulumi"
        try:
            link.parent.mkdir(parents=True, exist_ok=True)
            if not link.is_symlink():
                link.symlink_to(program.path)
        except FileExistsError:
            pass  # another run made it in this moment
        except OSError as error:
            raise cache.storage_error(error, root) from error
    return Part("pulumi", program.version, folder, _id("official", program.version))


def _check_room(recipes: Sequence[Recipe], root: Path, go: Program | None) -> None:
    """Refuses to start on a file system that will fill up. Folders on the same one are added up."""
    places = [(root, sum(recipe.cache_gib for recipe in recipes), "AGENT_TELEMETRY_CACHE")]
    home = sum(recipe.home_gib for recipe in recipes)
    if go and any("go" in recipe.programs for recipe in recipes):
        done = subprocess.run([go.path, "env", "GOMODCACHE", "GOCACHE"], capture_output=True, text=True)
        folders = [Path(line) for line in done.stdout.splitlines() if line]
        places += [(folder, home / len(folders), "GOMODCACHE and GOCACHE") for folder in folders]
    try:
        root.mkdir(parents=True, exist_ok=True)
        by_device: dict[int, list[tuple[Path, float, str]]] = {}
        for path, gib, setting in places:
            existing = next(parent for parent in (path, *path.parents) if parent.exists())
            by_device.setdefault(existing.stat().st_dev, []).append((existing, gib, setting))
    except OSError as error:
        raise cache.storage_error(error, root) from error
    for group in by_device.values():
        needed = sum(gib for _, gib, _ in group)
        free = shutil.disk_usage(group[0][0]).free / 2**30
        if free < needed:
            settings = " / ".join(dict.fromkeys(setting for *_, setting in group))
            raise UserError(
                f"Building {', '.join(recipe.name for recipe in recipes)} needs about {needed:.1f} GiB on the disk of "
                f"{group[0][0]}, which has {free:.1f} GiB free. Free some space, or set {settings} to a folder "
                "on a larger disk."
            )
