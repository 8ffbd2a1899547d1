"""The stand-in for pulumi-aws."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

from tests.providers.standin import (
    check,
    differ,
    invokes,
    names,
    naming,
    operations,
    outputs,
    references,
    rules,
    schema,
    wire,
)
from tests.providers.standin.changes import changed_paths
from tests.providers.standin.cloud import ACCOUNT, Refused, Resource
from tests.providers.standin.data import row
from tests.providers.standin.server import Failures, StandIn

REGIONS = ("us-", "eu-", "ap-", "ca-", "sa-", "me-", "af-", "il-", "mx-")


class Aws(StandIn):
    """AWS as its users meet it: it refuses what AWS refuses, replaces what AWS replaces, and remembers."""

    package = "aws"

    @property
    def region(self) -> str:
        return self.config.get("region") or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or ""

    @property
    def default_tags(self) -> dict[str, str]:
        return (self.config.get("defaultTags") or {}).get("tags") or {}

    def configure(self, config: dict[str, Any]) -> None:
        # Nested values of a provider's configuration arrive as JSON text.
        self.config = {key: _parsed(value) for key, value in config.items()}
        if not self.region.startswith(REGIONS):
            raise Refused("InvalidRegion", f"Invalid AWS Region: {self.region!r}; set aws:region")
        allowed = self.config.get("allowedAccountIds")
        if allowed and ACCOUNT not in allowed:
            raise Refused("AccountNotAllowed", f"AWS account ID not allowed: {ACCOUNT}")

    def check(self, type_: str, urn: str, olds: dict, news: dict, seed: bytes) -> tuple[dict, Failures]:
        failures = check.check_inputs(type_, news)
        if schema.inputs_of(type_) is None:
            return news, failures
        inputs = naming.with_name(type_, urn, olds, news, seed)
        failures += names.check_form(type_, inputs)
        if not failures:
            failures += rules.check_values(type_, inputs, self.region)
        return inputs, failures

    def diff(self, type_: str, urn: str, state: dict, olds: dict, news: dict) -> Any:
        # As the real provider: against what AWS said last, where that differs from what was asked for.
        olds = {key: state.get(key, value) for key, value in olds.items()}
        changed = changed_paths(olds, news)
        unlisted = [path for path in changed if differ.rule_for(type_, path)[1] == "unlisted"]
        if unlisted:
            self._note("diff", type_, urn, unlisted)
        return differ.diff(type_, olds, news)

    def planned(self, type_: str, state: dict, olds: dict, news: dict) -> dict:
        moved = outputs.moving(type_, changed_paths(olds, news))
        planned = {key: value for key, value in state.items() if key not in olds}
        return {**planned, **news, **dict.fromkeys(moved, wire.UNKNOWN)}

    def create(self, type_: str, urn: str, inputs: dict) -> tuple[str, dict]:
        if not row("outputs", type_):
            self._note("create", type_, urn, [])
        with self._busy(type_, inputs):
            with self.cloud.transaction():
                references.check(self.cloud, type_, inputs)
                maker = outputs.Maker(self.cloud, self.region, type_, inputs, self.default_tags)
                id_, state = maker.make()
                names.check_free(self.cloud, type_, state)
                resource = Resource(type_, outputs.key_of(type_, id_, state), urn, _stored(inputs), state)
                if self.cloud.get(type_, resource.id):
                    raise Refused("AlreadyExists", f"{type_} {id_} already exists")
                rules.before_create(self.cloud, resource)
                self.cloud.put(resource)
                rules.after_create(self.cloud, resource)
            self._take_time(type_)
        return id_, resource.outputs

    def update(self, type_: str, urn: str, id_: str, state: dict, olds: dict, news: dict) -> dict:
        with self._busy(type_, news):
            with self.cloud.transaction():
                old = self._live(type_, outputs.key_of(type_, id_, state))
                references.check(self.cloud, type_, news)
                maker = outputs.Maker(self.cloud, self.region, type_, news, self.default_tags)
                changed = changed_paths(old.inputs, news)
                fresh = outputs.after_update(maker, old.outputs, changed)
                names.check_free(self.cloud, type_, fresh, old.id)
                resource = Resource(type_, old.id, urn, _stored(news), fresh)
                rules.before_update(self.cloud, old, resource, changed)
                self.cloud.put(resource)
                rules.after_create(self.cloud, resource)
            self._take_time(type_)
        return resource.outputs

    def delete(self, type_: str, urn: str, id_: str, state: dict) -> None:
        resource = self.cloud.get(type_, outputs.key_of(type_, id_, state))
        if resource is None:
            return  # someone was faster; the provider takes AWS's "not found" as done
        with self._busy(type_, resource.inputs):
            with self.cloud.transaction():
                rules.before_delete(self.cloud, resource, state)
                references.check_unused(self.cloud, resource)
                self.cloud.remove(type_, resource.id)
                rules.after_delete(self.cloud, resource, state)
            self._take_time(type_)

    def read(self, type_: str, urn: str, id_: str, state: dict, inputs: dict) -> tuple[dict, dict] | None:
        found = self.cloud.get(type_, outputs.key_of(type_, id_, state))
        if found is None:
            return None
        known = schema.inputs_of(type_) or {}
        # Like the real provider: inputs that the program gave, as they are now; on an import everything that is an input.
        wanted = [key for key in (inputs or known) if key in known and key in found.outputs]
        fresh = {key: found.outputs[key] for key in wanted if key in inputs or key in found.inputs}
        return found.outputs, {**fresh, naming.DEFAULTS: inputs.get(naming.DEFAULTS, [])}

    def invoke(self, token: str, arguments: dict) -> dict:
        return invokes.answer(self.cloud, self.region, token, arguments)

    def _live(self, type_: str, id_: str) -> Resource:
        found = self.cloud.get(type_, id_)
        if found is None:
            raise Refused("ResourceNotFoundException", f"{type_} {id_} does not exist (deleted by hand?)")
        return found

    def _busy(self, type_: str, inputs: Mapping[str, Any]) -> Any:
        key = rules.one_at_a_time(type_, inputs)
        if key is None:
            return nullcontext()
        refusal = Refused(
            "BadRequestException", f"You can't change this cluster while another operation is in progress: {key}"
        )
        return self.cloud.busy(key, refusal)

    def _take_time(self, type_: str) -> None:
        """So that operations overlap in the log when nothing orders them."""
        time.sleep(row("outputs", type_).get("seconds", 0))

    def _note(self, op: str, type_: str, urn: str, paths: list[str]) -> None:
        now = time.time()
        record = {
            "op": f"unlisted {op}",
            "type": type_,
            "urn": urn,
            "id": "",
            "began": now,
            "ended": now,
            "changed": paths,
            "unlisted": True,
        }
        operations.write(self.cloud.folder, record)


def _stored(inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in inputs.items() if key != naming.DEFAULTS and value is not None}


def _parsed(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in "{[":
        try:
            return json.loads(value)
        except ValueError:
            return value
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value
