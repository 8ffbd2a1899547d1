"""What the random and tls stand-ins share: made once, kept in the engine's state alone, replaced by every change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pulumi.runtime.proto import provider_pb2

from tests.providers.standin import check, differ, schema, wire
from tests.providers.standin.changes import changed_paths
from tests.providers.standin.server import Failures, StandIn


class Stateless(StandIn):
    """A provider whose resources live in the state."""

    in_place: ClassVar[Mapping[str, frozenset[str]]] = {}
    """Inputs whose change needs no new resource, by type."""

    def check(self, type_: str, urn: str, olds: dict, news: dict, seed: bytes) -> tuple[dict, Failures]:
        failures = check.check_inputs(type_, news)
        if not failures and schema.inputs_of(type_) is not None and not wire.has_unknown(news):
            failures = self.problems(type_, news)
        return news, failures

    def problems(self, type_: str, inputs: Mapping[str, Any]) -> Failures:
        return []

    def due(self, type_: str, state: Mapping[str, Any]) -> tuple[str, ...]:
        """Outputs by which the thing asks to be made anew."""
        return ()

    def diff(self, type_: str, urn: str, state: dict, olds: dict, news: dict) -> Any:
        kept = self.in_place.get(type_, frozenset())
        changed = changed_paths(olds, news)
        due = self.due(type_, {**state, **news})
        forced = [path for path in changed if path.split(".")[0] not in kept]
        answer = differ.diff(type_, olds, news, due)
        kind = provider_pb2.PropertyDiff.UPDATE_REPLACE
        for path in forced:
            answer.detailedDiff[path].CopyFrom(provider_pb2.PropertyDiff(kind=kind, inputDiff=True))
        answer.replaces[:] = sorted({path.split(".")[0] for path in [*forced, *due]})
        answer.deleteBeforeReplace = False
        return answer

    def update(self, type_: str, urn: str, id_: str, state: dict, olds: dict, news: dict) -> dict:
        return {**{key: value for key, value in state.items() if key not in olds}, **news}

    def delete(self, type_: str, urn: str, id_: str, state: dict) -> None:
        """Nothing exists outside of the state."""
