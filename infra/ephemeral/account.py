"""Ephemeral stacks on AWS where their state is: listed, marked and forgotten without their files, by the chosen backend."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import yaml
from pulumi import automation

from infra.automation import opening_error
from infra.backend import AccountWorkspace, account_workspace, chosen_backend, find_stack
from infra.config import PROJECT, stack_file, stack_file_content
from infra.ephemeral import lifetime
from infra.ephemeral.record import EXPIRES, Record, record
from infra.ephemeral.standing import ENTRIES, What, Work, at_work, work
from infra.ephemeral.teardown import is_locked
from infra.errors import UserError
from infra.local.toolchain import Toolchain
from infra.paths import ROOT

CRYPTO = ("secretsprovider", "encryptedkey", "encryptionsalt")
"""What a stack's file says of how its secrets are encrypted; its state says the same."""


WHAT = "ephemeral stacks on AWS"


@dataclass(frozen=True)
class Known:
    """A stack that is in the backend."""

    name: str
    record: Record | None
    """None: it is not ephemeral."""
    resources: int
    """In its state. None of them costs anything where it is 0."""
    work: Work | None = None
    """What a command does with it, or did when it was killed."""

    @property
    def nothing_made(self) -> bool:
        """Whether the state has at most the stack itself, which the engine enters before the program has said anything."""
        return self.resources <= 1

    @property
    def here(self) -> bool:
        """Whether it is on this machine."""
        return self.record is not None and self.record.platform == "local"

    def busy(self) -> bool:
        """Whether a command works on it."""
        return self.work is not None and self.work.goes_on(datetime.now(UTC), self.here)


class Account:
    """The stacks of this project in the chosen backend."""

    def __init__(self, toolchain: Toolchain) -> None:
        chosen_backend(WHAT)
        self._toolchain = toolchain
        self._workspace: AccountWorkspace = account_workspace(toolchain)

    def all(self) -> list[Known]:
        """The ephemeral stacks. Only their state is read: a role may be allowed no other's."""
        words = ["stack", "ls", "--json", "--project", PROJECT, "--tag", EXPIRES]
        found = (self._known(item) for item in json.loads(self._ask(WHAT, *words)))
        return [known for known in found if known]

    def find(self, name: str) -> Known | None:
        """The stack of this name, ephemeral or not."""
        try:
            self._workspace.select_stack(name)
        except automation.StackNotFoundError:
            return None
        except automation.CommandError as error:
            raise opening_error(name, error) from None
        resources = (self._state(name).get("deployment") or {}).get("resources") or []
        return self._tagged(name, len(resources))

    def mark(self, name: str, found: Record) -> None:
        """Writes the record of a stack that is there."""
        tags = found.tags()
        known = json.loads(self._ask(name, "stack", "tag", "ls", "--json", "--stack", name))
        for key, value in tags.items():
            if known.get(key) != value:
                self._ask(name, "stack", "tag", "set", key, value, "--stack", name)

    def at_work(self, name: str, what: What, others: bool) -> AbstractContextManager[None]:
        """Writes down what is being done while this lasts; not where another command works on it (`others`)."""
        return at_work(self._workspace, name, what, others)

    def history(self, name: str) -> list[dict[str, Any]]:
        """The engine's, newest first."""
        return json.loads(self._ask(name, "stack", "history", "--json", "--page-size", str(ENTRIES), "--stack", name))

    def take_back(self, name: str, made: Record) -> bool:
        """Removes a stack that this command has entered, with this record, and that nothing has come of. One that has resources
        or that another command has in hand stays. Returns whether there is none now. Raises UserError."""
        known = self.find(name)
        if known is None:
            return True
        if known.nothing_made and (known.record is None or known.record.tags() == made.tags()):
            # The engine holds its lock meanwhile, and looks at the state once more.
            return removed_if_idle(name, lambda: self._workspace.ask(removal(name)))
        return False

    def crypto(self, name: str) -> dict[str, str]:
        """How its secrets are encrypted, as a stack file has it: by the file that is here, else by its state."""
        path = ROOT / stack_file(name)
        if path.exists() and (found := {k: v for k, v in stack_file_content(path).items() if k in CRYPTO}):
            return found
        return crypto_of(self._state(name))

    @contextmanager
    def opened(self, known: Known) -> Iterator[automation.Stack]:
        """The stack for a command that runs no program. A file that is not here is so again afterwards."""
        path = ROOT / stack_file(known.name)
        before = path.read_text() if path.exists() else None
        if before is None:
            expires = lifetime.written(known.record.expires) if known.record else ""
            config = {f"{PROJECT}:platform": "aws", f"{PROJECT}:protect": False, f"{PROJECT}:expiresAt": expires}
            path.write_text(yaml.safe_dump({**self.crypto(known.name), "config": config}, sort_keys=False))
        try:
            stack = find_stack(known.name, self._toolchain)
            if stack is None:  # somebody else was faster
                raise automation.StackNotFoundError(known.name)  # type: ignore[arg-type]
            yield stack
        finally:
            if before is None:
                path.unlink(missing_ok=True)

    def unlock(self, name: str) -> None:
        """Takes away the lock that a killed command left."""
        with suppress(automation.CommandError):  # there is none
            self._workspace.ask(["cancel", "--yes", "--stack", name])

    def forget(self, name: str) -> None:
        """Removes a destroyed stack from the backend: state, its copies, history, locks, record; and its file here. Raises
        UserError while the state has resources."""
        self._ask(name, *removal(name))
        (ROOT / stack_file(name)).unlink(missing_ok=True)

    def _known(self, item: Mapping[str, Any]) -> Known | None:
        name = str(item["name"]).rpartition("/")[2]
        try:
            return self._tagged(name, int(item.get("resourceCount") or 0))
        except UserError:
            if self.find(name) is None:  # gone since it was listed
                return None
            raise

    def _tagged(self, name: str, resources: int) -> Known:
        tags = json.loads(self._ask(name, "stack", "tag", "ls", "--json", "--stack", name))
        return Known(name, record(tags), resources, work(tags))

    def _state(self, name: str) -> dict[str, Any]:
        return json.loads(self._ask(name, "stack", "export", "--stack", name))

    def _ask(self, name: str, *words: str) -> str:
        try:
            return self._workspace.ask(words)
        except automation.CommandError as error:
            raise opening_error(name, error) from None


def removal(name: str) -> list[str]:
    """The engine's words for: state, its copies, history, locks and tags, but not the file."""
    return ["stack", "rm", name, "--yes", "--remove-backups", "--preserve-config"]


def removed_if_idle(name: str, remove: Callable[[], object]) -> bool:
    """Whether it is removed; False where another command holds its lock. Raises UserError."""
    try:
        remove()
    except automation.CommandError as error:
        if is_locked(error):
            return False
        raise opening_error(name, error) from None
    return True


def crypto_of(state: Mapping[str, Any]) -> dict[str, str]:
    """The stack file's lines for the secrets provider that a state names."""
    provider = (state.get("deployment") or {}).get("secrets_providers") or {}
    kept = provider.get("state") or {}
    if provider.get("type") == "cloud":
        return {"secretsprovider": kept["url"], "encryptedkey": kept["encryptedkey"]}
    return {"encryptionsalt": kept["salt"]} if provider.get("type") == "passphrase" else {}
