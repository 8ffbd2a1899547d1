"""What a preview found, taken from the engine's event stream."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pulumi import automation
from pulumi.automation import OpType

Op = Literal["create", "update", "replace", "delete"]
OPS: Mapping[OpType, Op] = {
    OpType.CREATE: "create",
    OpType.IMPORT: "create",
    OpType.UPDATE: "update",
    OpType.REPLACE: "replace",
    OpType.IMPORT_REPLACEMENT: "replace",
    OpType.DELETE: "delete",
}
"""Each resource once: of a replacement its halves (create-replacement, delete-replaced) are left out."""
STACK = "pulumi:pulumi:Stack"
PROVIDER = "pulumi:providers:"


@dataclass(frozen=True)
class Change:
    """One resource that an `up` would change."""

    op: Op
    type: str
    name: str
    properties: tuple[str, ...]
    """What changes, by the first step of its path."""
    causes: tuple[str, ...]
    """Of a replacement: what makes it one."""
    protected: bool
    old: Mapping[str, Any] = field(repr=False, default_factory=dict)
    """Inputs before."""
    new: Mapping[str, Any] = field(repr=False, default_factory=dict)
    """Inputs afterwards; what is not known yet is Pulumi's sentinel for it."""


@dataclass(frozen=True)
class Finding:
    """A policy's word."""

    policy: str
    mandatory: bool
    message: str
    resource: str


@dataclass
class Recorder:
    """Takes the events of one preview (Automation API, on_event)."""

    changes: list[Change] = field(default_factory=list)
    unchanged: int = 0
    findings: list[Finding] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    outputs_before: Mapping[str, Any] = field(default_factory=dict)
    outputs_after: Mapping[str, Any] = field(default_factory=dict)

    def take(self, event: automation.EngineEvent) -> None:
        """Looks at one event."""
        if event.resource_pre_event is not None:
            self._step(event.resource_pre_event.metadata)
        elif event.res_outputs_event is not None and event.res_outputs_event.metadata.type == STACK:
            self._outputs(event.res_outputs_event.metadata)
        elif event.policy_event is not None:
            found = event.policy_event
            mandatory = found.enforcement_level == "mandatory"
            self.findings.append(
                Finding(found.policy_name, mandatory, found.message.strip(), _name(found.resource_urn or ""))
            )
        elif event.diagnostic_event is not None and not event.diagnostic_event.ephemeral:
            self._said(event.diagnostic_event.severity, event.diagnostic_event.message)

    def counts(self) -> Mapping[Op, int]:
        """Changes by operation."""
        return Counter(change.op for change in self.changes)

    def refused(self) -> list[str]:
        """The policies that refuse this, by name."""
        return sorted({found.policy for found in self.findings if found.mandatory})

    def _step(self, step: automation.StepEventMetadata) -> None:
        if step.type == STACK:
            self._outputs(step)
            return
        if step.op == OpType.SAME:
            self.unchanged += 1
        if step.op not in OPS:
            return
        paths = [*(step.detailed_diff or ()), *(step.diffs or ())]
        self.changes.append(
            Change(
                OPS[step.op],
                step.type,
                _name(step.urn),
                tuple(dict.fromkeys(_first(path) for path in paths)),
                tuple(step.keys or ()),
                bool(step.old and step.old.protect),
                dict((step.old and step.old.inputs) or {}),
                dict((step.new and step.new.inputs) or {}),
            )
        )

    def _outputs(self, step: automation.StepEventMetadata) -> None:
        self.outputs_before = (step.old and step.old.outputs) or self.outputs_before
        self.outputs_after = (step.new and step.new.outputs) or self.outputs_after

    def _said(self, severity: str, message: str) -> None:
        said = _plain(message)
        # The engine's last word repeats that there was an error.
        if severity == "error" and said and said != "preview failed":
            self.errors.append(said)
        elif severity == "warning" and said and said not in self.warnings:
            self.warnings.append(said)


def is_ours(change: Change) -> bool:
    """Whether a person would count it: providers are not deployed anywhere."""
    return not change.type.startswith(PROVIDER)


def _name(urn: str) -> str:
    return urn.rsplit("::", 1)[-1]


def _first(path: str) -> str:
    """`config` of `config["a.b"]`, `config.a` or `config[0]`."""
    return path.split(".", 1)[0].split("[", 1)[0]


def _plain(message: str) -> str:
    """Without the engine's colours (<{%fg 1%}>)."""
    text = message
    while "<{%" in text:
        before, _, rest = text.partition("<{%")
        text = before + rest.partition("%}>")[2]
    return text.strip()
