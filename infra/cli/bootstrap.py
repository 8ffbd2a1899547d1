"""`telemetry bootstrap`: what stacks in an account stand on, made once (configs/bootstrap.yaml)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from infra.cli.console import console
from infra.cli.engine import display, engine

if TYPE_CHECKING:  # seconds of imports
    from infra.aws.bootstrap.settings import BootstrapSettings
    from infra.aws.bootstrap.state import Home

app = typer.Typer(
    no_args_is_help=True, help="The state's bucket and key, GitHub's roles, an image repository: once an account."
)


@contextmanager
def _home(protect: bool = True) -> Iterator[tuple[BootstrapSettings, Home]]:
    from pulumi import automation

    from infra.automation import explain
    from infra.aws.bootstrap.program import deploy
    from infra.aws.bootstrap.settings import check_own, read
    from infra.aws.bootstrap.state import Home

    found = read()
    check_own(found)
    home = Home(found, engine("aws"), lambda: deploy(found, protect))
    try:
        yield found, home
    except automation.CommandError as error:
        raise explain(error, shared="bootstrap") from None


@app.command()
def preview() -> None:
    """Shows what `up` would do. Touches nothing."""
    with _home() as (_, home):
        home.open().preview(**display())


@app.command()
def up() -> None:
    """Makes or updates it, then moves its own state into the bucket that it made. It can be run again at any point."""
    with _home() as (found, home):
        result = home.open().up(suppress_outputs=True, show_secrets=False, **display())
        home.to_bucket()
        outputs = {key: output.value for key, output in result.outputs.items()}
    console.print(f"\nits own state is in s3://{found.bucket}. Stacks keep theirs there too:", highlight=False)
    console.print(f"  pulumi login '{found.state_url}'", highlight=False, soft_wrap=True)
    for stack, provider in outputs["secretsProviders"].items():
        console.print(f"  pulumi stack init {stack} --secrets-provider '{provider}'", highlight=False, soft_wrap=True)
    console.print(f"workerImageRepository: {outputs['workerImageRepository']}", highlight=False, soft_wrap=True)
    for role, arn in outputs["roles"].items():
        console.print(f"role {role}: {arn}", highlight=False, soft_wrap=True)


@app.command()
def destroy() -> None:
    """Moves its state back here and removes all that it made. Refused while a stack's state is in the bucket."""
    with _home(protect=False) as (_, home):
        if home.place() is None:
            console.print("nothing was up")
            return
        if home.place() == "bucket":
            home.check_alone()
        # Protected in every other command: this lifts it.
        home.open().up(suppress_outputs=True, show_secrets=False, **display())
        home.to_file()
        home.open().destroy(show_secrets=False, **display())
        home.remove()
    console.print("everything is removed")
