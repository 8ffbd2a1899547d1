"""What AWS still holds of ephemeral stacks, by tag: a destroy's word is not taken for it.

The tagging API lists things for hours after they are gone, and some it never lists (roles, schedules in a group, records in a
zone: none of these costs anything). So each that it lists is asked for where it lives, as configs/aws_holdings.yaml says.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import yaml

from infra.aws.api import as_user_error, client
from infra.config import PROJECT
from infra.ephemeral.template import TAG
from infra.paths import CONFIGS

FILE = CONFIGS / "aws_holdings.yaml"
GLOBAL_REGION = "us-east-1"
"""Where hosted zones and other things without a region are listed."""
GONE = ("NotFound", "NoSuch", "NonExistent", "DoesNotExist", "404", "InvalidAllocationID")
"""In the codes with which services say that a thing is not there; each has its own."""
WORKERS = 8
LISTED = "listed"
"""The state of what could not be asked for: it may be gone already."""


@dataclass(frozen=True)
class Holding:
    """One resource that AWS still has."""

    stack: str
    arn: str
    kind: str
    """As in configs/aws_holdings.yaml."""
    state: str
    """As its service says; `listed` where it could not be asked for."""
    costs: bool
    remove: str
    """What a person runs to remove it."""

    @property
    def certain(self) -> bool:
        """Whether it is known to be there."""
        return not self.state.startswith(LISTED)


@functools.cache
def kinds() -> dict[str, dict[str, Any]]:
    """configs/aws_holdings.yaml."""
    return yaml.safe_load(FILE.read_text())


def kind_of(arn: str) -> tuple[str, str]:
    """The kind and the id (or name) in an ARN."""
    _, _, service, _, _, resource = arn.split(":", 5)
    if service in kinds():  # its ARN's resource is the name
        return service, resource
    word, _, rest = re.sub("[/:]", "\n", resource.lstrip("/"), count=1).partition("\n")
    return f"{service}:{word}", rest.removesuffix(":*")


def holdings(region: str, stack: str = "", besides: Collection[str] = ()) -> list[Holding]:
    """What is there of ephemeral stacks, or of one; checked one by one. `besides`: stacks that may have what they have. Raises
    UserError when AWS can't be asked."""
    listed = {arn: whose for arn, whose in _listed(region, stack) if whose not in besides}
    with ThreadPoolExecutor(WORKERS) as pool:
        found = pool.map(lambda item: _checked(region, *item), listed.items())
        return sorted((item for item in found if item), key=lambda item: (item.stack, not item.costs, item.arn))


def _listed(region: str, stack: str) -> Iterator[tuple[str, str]]:
    """ARN and stack, as the tagging API has them."""
    filters = [{"Key": "Project", "Values": [PROJECT]}, {"Key": TAG, "Values": ["true"]}]
    if stack:
        filters.append({"Key": "Stack", "Values": [stack]})
    for where in dict.fromkeys((region, GLOBAL_REGION)):
        with as_user_error("what AWS still holds"):
            pages = client("resourcegroupstaggingapi", where).get_paginator("get_resources")
            for page in pages.paginate(TagFilters=filters):
                for item in page["ResourceTagMappingList"]:
                    tags = {tag["Key"]: tag["Value"] for tag in item["Tags"]}
                    yield item["ResourceARN"], tags.get("Stack", "")


def _checked(region: str, arn: str, stack: str) -> Holding | None:
    kind, id_ = kind_of(arn)
    how = kinds().get(kind)
    if how is None:
        hint = "its service's own page shows whether it is there"
        return Holding(stack, arn, kind, LISTED, costs=True, remove=hint)
    state = _state(region, arn, id_, how)
    if not state or state in how.get("gone", ()):
        return None
    return Holding(stack, arn, kind, state, not how.get("free", False), how["remove"].format(id=id_, arn=arn))


def _state(region: str, arn: str, id_: str, how: dict[str, Any]) -> str:
    """'' for what is gone."""
    import jmespath
    from botocore.exceptions import BotoCoreError, ClientError

    if "ask" not in how:
        return LISTED
    service, operation, argument = how["ask"]
    name = arn if how.get("by") == "arn" else id_.rpartition("/")[2] if how.get("by") == "last" else id_
    try:
        answer = getattr(client(service, region), operation)(**{argument: [name] if how.get("list") else name})
    except ClientError as error:
        code = str(error.response["Error"].get("Code", ""))
        if any(word in code for word in GONE):
            return ""
        return f"{LISTED} ({code})"
    except BotoCoreError as error:
        return f"{LISTED} ({type(error).__name__})"
    found = jmespath.search(how["state"].replace("<id>", id_), answer)
    return "" if found is None else str(found)
