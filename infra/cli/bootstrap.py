"""`telemetry bootstrap`: what stacks in an account stand on, made once (configs/bootstrap.yaml)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from infra.cli.console import Json, check_yes, emit, say
from infra.cli.engine import Counted, display, engine, explained, plain_outputs
from infra.errors import UserError

if TYPE_CHECKING:  # seconds of imports
    from infra.aws.bootstrap.settings import BootstrapSettings
    from infra.aws.bootstrap.state import Home

app = typer.Typer(
    no_args_is_help=True, help="The state's bucket and key, GitHub's roles, an image repository: once an account."
)


@contextmanager
def _home(protect: bool = True) -> Iterator[tuple[BootstrapSettings, Home]]:
    from infra.aws.bootstrap.policies import check_sizes
    from infra.aws.bootstrap.program import deploy
    from infra.aws.bootstrap.settings import check_own, read
    from infra.aws.bootstrap.state import Home

    found = read()
    check_own(found)
    check_sizes(found)
    home = Home(found, engine("aws"), lambda: deploy(found, protect))
    with explained("bootstrap", "aws"):
        yield found, home


@app.command()
def preview(as_json: Json = False) -> None:
    """Shows what `up` would do. Touches nothing."""
    counted = Counted()
    from infra.aws.bootstrap.account import check_account

    with _home() as (found, home):
        check_account(found, home.made())
        home.open().preview(on_event=counted.take, **display())
    if as_json:
        emit({"changes": counted.changes})


@app.command()
def up(as_json: Json = False) -> None:
    """Makes or updates it, then moves its own state into the bucket that it made. It can be run again at any point."""
    from infra.aws.bootstrap.account import check_account

    with _home() as (found, home):
        check_account(found, home.made())
        result = home.open().up(suppress_outputs=True, show_secrets=False, **display())
        home.to_bucket()
        outputs = {key: output.value for key, output in result.outputs.items()}
    if as_json:
        emit({"bucket": found.bucket, "state_url": found.state_url, "outputs": plain_outputs(result.outputs)})
        return
    say(f"\nits own state is in s3://{found.bucket}. Stacks keep theirs there too:")
    say(f"  pulumi login '{found.state_url}'")
    for stack, provider in outputs["secretsProviders"].items():
        say(f"  pulumi stack init {stack} --secrets-provider '{provider}'")
    say(f"workerImageRepository: {outputs['workerImageRepository']}")
    for role, arn in outputs["roles"].items():
        say(f"role {role}: {arn}")
    if found.repository:
        say("They are as safe as the rules of GitHub's environments: set those first (docs/pull-requests.md, 2)")


@app.command()
def destroy(as_json: Json = False) -> None:
    """Moves its state back here and removes all that it made. Refused while a stack's state is in the bucket."""
    with _home(protect=False) as (_, home):
        if home.place() is None:
            _end(as_json, False, "nothing was up")
            return
        if home.place() == "bucket":
            home.check_alone()
        # Protected in every other command: this lifts it. Of what is there alone: an `up` that could not make everything
        # would fail here again.
        if made := home.made():
            home.open().up(target=made, suppress_outputs=True, show_secrets=False, **display())
        home.to_file()
        home.open().destroy(show_secrets=False, **display())
        home.remove()
    _end(as_json, True, "everything is removed")


@app.command()
def unlock(
    yes: Annotated[
        bool, typer.Option("--yes", help="No `telemetry bootstrap` works any more, on any machine.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Takes away the lock that a killed `telemetry bootstrap` left on its own state."""
    check_yes(yes, "a `telemetry bootstrap` still works", "ask your colleagues")
    with _home() as (_, home):
        there = home.unlock()
    if as_json:
        emit({"unlocked": there})
    else:
        say("unlocked; the same command as before goes on" if there else "nothing was up")


@app.command()
def explain(role: Annotated[str, typer.Option(help="The role's ARN, as the workflow names it.")] = "") -> None:
    """In a job of GitHub Actions whose sign-in AWS has refused: says why. Asks AWS nothing."""
    from infra.aws.bootstrap.explain import explain as reason
    from infra.aws.bootstrap.explain import subject
    from infra.aws.bootstrap.settings import read

    raise UserError(reason(read(), role, subject()))


def _end(as_json: bool, was_up: bool, line: str) -> None:
    if as_json:
        emit({"was_up": was_up})
    else:
        say(line)
