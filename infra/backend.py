"""The engine for stacks on AWS: backend and secrets provider are the user's own, and nothing local is touched."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml
from pulumi import automation
from pulumi.automation._stack import StackInitMode

from infra.automation import (
    LOCAL_PASSPHRASE,
    KnownCommand,
    StackWithoutHistory,
    engine_environment,
    opening_error,
    program,
)
from infra.aws.bootstrap.settings import provider_of, uses_bootstrap_key
from infra.config import stack_file, stack_file_content
from infra.errors import UserError
from infra.local.toolchain import Toolchain
from infra.paths import ROOT, STACKS

SECRET = "[secret]"
"""What the engine writes in a secret output's place."""
CLOUD = "https://api.pulumi.com"


def backend_url() -> str:
    """The chosen backend, by the engine's own order; '' when none was chosen."""
    if url := os.environ.get("PULUMI_BACKEND_URL"):
        return url
    project = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())
    if url := (project.get("backend") or {}).get("url"):
        return url
    home = os.environ.get("PULUMI_HOME") or str(Path.home() / ".pulumi")
    signed_in = Path(os.environ.get("PULUMI_CREDENTIALS_PATH") or home) / "credentials.json"
    try:
        if url := json.loads(signed_in.read_text()).get("current"):
            return url
    except (OSError, ValueError):
        pass
    return CLOUD if os.environ.get("PULUMI_ACCESS_TOKEN") else ""


def chosen_backend(what: str, stack: str = "local") -> str:
    """The backend's URL, for `what` (the stack dev). Raises UserError when none is chosen, or a local stack's."""
    url = backend_url()
    if not url:
        raise UserError(
            f"no backend is chosen for {what}. Its state is yours to keep: run `pulumi login s3://BUCKET` (or "
            "any other that `pulumi login --help` names; `telemetry env` puts a `pulumi` on PATH), or set "
            "PULUMI_BACKEND_URL"
        )
    if url.startswith(STACKS.as_uri()):
        raise UserError(
            f"PULUMI_BACKEND_URL is a local stack's ({url}), as `telemetry env` exports it: "
            f'`eval "$(telemetry env --name {stack})"` takes it away again'
        )
    return url


def check_backend(stack: str, content: Mapping[str, Any] | None = None) -> None:
    """Raises UserError unless a backend and a secrets provider are chosen, and neither is a local stack's. `content`: of a
    stack file that is still to be written."""
    url = chosen_backend(f"the stack {stack}", stack)
    path = ROOT / stack_file(stack)
    provider = _given_provider(content or stack_file_content(path))
    if provider:
        _check_context(stack, provider)
    if url.startswith(("http://", "https://")) or provider:
        return
    passphrase = os.environ.get("PULUMI_CONFIG_PASSPHRASE")
    if passphrase == LOCAL_PASSPHRASE:
        raise UserError(
            "PULUMI_CONFIG_PASSPHRASE is the local stacks', which everybody knows: set one of your own, or a "
            f"`secretsprovider:` in {path.name}"
        )
    if passphrase is None and not os.environ.get("PULUMI_CONFIG_PASSPHRASE_FILE"):
        raise UserError(
            f"nothing encrypts the secrets of the stack {stack} in {url}: write `secretsprovider: awskms://alias/NAME` "
            f"into {path.name}, or set PULUMI_CONFIG_PASSPHRASE"
        )


def _check_context(stack: str, provider: str) -> None:
    """Raises UserError where the bootstrap's key encrypts without the stack's name, by which IAM tells stacks apart."""
    wanted = provider_of(stack, provider)
    if not uses_bootstrap_key(provider) or f"context_stack={stack}" in provider.partition("?")[2].split("&"):
        return
    raise UserError(
        f"{stack_file(stack)}: `secretsprovider` does not say context_stack={stack}, so GitHub's roles may not open the "
        "stack's secrets, and must not (docs/pull-requests.md). Is the stack in the backend already? Then somebody who may use "
        f"the whole key runs, once,\n  pulumi stack change-secrets-provider '{wanted}' --stack {stack}\nand commits the file. "
        f"Is it new? Then write\n  secretsprovider: {wanted}\nand remove `encryptedkey`, if it was copied from another's file"
    )


def _given_provider(content: Mapping[str, Any]) -> str:
    """The stack file's secrets provider, unless that is a passphrase."""
    given = str(content.get("secretsprovider") or "")
    return "" if given == "passphrase" else given


class AccountWorkspace(automation.LocalWorkspace):
    """Leaves the user's selected stack alone, and never asks the engine for a secret's text."""

    def create_stack(self, stack_name: str) -> None:
        """Makes the stack in the backend."""
        provider = ["--secrets-provider", self.secrets_provider] if self.secrets_provider else []
        self._run_pulumi_cmd_sync(["stack", "init", stack_name, "--no-select", *provider])

    def select_stack(self, stack_name: str) -> None:
        """Raises StackNotFoundError unless it exists; every later command names it."""
        self._run_pulumi_cmd_sync(["stack", "--stack", stack_name])

    def ask(self, words: Sequence[str]) -> str:
        """What a command says that the Automation API has not."""
        return self._run_pulumi_cmd_sync([*words]).stdout

    def stack_outputs(self, stack_name: str) -> automation.OutputMap:
        """The outputs of the last `up`, with SECRET in the place of secret ones."""
        said = self._run_pulumi_cmd_sync(["stack", "output", "--json", "--stack", stack_name]).stdout
        return {key: automation.OutputValue(value, value == SECRET) for key, value in json.loads(said).items()}


def account_workspace(
    toolchain: Toolchain, run: Callable[[], None] = program, secrets_provider: str = ""
) -> AccountWorkspace:
    """The engine on the chosen backend."""
    return AccountWorkspace(
        work_dir=str(ROOT),
        program=run,
        env_vars=engine_environment(toolchain.pulumi_root),
        secrets_provider=secrets_provider or None,
        pulumi_command=KnownCommand(toolchain),
    )


def find_stack(
    stack: str, toolchain: Toolchain, run: Callable[[], None] = program, create: bool = False
) -> automation.Stack | None:
    """The stack in the chosen backend; None when it is not there, unless `create`. Raises UserError."""
    check_backend(stack)
    content = stack_file_content(ROOT / stack_file(stack))
    workspace = account_workspace(toolchain, run, _given_provider(content))
    try:
        mode = StackInitMode.CREATE_OR_SELECT if create else StackInitMode.SELECT
        return StackWithoutHistory(stack, workspace, mode)
    except automation.StackNotFoundError:
        return None
    except automation.CommandError as error:
        raise opening_error(stack, error) from None


def open_stack(stack: str, toolchain: Toolchain, create: bool = False) -> automation.Stack:
    """The same, refused when it is not there."""
    found = find_stack(stack, toolchain, create=create)
    if found is None:
        raise UserError(f"the stack {stack} is not in {backend_url()}; `telemetry up --name {stack}` makes it")
    return found


def outputs(stack: str, toolchain: Toolchain) -> dict[str, Any]:
    """What the stack's last `up` said."""
    opened = open_stack(stack, toolchain)
    try:
        return {key: output.value for key, output in opened.outputs().items()}
    except automation.CommandError as error:
        raise opening_error(stack, error) from None


@contextmanager
def forgotten_afterwards(
    stack: str, toolchain: Toolchain, run: Callable[[], None] = program
) -> Iterator[automation.Stack]:
    """A stack that is not there yet, for a preview: backend and stack file are as before at the end."""
    path = ROOT / stack_file(stack)
    before = path.read_text()
    made = find_stack(stack, toolchain, run, create=True)
    assert made is not None
    try:
        yield made
    finally:
        # The engine refuses when somebody's `up` has put resources into it meanwhile.
        with suppress(automation.CommandError):
            made.workspace.remove_stack(stack, preserve_config=True)
            path.write_text(before)
