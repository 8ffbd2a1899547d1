"""Checks of this machine's tools: what has to be found on it, and what is built into the cache."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import partial

from infra.doctor.check import Check, Result, beside_the_point, fail, ok, warn
from infra.errors import UserError
from infra.local.toolchain.cache import cache_root
from infra.local.toolchain.ensure import Part, ready
from infra.local.toolchain.programs import require
from infra.local.toolchain.versions import minimum, version_of
from infra.settings import Settings

BUILT_BY = {"pulumi": ("go",), "collector": ("go",), "kafka": ("maven",)}
"""A tool of ours to the programs that build it."""


def checks(settings: Settings | None) -> Iterator[Check]:
    """Those that this platform needs. `settings`: None when the stack's can't be read."""
    local = settings is None or settings.platform == "local"
    yield Check("python", partial(program, "python"))
    tools = ("pulumi", "collector", "kafka") if local else ("pulumi",)
    if local:
        yield Check("java", partial(program, "java"))
    for builder in ("go", "maven") if local else ("go",):
        built = [tool for tool in tools if builder in BUILT_BY[tool]]
        yield Check(builder, partial(builder_of, builder, built))
    for tool in tools:
        yield Check({"pulumi": "engine"}.get(tool, tool), partial(built_tool, tool))
    if settings and settings.platform == "aws":
        yield Check("engine's plugins", partial(plugins, settings))
        yield Check("session-manager-plugin", partial(session_plugin, settings))


def program(name: str) -> Result:
    """Whether a program of the machine is new enough (configs/versions.yaml, `minimum`)."""
    try:
        found = require([name])[name]
    except UserError as error:
        return fail(*_said(error))
    return ok(f"{found.version} ({found.path}), {minimum(name)} or newer is needed")


def builder_of(name: str, tools: list[str]) -> Result:
    """The same for one that only builds: not needed while all is built."""
    result = program(name)
    if result.state == "fail" and all(ready(tool) for tool in tools):
        return beside_the_point(f"{', '.join(tools)}: built already; {result.found}")
    return result


def _said(error: UserError) -> tuple[str, str]:
    """What was found, and the hint behind it, which may have a colon of its own."""
    line = str(error).splitlines()[-1].strip().removeprefix("- ")
    found, _, hint = line.partition(": ")
    return found, hint


def built_tool(name: str) -> Result:
    """Whether a tool of ours is there in the version of configs/versions.yaml."""
    part: Part | None = ready(name)
    if part is None:
        return warn(f"{version_of(name)} is not built yet", "`telemetry tools` builds it; else the first `up` does")
    where = "on PATH" if cache_root() not in part.folder.parents else "in the cache"
    return ok(f"{part.version} ({where})")


def plugins(settings: Settings) -> Result:
    """The engine's providers in the versions that this Python environment asks for."""
    import os
    from importlib.metadata import version
    from pathlib import Path

    home = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
    used = ["aws", "random", "tls", *(["kubernetes"] if settings.collectorPlatform == "kubernetes" else [])]
    wanted = {name: version(f"pulumi-{name}") for name in used}
    missing = [f"{name} {found}" for name, found in wanted.items() if not _plugin(home, name, found)]
    if missing:
        return warn(
            f"not in {home / 'plugins'}: {', '.join(missing)}",
            "the engine fetches them at its first command; without internet: `pulumi plugin install resource NAME VERSION "
            "--file FILE`",
        )
    return ok(", ".join(f"{name} {found}" for name, found in wanted.items()))


def _plugin(home: object, name: str, version: str) -> bool:
    from pathlib import Path

    on_path = shutil.which(f"pulumi-resource-{name}")
    return bool(on_path) or (Path(str(home)) / "plugins" / f"resource-{name}-v{version}").is_dir()


def session_plugin(settings: Settings) -> Result:
    """AWS's program behind the tunnel to ClickHouse."""
    from infra.aws.tunnel import PLUGIN

    if settings.clickhouseReach != "tunnel":
        return beside_the_point(f"clickhouseReach is {settings.clickhouseReach}: no tunnel is opened")
    if found := shutil.which(PLUGIN):
        return ok(found)
    return fail(
        f"{PLUGIN} is not on PATH, and ClickHouse's network is private",
        "install it (AWS Systems Manager user guide, 'Install the Session Manager plugin'), or set clickhouseReach: direct "
        "where this machine is in the network",
    )
