"""Fills the pins of configs/versions.yaml and of the workflows, and the prices of configs/aws_prices.yaml, in the files' own
text."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from infra.errors import UserError

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
SHA512 = re.compile(r"([0-9a-f]{128})(?:\s+\*?(\S+))?")
COMMIT = re.compile(r"[0-9a-f]{40}")
BLOCKS, ACTIONS = ("deployed", "compose"), "actions"

LookUp = Callable[[str], str]


@dataclass
class Filled:
    """What a run did. Empty `problems`: everything is pinned."""

    written: list[str] = field(default_factory=list)
    """Each `name: value`."""
    kept: list[str] = field(default_factory=list)
    """Names that had a value already."""
    problems: list[str] = field(default_factory=list)
    """What could not be looked up, and why."""

    def add(self, other: Filled) -> None:
        """What another one did besides."""
        self.written += other.written
        self.kept += other.kept
        self.problems += other.problems


def fill_pins(path: Path, digest: LookUp, fetch: LookUp, update: bool = False) -> Filled:
    """Pins what is deployed and what docker-compose.yml runs: an image by `digest` of its reference, an archive by the
    checksum that `fetch` finds beside it. A pin that is there stays, unless `update`."""
    done = Filled()
    for block in BLOCKS:
        done.add(_fill(path, block, lambda entry: _pin(entry, digest, fetch), update))
    return done


def _fill(path: Path, block: str, pin_of: Callable[[Mapping[str, Any]], str], update: bool) -> Filled:
    """Enters the pin of each entry of a block."""
    text = path.read_text()
    done = Filled()
    for name, entry in yaml.safe_load(text).get(block, {}).items():
        if "pin" not in entry:
            continue
        if entry["pin"] and not update:
            done.kept.append(name)
            continue
        try:
            pin = pin_of(entry)
            if pin == entry["pin"]:
                done.kept.append(name)
                continue
            text = _with_pin(text, name, pin, path, block)
        except UserError as error:
            done.problems.append(f"{name}: {error}")
            continue
        done.written.append(f"{name}: {pin}")
    if done.written:
        path.write_text(text)
    return done


def fill_actions(path: Path, workflows: Path, commit: LookUp, update: bool = False) -> Filled:
    """Pins each action by the `commit` of its `repository@version`, and writes the pins into the workflows: a tag can be
    moved to other code, a commit can't."""
    done = _fill(path, ACTIONS, lambda entry: _commit(entry, commit), update)
    for entry in yaml.safe_load(path.read_text())[ACTIONS].values():
        if entry["pin"]:
            for workflow in sorted(workflows.glob("*.yml")):
                before = workflow.read_text()
                after = _uses(entry["repository"]).sub(rf"\g<1>{entry['pin']} # {entry['version']}", before)
                if after != before:
                    workflow.write_text(after)
    return done


def _uses(repository: str) -> re.Pattern[str]:
    return re.compile(rf"(\buses: {re.escape(repository)}@)\S+( # \S+)?")


def _pin(entry: Mapping[str, Any], digest: LookUp, fetch: LookUp) -> str:
    version = str(entry["version"])
    if "image" in entry:
        reference = f"{entry['image']}:{version}"
        said = digest(reference)
        if not DIGEST.fullmatch(said):
            raise UserError(f"the registry gives no digest for {reference}, but {said[:100]!r}")
        return said
    archive = entry["archive"].format(version=version)
    said = fetch(f"{archive}.sha512").strip()
    found = SHA512.fullmatch(said)
    if not found:
        raise UserError(f"{archive}.sha512 is no sha512 sum, but {said[:100]!r}")
    if found[2] and found[2] != archive.rpartition("/")[2]:
        raise UserError(f"{archive}.sha512 is the sum of another file, {found[2]}")
    return found[1]


def _commit(entry: Mapping[str, Any], commit: LookUp) -> str:
    asked = f"{entry['repository']}@{entry['version']}"
    said = commit(asked).strip()
    if not COMMIT.fullmatch(said):
        raise UserError(f"GitHub gives no commit for {asked}, but {said[:100]!r}")
    return said


def _with_pin(text: str, name: str, pin: str, path: Path, block: str) -> str:
    """The text with another pin in the entry `name` of `block`, and nothing else changed. Raises UserError."""
    wanted = yaml.safe_load(text)
    wanted[block][name]["pin"] = pin
    begin, end = _section(text, block)
    line = re.compile(rf'^(  {re.escape(name)}: \{{.*\bpin: )("[^"]*"|[^\s,"{{}}]+)', re.M)
    changed = text[:begin] + line.sub(lambda found: f'{found[1]}"{pin}"', text[begin:end], count=1) + text[end:]
    if not _says(changed, wanted):
        raise UserError(
            f'{path.name}: {name} does not stand on a line of its own as `  {name}: {{..., pin: ""}}`; write it so, or '
            f"enter the pin yourself: {pin}"
        )
    return changed


def fill_prices(path: Path, region: str, items: list[str], look_up: LookUp, update: bool = False) -> Filled:
    """Enters the region's price of each of `items` (as infra.aws.costs.bill names them). One that is there stays, unless
    `update`. Stops asking when AWS can't be asked at all."""
    text = path.read_text()
    known = (yaml.safe_load(text)["prices"] or {}).get(region) or {}
    done = Filled()
    asking = True
    for item in items:
        before = known.get(item)
        if before not in (None, "") and not update:
            done.kept.append(item)
            continue
        if not asking:
            done.problems.append(f"{item}: not asked")
            continue
        try:
            price = look_up(item)
            if str(before) == price:
                done.kept.append(item)
                continue
            text = _with_price(text, region, item, price)
        except UserError as error:
            done.problems.append(f"{item}: {error}")
            asking = error.__cause__ is None  # AWS's own refusal would be the same for the next one
            continue
        done.written.append(f"{region} {item}: {price}")
    if done.written:
        path.write_text(text)
    return done


def _with_price(text: str, region: str, item: str, price: str) -> str:
    """The text with one price entered: in its place, below its region, or below a new region."""
    wanted = yaml.safe_load(text)
    wanted["prices"] = wanted["prices"] or {}
    wanted["prices"].setdefault(region, {})
    wanted["prices"][region] = {**(wanted["prices"][region] or {}), item: price}
    begin, end = _section(text, "prices")
    lines = text[begin:end].splitlines()
    lines[0] = re.sub(r"^prices:\s*\{\}", "prices:", lines[0])
    heads = [index for index, line in enumerate(lines) if re.match(rf"  {re.escape(region)}:", line)]
    if not heads:
        heads = [len(lines)]
        lines.append(f"  {region}:")
    head = heads[0]
    lines[head] = re.sub(r":\s*\{\}", ":", lines[head])
    last = next((i for i in range(head + 1, len(lines)) if re.match(r"  \S", lines[i])), len(lines))
    entry = f'    {item}: "{price}"'
    for index in range(head + 1, last):
        if found := re.match(rf'    {re.escape(item)}:\s*("[^"]*"|[^\s#]*)', lines[index]):
            lines[index] = entry + lines[index][found.end() :]
            break
    else:
        lines.insert(last, entry)
    changed = text[:begin] + "\n".join(lines) + "\n" + text[end:]
    if not _says(changed, wanted):
        raise UserError(
            f"aws_prices.yaml: the block `prices` is not laid out as this program writes it (region, then a line an item); "
            f"enter {region} {item} yourself: {price}"
        )
    return changed


def _says(text: str, wanted: Any) -> bool:
    try:
        return yaml.safe_load(text) == wanted
    except yaml.YAMLError:
        return False


def _section(text: str, key: str) -> tuple[int, int]:
    """Where a top-level key's lines begin and end: up to the last indented one."""
    found = re.search(rf"^{key}:.*\n(?:(?:[ \t].*)?\n)*?(?=\S|\s*\Z)", text, re.M)
    if not found:
        raise UserError(f"there is no block `{key}:`")
    body = found[0].rstrip("\n") + "\n"
    return found.start(), found.start() + len(body)
