"""What AWS adds to a resource: ids, ARNs, names, defaults, by data/outputs.yaml."""

from __future__ import annotations

import re
import secrets
import string
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from tests.providers.standin import derived, schema
from tests.providers.standin.cloud import ACCOUNT, Cloud
from tests.providers.standin.data import row
from tests.providers.standin.naming import DEFAULTS, named_property

FIELD = re.compile(r"\{(\w+)\}")
RANDOM = re.compile(r"(hex|alnum|upper)(\d+)")
ALPHABETS = {
    "hex": "0123456789abcdef",
    "alnum": string.ascii_letters + string.digits,
    "upper": string.ascii_uppercase + string.digits,
}


class Maker:
    """Makes one resource's state."""

    def __init__(
        self, cloud: Cloud, region: str, type_: str, inputs: Mapping[str, Any], tags: Mapping[str, str]
    ) -> None:
        self.cloud = cloud
        self.region = region
        self.type = type_
        self.rule = row("outputs", type_)
        self.values: dict[str, Any] = {
            key: value for key, value in inputs.items() if key != DEFAULTS and value is not None
        }
        self._own: dict[str, str] = {}
        self.tags = tags
        self.defaulted: set[str] = set()

    def make(self) -> tuple[str, dict[str, Any]]:
        """The id and the whole state."""
        for key, value in (self.rule.get("defaults") or {}).items():
            if self.values.get(key) is None:
                self.values[key] = value
                self.defaulted.add(key)
        self._prefixed_name()
        self.values["id"] = self.fill(self.rule.get("id", self._default_id()))
        if "arn" in self.rule:
            self.values["arn"] = self.fill(self.rule["arn"])
        for key, template in (self.rule.get("outputs") or {}).items():
            if key not in self.values:
                self.values[key] = self.fill(template)
        if more := self.rule.get("more"):
            self.values |= self._function(more)(self)
        self._promised()
        id_ = str(self.values.pop("id"))
        return id_, self.values

    def _default_id(self) -> str:
        return "{name}-{hex8}"

    def _prefixed_name(self) -> None:
        """A name made from a prefix."""
        name = row("names", self.type).get("property", "name")
        prefix = self.values.get(f"{name}Prefix")
        if prefix is not None and self.values.get(name) is None:
            self.values[name] = f"{prefix}{datetime.now(UTC):%Y%m%d%H%M%S}{self.field('number').zfill(10)}"[
                : row("names", self.type).get("max", 255)
            ]

    def _promised(self) -> None:
        """Outputs that the SDK's type never leaves empty, and the merged tags."""
        known, inputs = schema.outputs_of(self.type), schema.inputs_of(self.type) or {}
        if "tagsAll" in known:
            self.values["tagsAll"] = {**self.tags, **(self.values.get("tags") or {})}
        for key, declared in known.items():
            if not declared.required or self.values.get(key) is not None:
                continue
            if key == "region":
                self.values[key] = self.region
            elif key == "arn":
                module = self.type.split(":")[1].split("/")[0]
                self.values[key] = (
                    f"arn:aws:{module}:{self.region}:{ACCOUNT}:{schema.class_name(self.type).lower()}/{self.values['id']}"
                )
            elif key not in inputs:
                blanks: dict[str, Any] = {
                    "str": f"{key}-{self.field('hex8')}",
                    "bool": False,
                    "int": 0,
                    "float": 0,
                    "list": [],
                    "map": {},
                }
                self.values[key] = blanks.get(declared.kind.kind, {})

    def fill(self, template: Any) -> Any:
        """A template's value."""
        if not isinstance(template, str):
            return template
        if template.startswith("="):
            return self._function(template[1:])(self)
        return FIELD.sub(lambda found: str(self.field(found.group(1))), template)

    def _function(self, name: str) -> Callable[[Maker], Any]:
        return getattr(derived, name)

    def field(self, name: str) -> Any:
        """One field of a template; a random one stays the same within a resource."""
        if name in self._own:
            return self._own[name]
        if name in self.values:
            return self.values[name]
        if found := RANDOM.fullmatch(name):
            made = "".join(secrets.choice(ALPHABETS[found.group(1)]) for _ in range(int(found.group(2))))
            # Every id of a resource is its own: only the same field is the same value.
            return made if name == "hex17" else self._own.setdefault(name, made)
        made = {
            "region": lambda: self.region,
            "account": lambda: ACCOUNT,
            "uuid": lambda: self._own.setdefault("uuid", str(uuid.uuid4())),
            "number": lambda: self._own.setdefault("number", str(self.cloud.next("number"))),
            "now": lambda: f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "name": lambda: self.values.get(named_property(self.type) or "name", schema.class_name(self.type).lower()),
            "name_without_slash": lambda: str(self.values.get("name", "")).lstrip("/"),
            "cluster_name": lambda: str(self.values.get("cluster", "default")).rsplit("/", 1)[-1],
        }
        if name not in made:
            raise KeyError(f"data/outputs.yaml: {self.type} has no field {name!r}")
        return made[name]()


def key_of(type_: str, id_: str, state: Mapping[str, Any]) -> str:
    """What tells this thing from others of its type in the cloud; mostly its id."""
    template = row("outputs", type_).get("key")
    return FIELD.sub(lambda found: str(state.get(found.group(1), "")), template) if template and state else id_


def after_update(maker: Maker, state: Mapping[str, Any], changed: list[str]) -> dict[str, Any]:
    """The state after an update: what AWS once gave stays, but for what follows from the change."""
    inputs_known = set(schema.inputs_of(maker.type) or {})
    computed = {key: value for key, value in state.items() if key not in inputs_known and key != "tagsAll"}
    # An input that was taken out keeps what AWS had filled in, when that was AWS's own value.
    maker.values = {**computed, **maker.values}
    for key, value in (maker.rule.get("defaults") or {}).items():
        if maker.values.get(key) is None:
            maker.values[key] = value
    # A name that was made from a prefix is no input either.
    for key in {*(maker.rule.get("outputs") or {}), named_property(maker.type) or "name"} & inputs_known:
        if maker.values.get(key) is None and state.get(key) is not None:
            maker.values[key] = state[key]
    for key in moving(maker.type, changed):
        maker.values.pop(key, None)
        template = (maker.rule.get("outputs") or {}).get(key)
        if template is not None:
            maker.values[key] = maker.fill(template)
    if (more := maker.rule.get("more")) and changed:
        maker.values |= maker._function(more)(maker)
    maker._promised()
    maker.values.pop("id", None)
    return maker.values


def moving(type_: str, changed: list[str]) -> set[str]:
    """The computed outputs that a change of these paths moves: unknown in the update's preview."""
    rules = row("moving", type_)
    return {
        output
        for path, outputs in rules.items()
        for output in outputs
        if any(item == path or item.startswith(f"{path}.") for item in changed)
    }
