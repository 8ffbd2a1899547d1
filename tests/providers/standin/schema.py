"""What a resource type takes and gives, read from the SDK's own source: names, types, what is required.

The SDK's modules are read as text, never imported: importing pulumi_aws.ec2 takes seconds, finding one class in its file
takes milliseconds.
"""

from __future__ import annotations

import ast
import importlib.util
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

SDKS = {"aws": "pulumi_aws", "kubernetes": "pulumi_kubernetes", "random": "pulumi_random", "tls": "pulumi_tls"}
GETTER = r'@pulumi\.getter(?:\(name="(\w+)"\))?\n(?:\s+@_utilities\.deprecated\("""[\s\S]*?"""\)\n)?\s+def (\w+)\('
FORCES_NEW = re.compile(
    r"forces?( a)? new resource|creates? a new resource|forces? (a )?replacement|new resource to be", re.I
)


@dataclass(frozen=True)
class Kind:
    """A type: str, int, float, bool, any, asset; list and map of `item`; object of `name`; union of `options`."""

    kind: str
    item: Kind | None = None
    name: str = ""
    options: tuple[Kind, ...] = ()


@dataclass(frozen=True)
class Property:
    """One input or output."""

    kind: Kind
    required: bool
    forces_new: bool = False
    """The SDK's own description says that a change replaces the resource."""


ANY = Kind("any")


def sdk_folder(package: str) -> Path:
    """The folder of the installed SDK."""
    found = importlib.util.find_spec(SDKS[package])
    if found is None or not found.submodule_search_locations:
        raise LookupError(f"{SDKS[package]} is not installed")
    return Path(found.submodule_search_locations[0])


@cache
def _text(path: Path) -> str:
    return path.read_text()


def snake(name: str) -> str:
    """camelCase as the SDK's file names have it."""
    name = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", name)
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).lower()


def _module(token: str) -> tuple[Path, str]:
    """The folder of the token's module and the stem of its file."""
    package, module, _ = token.split(":")
    folder, _, file = module.partition("/")
    root = sdk_folder(package)
    if folder == "index":
        return root, snake(file)
    place = root / folder
    return (place if place.is_dir() else root / f"{folder}_"), snake(file)


@cache
def source_of(token: str) -> Path | None:
    """The SDK's file that registers this resource type or function; None when there is none."""
    if token.split(":")[0] not in SDKS or token.count(":") != 2:
        return None
    folder, stem = _module(token)
    first = folder / f"{stem}.py"
    if first.exists() and f"'{token}'" in _text(first):
        return first
    for path in sorted(folder.glob("*.py")):
        if f"'{token}'" in _text(path):
            return path
    return None


def _class_text(text: str, name: str) -> str | None:
    found = re.search(rf"^class {re.escape(name)}(?:\(.*\))?:\n", text, re.M)
    if not found:
        return None
    end = re.compile(r"^(?:class |@pulumi\.|@_builtins\.|[A-Za-z_])", re.M).search(text, found.end())
    return text[found.start() : end.start() if end else len(text)]


def _kind(node: ast.expr) -> Kind:
    if isinstance(node, ast.Constant):
        name = str(node.value).rsplit(".", 1)[-1]
        return Kind("object", name=name) if name.endswith("Args") else Kind("str")
    if isinstance(node, ast.Attribute):
        if node.attr in ("str", "int", "float", "bool"):
            return Kind(node.attr)
        return Kind("asset") if node.attr in ("Asset", "Archive", "AssetArchive") else ANY
    if isinstance(node, ast.Name):
        return Kind(node.id) if node.id in ("str", "int", "float", "bool") else ANY
    if isinstance(node, ast.Subscript):
        outer = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
        items = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if outer in ("Input", "Optional", "Output"):
            return _kind(items[0])
        if outer in ("Sequence", "List"):
            return Kind("list", _kind(items[0]))
        if outer in ("Mapping", "Dict"):
            return Kind("map", _kind(items[-1]))
        if outer == "Union":
            return Kind("union", options=tuple(_kind(item) for item in items))
    return ANY


@cache
def _arguments(path: Path, name: str) -> dict[str, Property] | None:
    """The constructor of one input class, by wire name."""
    text = _class_text(_text(path), name)
    if text is None:
        return None
    header = re.search(r"    def __init__\((.*?)\):\n", text, re.S)
    if header is None or "*" not in header.group(1):
        return {}
    parsed = ast.parse(f"def f({header.group(1)}): pass").body[0]
    assert isinstance(parsed, ast.FunctionDef)
    wire = {python: named or python for named, python in _getters(text)}
    documented = _forcing(text)
    found = {}
    for argument, default in zip(parsed.args.kwonlyargs, parsed.args.kw_defaults, strict=True):
        kind = _kind(argument.annotation) if argument.annotation else ANY
        found[wire.get(argument.arg, argument.arg)] = Property(kind, default is None, argument.arg in documented)
    return found


def _getters(text: str) -> list[tuple[str, str]]:
    return re.findall(GETTER, text)


def _forcing(text: str) -> set[str]:
    """The arguments whose description says that a change replaces."""
    pieces = re.split(r"^\s+:param [^\n]*?(\w+): ", text.split('"""')[1] if '"""' in text else "", flags=re.M)
    return {name for name, said in zip(pieces[1::2], pieces[2::2], strict=False) if FORCES_NEW.search(said)}


def class_name(token: str) -> str:
    return token.rsplit(":", 1)[-1]


def inputs_of(token: str) -> dict[str, Property] | None:
    """The inputs of a resource type by wire name; None when the SDK doesn't know the type."""
    path = source_of(token)
    if path is None:
        return None
    # InitArgs: where an input object of the module has the resource's own name.
    return _arguments(path, f"{class_name(token)}Args") or _arguments(path, f"{class_name(token)}InitArgs")


def members_of(token: str, name: str) -> dict[str, Property] | None:
    """The members of an input object that a type of this token's module uses."""
    folder, _ = _module(token)
    for path in (folder / "_inputs.py", sdk_folder(token.split(":")[0]) / "_inputs.py"):
        if path.exists() and (found := _arguments(path, name)) is not None:
            return found
    return None


@cache
def outputs_of(token: str) -> dict[str, Property]:
    """The outputs of a resource type by wire name; `required`: the SDK promises that it is never empty."""
    path = source_of(token)
    text = _class_text(_text(path), class_name(token)) if path else None
    if text is None:
        return {}
    found = {}
    for named, python, given in re.findall(GETTER + r"self\) -> pulumi\.Output\[(.*)\]:\n", text):
        optional = given.startswith("Optional[")
        found[named or python] = Property(_kind(ast.parse(given, mode="eval").body), not optional)
    return found


@cache
def function_arguments(token: str) -> set[str] | None:
    """The argument names of an invoke; None when the SDK doesn't know it."""
    path = source_of(token)
    return None if path is None else set(re.findall(r"__args__\['(\w+)'\]", _text(path)))


@cache
def provider_inputs(package: str) -> dict[str, Any]:
    """The configuration keys of a provider."""
    return _arguments(sdk_folder(package) / "provider.py", "ProviderArgs") or {}
