"""What a change does: replacement or update, by data/replacements.yaml (measured) and else by the SDK's own descriptions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pulumi.runtime.proto import provider_pb2

from tests.providers.standin import schema, wire
from tests.providers.standin.changes import changed_paths
from tests.providers.standin.data import row
from tests.providers.standin.naming import DEFAULTS, named_property

Kind = provider_pb2.PropertyDiff


def rule_for(token: str, path: str) -> tuple[dict[str, Any] | None, str]:
    """The rule for a changed path, and where it comes from: measured, assumed, documented or unlisted."""
    rows = row("replacements", token)
    for source in ("measured", "assumed"):
        for action in ("replace", "update"):
            for entry in (rows.get(source) or {}).get(action) or []:
                rule = entry if isinstance(entry, dict) else {"path": entry}
                covers = (
                    path == rule["path"] or path.startswith(rule["path"] + ".") or rule["path"].startswith(path + ".")
                )
                if covers:
                    return {**rule, "action": action}, source
    top = path.split(".")[0]
    declared = (schema.inputs_of(token) or {}).get(top)
    if declared is not None and declared.forces_new:
        return {"action": "replace", "path": top}, "documented"
    if not rows and path == named_property(token):
        return {"action": "replace", "path": path}, "assumed"
    return None, "unlisted"


def replaces(token: str, path: str, olds: Mapping[str, Any], news: Mapping[str, Any]) -> bool:
    """Whether the change of this path needs a new resource."""
    rule, _ = rule_for(token, path)
    if rule is None or rule["action"] != "replace":
        return False
    return all(news.get(key) == wanted for key, wanted in (rule.get("when") or {}).items())


def diff(token: str, olds: dict[str, Any], news: dict[str, Any], extra: tuple[str, ...] = ()) -> Any:
    """The engine's answer. `extra` paths replace whatever the inputs say (a certificate that is due)."""
    changed = [*changed_paths(olds, news), *extra]
    if not changed:
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)
    replaced = [path for path in changed if path in extra or replaces(token, path, olds, news)]
    answer = provider_pb2.DiffResponse(
        changes=provider_pb2.DiffResponse.DIFF_SOME,
        diffs=sorted({path.split(".")[0] for path in changed}),
        replaces=sorted({path.split(".")[0] for path in replaced}),
        hasDetailedDiff=True,
        deleteBeforeReplace=bool(replaced) and _name_is_kept(token, olds, news),
    )
    for path in changed:
        base = _kind(olds, news, path)
        answer.detailedDiff[path].CopyFrom(Kind(kind=base + 1 if path in replaced else base, inputDiff=True))
    return answer


def _kind(olds: Mapping[str, Any], news: Mapping[str, Any], path: str) -> Any:
    top = path.split(".")[0]
    if olds.get(top) is None:
        return Kind.ADD
    return Kind.DELETE if news.get(top) is None else Kind.UPDATE


def _name_is_kept(token: str, olds: Mapping[str, Any], news: Mapping[str, Any]) -> bool:
    """A name that the program fixed is taken until the old resource is gone: pulumi-aws then deletes first."""
    name = named_property(token)
    if name is None or name in news.get(DEFAULTS, []) or news.get(name) is None:
        return False
    return wire.same(olds.get(name), news.get(name))
