"""What the steps on ClickHouse share: when they run again, and what a refresh does while ClickHouse is away."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pulumi.dynamic import CreateResult, DiffResult, ReadResult, ResourceProvider, UpdateResult

from infra.dynamic import plain_props
from infra.postdeploy.clickhouse_inputs import changed, client_of, reachable_client_of

if TYPE_CHECKING:  # slow to import, and the Pulumi program only declares this step
    from clickhouse_connect.driver.client import Client


class StepProvider(ResourceProvider):
    """A dynamic provider of something in ClickHouse, whose endpoint is among the inputs (clickhouse_inputs)."""

    serialize_as_secret_always = False
    watched: tuple[str, ...]
    """Inputs that have the step run again when one of them, or the endpoint, changes."""

    def look(self, client: Client, id_: str, props: dict[str, Any]) -> ReadResult:
        """The step's state as the live ClickHouse has it; `props` are the ones of the last run."""
        raise NotImplementedError

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        return DiffResult(changes=changed(olds, news, *self.watched))

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        outs = plain_props(props)
        with reachable_client_of(props) as client:
            return self.look(client, id_, outs) if client else ReadResult(id_, outs)


class ReconcilingProvider(StepProvider):
    """A step whose first run and every later one do the same: bring ClickHouse to what the inputs say."""

    def id_of(self, props: Mapping[str, Any]) -> str:
        """The resource's id."""
        raise NotImplementedError

    def reconcile(self, client: Client, props: dict[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
        """Does it and returns outputs beside the inputs; `before`: the outputs of the last run, empty at first."""
        raise NotImplementedError

    def create(self, props: dict[str, Any]) -> CreateResult:
        return CreateResult(self.id_of(props), self._run(props, {}))

    def update(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        return UpdateResult(self._run(news, olds))

    def _run(self, props: dict[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
        with client_of(props) as client:
            return plain_props(props) | self.reconcile(client, props, before)
