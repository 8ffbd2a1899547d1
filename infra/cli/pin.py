"""`telemetry pin`: digests, checksums and prices that only a networked machine can look up, into configs/."""

from __future__ import annotations

import dataclasses
import functools
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from infra.cli.console import Json, Name, emit, error_console, say, working
from infra.config import file_settings, stack_file
from infra.errors import UserError
from infra.paths import CONFIGS, ROOT
from infra.settings import Settings

if TYPE_CHECKING:
    from infra.aws.image import Crane
    from infra.pins import Filled

FETCH_SECONDS = 30
WORKFLOWS = ROOT / ".github" / "workflows"


def register(app: typer.Typer) -> None:
    """Adds this file's command."""
    app.command()(pin)


def pin(
    name: Name = "prod",
    update: Annotated[bool, typer.Option("--update", help="Look up what has a value already as well.")] = False,
    as_json: Json = False,
) -> None:
    """Fills configs/ with the digests of what is deployed on AWS and of docker-compose.yml's images, the commits of the
    workflows' actions, and the prices of this stack's region and sizes.

    Writes what it can look up, names what it can't, and then exits with 1. Prices need AWS credentials.
    """
    from infra.pins import Filled, fill_actions, fill_pins

    found = file_settings(name)
    if found.platform != "aws":
        raise UserError(f"{stack_file(name)}: platform {found.platform} has nothing to pin; name a stack on AWS")
    versions = CONFIGS / "versions.yaml"
    with tempfile.TemporaryDirectory(prefix="agent-telemetry-crane-") as folder, working("looking up digests"):
        pins = fill_pins(versions, _digest(Path(folder)), fetch, update)
    if pins.written:
        from infra.compose.project import FILE, project_text

        try:
            FILE.write_text(project_text())
        except UserError as error:
            pins.problems.append(f"docker-compose.yml: {error}")
    with working("looking up the actions' commits"):
        actions = fill_actions(versions, WORKFLOWS, commit, update)
    with working(f"looking up prices in {found.awsRegion}"):
        prices = _prices(found, update)
    done = Filled()
    for part in (pins, actions, prices):
        done.add(part)
    if as_json:
        emit(dataclasses.asdict(done))
    for line in [] if as_json else done.written:
        say(line)
    if done.kept and not as_json:
        say(f"{len(done.kept)} had a value already{'' if update else ' (--update looks them up again)'}")
    for line in done.problems:
        error_console.print(line, style="yellow", highlight=False, markup=False, soft_wrap=True)
    if done.problems:
        raise UserError(f"{len(done.problems)} could not be looked up (above); run it again once they can")


def _digest(folder: Path) -> Callable[[str], str]:
    """Asks registries by crane, which is built at the first question."""

    @functools.cache
    def crane() -> Crane:
        from infra.aws.image import Crane
        from infra.local.toolchain import ensure

        return Crane(ensure(["crane"], console=error_console).crane, folder)

    def ask(reference: str) -> str:
        try:
            return crane()("digest", reference)
        except UserError as error:
            raise UserError(str(error).removeprefix("worker image: ")) from None

    return ask


def fetch(url: str) -> str:
    """A small text file. Raises UserError when it can't be had."""
    import requests

    try:
        answer = requests.get(url, timeout=FETCH_SECONDS)
        answer.raise_for_status()
    except requests.RequestException as error:
        raise UserError(f"{url} can't be fetched: {error}") from None
    return answer.text


def commit(action: str) -> str:
    """The commit that a tag of `owner/name@tag` stands for, by GitHub's API. Raises UserError."""
    import requests

    repository, _, tag = action.partition("@")
    url = f"https://api.github.com/repos/{repository}/commits/{tag}"
    try:
        answer = requests.get(url, headers={"Accept": "application/vnd.github.sha"}, timeout=FETCH_SECONDS)
        answer.raise_for_status()
    except requests.RequestException as error:
        raise UserError(f"{url} can't be fetched: {error}") from None
    return answer.text


def _prices(found: Settings, update: bool) -> Filled:
    from infra.aws.costs import PRICES, bill, table
    from infra.aws.price_list import price
    from infra.pins import fill_prices

    known = table()

    def ask(item: str) -> str:
        kind, _, size = item.partition("/")
        return price(found.awsRegion, known["items"][kind], size)

    # Two parts may share an item.
    wanted = dict.fromkeys(line.item for line in bill(found, known["assumptions"]) if line.quantity)
    return fill_prices(PRICES, found.awsRegion, list(wanted), ask, update)
