"""What the steps on Grafana share: when one is written again, and what a refresh looks at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pulumi.dynamic import CreateResult, DiffResult, ReadResult, ResourceProvider, UpdateResult

from infra.dynamic import plain_props
from infra.errors import UserError
from infra.postdeploy.grafana_api import GrafanaApi, api_of

ADDRESS = ("grafana", "grafana_access")


class GrafanaProvider(ResourceProvider):
    """A dynamic provider of one object in Grafana. `live` finds it, `write` makes or overwrites it, `remove` deletes it."""

    serialize_as_secret_always = False
    watched: tuple[str, ...]
    """Inputs that have it written again when one of them, or the endpoint, changes."""

    def id_of(self, props: Mapping[str, Any]) -> str:
        """The resource's id: the object's uid."""
        return str(props["uid"])

    def live(self, api: GrafanaApi, props: Mapping[str, Any]) -> dict[str, Any] | None:
        """The watched inputs as Grafana has them (those that it tells); None when the object is not there."""
        raise NotImplementedError

    def objection(self, api: GrafanaApi, props: Mapping[str, Any], fresh: bool) -> str:
        """Why it may not be written, said before it is; ''. `fresh`: it is about to be made, so what has its uid is
        somebody else's, or what a broken run left."""
        return ""

    def write(self, api: GrafanaApi, props: Mapping[str, Any]) -> None:
        raise NotImplementedError

    def remove(self, api: GrafanaApi, props: Mapping[str, Any]) -> None:
        raise NotImplementedError

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        moved = [key for key in ("uid",) if olds.get(key) != news.get(key)]
        changed = [key for key in (*self.watched, *ADDRESS) if olds.get(key) != news.get(key)]
        return DiffResult(changes=bool(moved or changed), replaces=moved)

    def create(self, props: dict[str, Any]) -> CreateResult:
        return CreateResult(self.id_of(props), self._written(props, fresh=True))

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        return UpdateResult(self._written(news, fresh=False))

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        with api_of(props) as api:
            found = self.live(api, props)
        return ReadResult("", {}) if found is None else ReadResult(id_, {**plain_props(props), **found})

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        with api_of(props) as api:
            self.remove(api, props)

    def _written(self, props: dict[str, Any], fresh: bool) -> dict[str, Any]:
        with api_of(props) as api:
            if against := self.objection(api, props, fresh):
                raise UserError(f"Grafana at {api.url}: {against}")
            self.write(api, props)
        return plain_props(props)
