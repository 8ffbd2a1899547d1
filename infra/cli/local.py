"""What a local stack has and others have not: a stack file made on demand, ports, processes that a killed command left behind."""

from __future__ import annotations

import yaml

from infra.config import PROJECT, file_settings, stack_file, stack_file_content
from infra.errors import UserError
from infra.paths import ROOT, stack_folder
from infra.settings import PORTS, Settings

SHIPPED = ("local", "dev", "prod")


def make_stack_file(name: str, port_base: int | None) -> None:
    """Writes the ignored stack file of a further local stack; a shipped one is never changed."""
    path = ROOT / stack_file(name)
    if name in SHIPPED:
        if port_base is not None:
            raise UserError(f"{path.name} is shared by all who clone: give the stack a NAME as well, NAME=two")
        return
    content = stack_file_content(path) if path.exists() else {}
    config = content.setdefault("config", {f"{PROJECT}:platform": "local"})
    platform = config.get(f"{PROJECT}:platform", "local")
    if port_base is not None and platform != "local":
        raise UserError(
            f"{path.name}: platform {platform} has no ports on this machine; leave --port-base (PORT_BASE) out"
        )
    if port_base is not None and config.get(f"{PROJECT}:portBase") != port_base:
        config[f"{PROJECT}:portBase"] = port_base
        path.write_text(yaml.safe_dump(content, sort_keys=False))
    elif not path.exists():
        path.write_text(yaml.safe_dump(content, sort_keys=False))


def stack_platform(name: str) -> str:
    """Who provides the stack's parts, told without reading its other settings: what is up can be taken down, whatever
    has become of the stack file."""
    try:
        config = stack_file_content(ROOT / stack_file(name)).get("config") or {}
    except FileNotFoundError:
        return "local"
    except UserError:
        if stack_folder(name).exists():
            return "local"
        raise
    return str(config.get(f"{PROJECT}:platform", "local"))


def is_up(name: str) -> bool:
    """Whether the local stack's supervisor answers: its parts run, or are being started again."""
    from infra.local.supervisor import Control

    return Control(stack_folder(name) / "run").alive()


def check_up(name: str) -> None:
    """Raises UserError unless the local stack is up."""
    if not is_up(name):
        check_known(name)
        raise UserError(f"the stack {name} is not up; `telemetry up --name {name}` starts it")


def check_known(name: str) -> None:
    """Raises UserError for a local stack that nobody has made: its name is mistyped."""
    if not stack_folder(name).exists():
        file_settings(name)


def check_free_ports(name: str, found: Settings) -> None:
    """Refuses ports that something else holds, unless the stack itself runs."""
    from infra.local.ports import check_ports
    from infra.local.supervisor import Control, stop_left_behind

    run = stack_folder(name) / "run"
    if not Control(run).alive():
        stop_left_behind(run)
        check_ports({key: getattr(found, key) for key in PORTS})


def end_left_behind(name: str) -> None:
    """Ends the stack's processes that the engine does not know of."""
    from infra.local.supervisor import Control, socket_path, stop_left_behind

    run = stack_folder(name) / "run"
    Control(run).shutdown()
    stop_left_behind(run)
    socket_path(run).unlink(missing_ok=True)
