"""What an ephemeral stack is made from: configs/ephemeral.yaml and the file of the stack that lends it parts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field

from infra.aws.bootstrap.settings import provider_of
from infra.config import PROJECT, content_settings, file_settings, stack_file, stack_file_content
from infra.ephemeral import lifetime
from infra.ephemeral.record import Platform
from infra.errors import UserError
from infra.model_file import read_model, shown
from infra.paths import CONFIGS, ROOT
from infra.settings import Settings
from infra.settings.names import name_problems

FILE = CONFIGS / "ephemeral.yaml"
PARTS: tuple[str, ...] = get_args(get_args(Settings.model_fields["shareParts"].annotation)[0])
"""What a stack can lend; also the order in which it is written."""
TAG = "Ephemeral"
"""On every resource of an ephemeral stack, so that what one leaves behind is told from what is there to stay."""
OWNER = "Owner"
NOT_IN_A_TAG = re.compile(r"[^A-Za-z0-9 +\-=._:/@]")
SHIPPED = ("local", "dev", "prod")


class Template(BaseModel):
    """configs/ephemeral.yaml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    share: str = Field(min_length=1)
    maximumHours: int = Field(ge=1, le=24 * 60)
    pullRequest: Annotated[str, Field(pattern=r"^[^{}]*\{number\}[^{}]*$")]
    host: Annotated[str, Field(pattern=r"\{name\}")]
    inherited: list[str]
    aws: dict[str, Any]
    local: dict[str, Any] = {}

    def pull_request(self, name: str) -> int | None:
        """The number of the pull request whose stack is called so."""
        before, _, after = self.pullRequest.partition("{number}")
        found = re.fullmatch(rf"{re.escape(before)}([1-9]\d*){re.escape(after)}", name)
        return int(found[1]) if found else None


def template(path: Path = FILE) -> Template:
    """The file. Raises UserError with all problems in one message."""
    found = read_model(path, Template)
    unknown = sorted({*found.inherited, *found.aws, *found.local} - set(Settings.model_fields))
    if unknown:
        raise UserError(f"{shown(path)}: {', '.join(unknown)}: unknown settings (README.md lists them)")
    return found


@dataclass(frozen=True)
class Draft:
    """An ephemeral stack that may be made: its settings are right, and nothing has been touched."""

    name: str
    settings: Settings
    content: dict[str, Any] = field(repr=False)
    """Of its stack file."""
    owner: str

    @property
    def platform(self) -> Platform:
        """Who provides the parts."""
        return self.settings.platform

    def write(self, crypto: Mapping[str, Any], owner: str = "") -> Path:
        """Writes the stack file. `crypto`: what the stack's secrets are encrypted with, where that is known. `owner`: whose
        it already is, whoever updates it: another tag would be a change of every resource."""
        config = self.content["config"]
        tags = {f"{PROJECT}:tags": _tags(config[f"{PROJECT}:tags"], owner or self.owner)}
        path = ROOT / stack_file(self.name)
        content = {**self.content, **crypto, "config": {**config, **tags}}
        path.write_text(yaml.safe_dump(content, sort_keys=False))
        return path


def check_name(name: str, platform: Platform, found: Template) -> None:
    """Raises UserError for a name that is somebody else's, or that a service would refuse."""
    problems = name_problems(name, platform)
    if name in (*SHIPPED, found.share):
        problems.append(
            f"{name} is here to stay ({stack_file(name)}): call the ephemeral one otherwise, such as pr-123"
        )
    path = ROOT / stack_file(name)
    if not problems and path.exists() and not is_ephemeral(path):
        problems.append(
            f"{path.name} is the file of a stack that is not ephemeral (it has no expiresAt): take another name"
        )
    if not problems and path.exists():
        is_on = (stack_file_content(path).get("config") or {}).get(f"{PROJECT}:platform")
        if is_on != platform:
            only = "say --local" if is_on == "local" else "leave --local out"
            problems.append(
                f"{path.name}: the ephemeral stack {name} is on {is_on}, not {platform}: {only}, take another name, or end it first "
                f"(`telemetry ephemeral down {name}`)"
            )
    if problems:
        raise UserError("\n".join(problems))


def check_end(name: str) -> None:
    """Raises UserError for a stack on AWS that nothing would end: whose name the hourly job's role may not touch."""
    from infra.aws.bootstrap.settings import REAPER, read

    bootstrap = read()
    if not bootstrap.ends(name):
        raise UserError(
            f"nothing would end {name}: the hourly job may end {', '.join(bootstrap.environments[REAPER])} "
            f"(environments: {REAPER} in configs/bootstrap.yaml). Call it so, or add its name there and run `telemetry "
            "bootstrap up`"
        )


def is_ephemeral(path: Path) -> bool:
    """Whether a stack file is an ephemeral stack's."""
    return bool((stack_file_content(path).get("config") or {}).get(f"{PROJECT}:expiresAt"))


def lent(own: str | None) -> tuple[str, ...]:
    """The parts that are shared, by --own: None, `all`, or a comma-separated list. Raises UserError."""
    if own is None:
        return PARTS
    if own.strip() == "all":
        return ()
    named = [part.strip() for part in own.split(",")]
    if unknown := [part for part in named if part not in PARTS]:
        raise UserError(f"--own {own}: {', '.join(map(repr, unknown))}: network, kafka, grafana or all is expected")
    shared = tuple(part for part in PARTS if part not in named)
    if shared and "network" not in shared:
        raise UserError(
            f"--own {own}: {' and '.join(shared)} of another network are not reached; say --own all, or leave network shared"
        )
    return shared


def draft_local(name: str, expires: datetime, owner: str, port_base: int) -> Draft:
    """A second pipeline on this machine. Raises UserError."""
    found = template()
    check_name(name, "local", found)
    values = {
        "platform": "local",
        **found.local,
        "portBase": port_base,
        "expiresAt": lifetime.written(expires),
        "tags": _tags({}, owner),
    }
    return _draft(name, values, {}, owner)


def draft_on_aws(name: str, expires: datetime, owner: str, parts: tuple[str, ...]) -> Draft:
    """A stack beside the lending one. Raises UserError."""
    found = template()
    check_name(name, "aws", found)
    lender = _lender(found)
    share = found.share if parts else ""
    raw: dict[str, Any] = stack_file_content(ROOT / stack_file(found.share))
    given = {key.partition(":")[2] for key in raw.get("config") or {}}
    # What the lending stack leaves to the default, this one does too.
    inherited = {key: getattr(lender, key) for key in found.inherited if key in given}
    if lender.grafanaMode == "none":
        parts = tuple(part for part in parts if part != "grafana")
        inherited["grafanaMode"] = "none"
    values: dict[str, Any] = {
        "platform": "aws",
        "env": name,
        **inherited,
        **found.aws,
        "shareStack": share,
        "expiresAt": lifetime.written(expires),
        "tags": _tags(lender.tags, owner),
        "collectorDomain": _domain(name, lender, found),
    }
    if share:
        values["shareParts"] = list(parts)
    if not values.get("collectorZoneId"):
        raise UserError(
            f"collectorZoneId: the stack's own name ({values['collectorDomain']}) is written into a Route 53 zone: set "
            f"{PROJECT}:collectorZoneId in {stack_file(found.share)} (the public zone of {lender.collectorDomain}) and run "
            f"`telemetry up --name {found.share}`, or set it in configs/ephemeral.yaml"
        )
    provider = provider_of(name, str(raw.get("secretsprovider") or ""))
    return _draft(name, values, {"secretsprovider": provider} if provider not in ("", "passphrase") else {}, owner)


def _lender(found: Template) -> Settings:
    if not (ROOT / stack_file(found.share)).exists():
        raise UserError(f"configs/ephemeral.yaml: share: there is no {stack_file(found.share)}")
    lender = file_settings(found.share)
    if lender.platform != "aws":
        raise UserError(
            f"configs/ephemeral.yaml: share: {found.share} is on {lender.platform}; only a stack on AWS lends parts "
            "(`--local` makes one on this machine)"
        )
    return lender


def _domain(name: str, lender: Settings, found: Template) -> str:
    first, _, rest = lender.collectorDomain.partition(".")
    return f"{found.host.format(lender=first, name=name)}.{rest}"


def _tags(given: Mapping[str, str], owner: str) -> dict[str, str]:
    return {**given, TAG: "true", OWNER: NOT_IN_A_TAG.sub("-", owner)[:256]}


def _draft(name: str, values: Mapping[str, Any], more: Mapping[str, Any], owner: str) -> Draft:
    config = {f"{PROJECT}:{key}": value for key, value in values.items()}
    content = {**more, "config": config}
    return Draft(name, content_settings(content, f"configs/ephemeral.yaml, as {stack_file(name)}"), content, owner)
