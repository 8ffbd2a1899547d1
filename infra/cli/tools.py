"""The commands around the engine: env, tools, settings."""

from __future__ import annotations

import os
import shlex
import sys
from typing import Annotated

import typer

from infra.cli.console import Json, Name, emit, error_console, say
from infra.cli.local import stack_platform
from infra.config import config_schema, project_file, with_settings_table
from infra.paths import ROOT, STACKS

OF_A_LOCAL_STACK = ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_HOME")


def register(app: typer.Typer) -> None:
    """Adds this file's commands."""
    for command in (env, tools, settings):
        app.command()(command)


def env(name: Name = "local", as_json: Json = False) -> None:
    """Prints the variables with which any Pulumi CLI sees this stack: eval "$(telemetry env)".

    On AWS backend and secrets provider are your own, so they are not among them.
    """
    from infra.automation import engine_environment, environment
    from infra.local.toolchain import ensure

    root = ensure(["pulumi"]).pulumi_root
    unset: tuple[str, ...] = ()
    if stack_platform(name) == "local":
        variables = environment(name, root)
    else:
        variables = engine_environment(root)
        if os.environ.get("PULUMI_BACKEND_URL", "").startswith(STACKS.as_uri()):
            unset = OF_A_LOCAL_STACK
    if as_json:
        emit({"set": variables, "unset": unset})
        return
    if unset:
        print(f"unset {' '.join(unset)}")
    for key, value in variables.items():
        print(f"export {key}={shlex.quote(value)}")


def tools(as_json: Json = False) -> None:
    """Builds what the local platform needs into the cache, or checks that it is there."""
    from infra.local.toolchain import ensure

    versions = ensure(console=error_console).versions
    if as_json:
        emit(versions)
        return
    for tool, version in versions.items():
        say(f"{tool} {version}")


def settings(
    write: Annotated[bool, typer.Option("--write", help="Write Pulumi.yaml instead.")] = False, as_json: Json = False
) -> None:
    """Prints Pulumi.yaml as made from infra/settings/; with --json every key with type, default and description."""
    if as_json:
        emit(config_schema())
    if write:
        (ROOT / "Pulumi.yaml").write_text(project_file())
        readme = ROOT / "README.md"
        readme.write_text(with_settings_table(readme.read_text()))
    elif not as_json:
        sys.stdout.write(project_file())
