"""The order in which a node is brought to what its bundle says. Ends with 1 and the reason when something can't be done."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import credentials, databases, program, service, volumes
from .files import Files
from .run import Failed, run, say, succeeds

BUNDLE = Path(__file__).resolve().parents[1]
UNITS = "/etc/systemd/system"
EXPIRY = "/opt/agent-telemetry/expiry.py"
AGENT_CONFIG = "/opt/aws/amazon-cloudwatch-agent/etc/agent-telemetry.json"


def main(bundle: Path = BUNDLE, root: Path = Path("/"), owner: str = "clickhouse", admin: str = "root") -> None:
    """Everything, again and again with the same result; what is as it should be is left alone."""
    plan: dict[str, Any] = json.loads((bundle / "plan.json").read_text())
    plan["root"] = "" if root == Path("/") else str(root)
    files = Files(root, owner, admin)
    volumes.mount(files, plan["volumes"])
    files.user(plan["folders"][0])
    for folder in (*plan["folders"], plan["secret_folder"]):
        files.folder(folder)
    program.install(files, plan["package"], plan["version"], plan["pin"])
    wanted = _wanted(files, bundle, plan)
    if plan["role"] == "server":
        databases.name_host(files, plan)
        wanted.update(databases.held_back(files, plan))
    for path, text in wanted.items():
        files.write(path, text, 0o644 if path.startswith("/etc/systemd/") else 0o640)
    for folder in plan["owned_folders"]:
        files.remove_others(folder, wanted)
    service.bring_up(plan, files.changed)
    service.wait(plan)
    if databases.FRAGMENT in wanted:
        databases.join(files, plan)
        service.bring_up(plan, files.changed)
        service.wait(plan)
    files.finished()
    _agent(Files(root, owner, admin), bundle)
    _expiry(Files(root, owner, admin), bundle)
    say(f"{plan['name']}: ClickHouse {plan['version']} serves")


def _wanted(files: Files, bundle: Path, plan: Mapping[str, Any]) -> dict[str, str]:
    """Path on the node to text: what came in the bundle and what the node reads with its own role."""
    static = bundle / "files"
    texts = {f"/{path.relative_to(static)}": path.read_text() for path in sorted(static.rglob("*")) if path.is_file()}
    texts.update(credentials.tls(files, plan))
    if plan["role"] == "server":
        texts.update(credentials.server(files, plan))
    return texts


def _agent(files: Files, bundle: Path) -> None:
    """Disk, memory and logs to CloudWatch. A node that serves without them is better than none: this only warns."""
    source = bundle / "cloudwatch-agent.json"
    try:
        if not succeeds(["rpm", "-q", "amazon-cloudwatch-agent"]):
            run(["dnf", "install", "-y", "-q", "amazon-cloudwatch-agent"])
            # The logs are the service's own.
            run(["usermod", "--append", "--groups", files.owner, "cwagent"])
        changed = files.write(AGENT_CONFIG, source.read_text(), 0o644)
        files.finished()
        if not changed and succeeds(["systemctl", "is-active", "--quiet", "amazon-cloudwatch-agent"]):
            return
        control = "/opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl"
        run([control, "-a", "fetch-config", "-m", "ec2", "-s", "-c", f"file:{AGENT_CONFIG}"])
    except Failed as error:
        say(f"warning: the CloudWatch agent does not run: {error}")


def _expiry(files: Files, bundle: Path) -> None:
    """What tells CloudWatch how long the node's certificates are still good for. Its silence is an alarm, so it only warns."""
    wanted = {f"{UNITS}/agent-telemetry-expiry.{kind}": bundle / "expiry" / kind for kind in ("service", "timer")}
    wanted[EXPIRY] = bundle / "apply" / "expiry.py"
    try:
        if any([files.write(path, source.read_text(), 0o644) for path, source in wanted.items()]):
            run(["systemctl", "daemon-reload"])
        run(["systemctl", "enable", "--now", "agent-telemetry-expiry.timer"])
        # At once: the certificate may be another one now.
        run(["systemctl", "start", "agent-telemetry-expiry.service"])
        files.finished()
    except Failed as error:
        say(f"warning: nobody measures when the certificates end: {error}")


if __name__ == "__main__":
    try:
        main()
    except Failed as error:
        print(f"failed: {error}", file=sys.stderr)
        sys.exit(1)
    finally:
        shutil.rmtree("/opt/agent-telemetry/bundle", ignore_errors=True)
