"""`python -m infra.comment.declared STACK`: everything that this tree's program declares for a stack, as JSON.

The program runs as in a preview, but without an engine, a state or credentials: what only AWS knows is a placeholder. So
two trees can be compared where nobody may sign in (a fork's pull request).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pulumi.runtime.rpc import UNKNOWN

from infra.comment.dashboards import Pending, pending_of
from infra.comment.recorder import PROVIDER, STACK, Change, Op, Recorder
from infra.errors import UserError

SECONDS = 120
SIGNS: Mapping[Op, str] = {"create": "+", "update": "~", "delete": "-", "replace": "~"}
ANSWERS: Mapping[str, Mapping[str, Any]] = {
    "aws:index/getAvailabilityZones:getAvailabilityZones": {
        "names": ["zone-1", "zone-2", "zone-3"],
        "zoneIds": ["id-1", "id-2", "id-3"],
    },
    "aws:ssm/getParameter:getParameter": {"value": "ami-placeholder"},
}
"""What the program asks AWS while it declares."""
SECRET = "4dabf18193072939515e22adb298388d"
"""Pulumi's mark of a wrapped value; only a secret's is met here."""


def declared(stack: str) -> dict[str, Any]:
    """Resources (type and name to inputs), what else the engine is told of each (its URN, whether it is protected, what its
    inputs are made of) and outputs of the program here. Changes Pulumi's global runtime: for a process of its own. Raises
    UserError."""
    import pulumi
    from pulumi.runtime import Mocks, mocks, set_mocks
    from pulumi.runtime.stack import wait_for_rpcs
    from pulumi.runtime.sync_await import _sync_await

    from infra.config import PROJECT, file_settings
    from infra.pipeline import deploy

    resources: dict[str, dict[str, Any]] = {}
    registered: dict[str, dict[str, Any]] = {}
    ignored: dict[str, Sequence[str]] = {}

    class Monitor(mocks.MockMonitor):
        def RegisterResource(self, request: Any) -> Any:
            key = f"{request.type}::{request.name}"
            ignored[key] = list(request.ignoreChanges)
            made = super().RegisterResource(request)
            refers = {name: [*found.urns] for name, found in request.propertyDependencies.items() if found.urns}
            registered[key] = {"urn": made.urn, "protect": request.protect, "refers": refers}
            return made

    class Declaring(Mocks):
        def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
            key = f"{args.typ}::{args.name}"
            resources[key] = {name: value for name, value in _plain(args.inputs).items() if name not in ignored[key]}
            computed = {key: f"{args.name}.{key}" for key in ("arn", "name", "bucket")}
            return f"{args.name}.id", {**computed, **args.inputs}

        def call(self, args: mocks.MockCallArgs) -> Any:
            return dict(ANSWERS.get(args.token, {}))

    exported: dict[str, Any] = {}
    # Without an engine there is no stack resource that would take them.
    pulumi.export = exported.__setitem__
    declaring = Declaring()
    set_mocks(declaring, project=PROJECT, stack=stack, preview=True, monitor=Monitor(declaring))
    deploy(file_settings(stack), stack)
    outputs: dict[str, Any] = {}
    for key, value in exported.items():  # each by itself: what is not known yet is left out
        pulumi.Output.from_input(value).apply(lambda found, key=key: outputs.__setitem__(key, found))
    _sync_await(wait_for_rpcs())
    return {"resources": resources, "registered": registered, "outputs": _plain(outputs)}


def _plain(value: Any) -> Any:
    """Without secrets, and with Pulumi's sentinel for what is not known yet."""
    if isinstance(value, Mapping):
        return "[secret]" if SECRET in value else {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    # What is left is Pulumi's own Unknown, which has no text of its own.
    return value if value is None or isinstance(value, str | int | float | bool) else UNKNOWN


def of_tree(tree: Path, stack: str) -> dict[str, Any]:
    """What the program in another checkout declares, run by this interpreter. Raises UserError."""
    command = [sys.executable, "-m", "infra.comment.declared", stack]
    done = subprocess.run(
        command, cwd=tree, env=_environment(tree), capture_output=True, text=True, timeout=SECONDS, check=False
    )
    if done.returncode != 0:
        raise UserError(f"{tree}: the program does not declare the stack {stack}:\n{done.stderr.strip()[-2000:]}")
    return json.loads(done.stdout)


def _environment(tree: Path) -> dict[str, str]:
    # No credential of whoever runs this is any business of the other tree's code.
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "PULUMI_", "GITHUB_"))}
    return {**kept, "PYTHONPATH": str(tree)}


def compared(before: Mapping[str, Any], after: Mapping[str, Any]) -> Recorder:
    """The difference as a preview would record it. What would be replaced is not known: that takes the state."""
    old, new = before["resources"], after["resources"]
    recorder = Recorder(outputs_before=before["outputs"], outputs_after=after["outputs"])
    for key in [*new, *(key for key in old if key not in new)]:
        type_, _, name = key.partition("::")
        if type_ == STACK or type_.startswith(PROVIDER):
            continue
        if key in old and key in new and old[key] == new[key]:
            recorder.unchanged += 1
            continue
        op: Op = "create" if key not in old else "delete" if key not in new else "update"
        was, will = old.get(key, {}), new.get(key, {})
        moved = tuple(sorted(item for item in {*was, *will} if was.get(item) != will.get(item)))
        recorder.changes.append(Change(op, type_, name, moved, (), False, was, will))
    return recorder


def grafana_changes(recorder: Recorder) -> list[Pending]:
    """Dashboards and alert rules among the changes."""
    found = (pending_of(item.type, SIGNS[item.op], item.old, item.new) for item in recorder.changes)
    return [item for item in found if item is not None]


def main() -> int:
    """Prints the JSON; a UserError on stderr."""
    try:
        print(json.dumps(declared(sys.argv[1])))
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # Pulumi's event loop complains when the interpreter takes it down.
    os._exit(code)
