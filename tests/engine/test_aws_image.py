"""The worker's image under the real engine: built and pushed to a real registry by its resource, once for each content."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pulumi
import pytest

from infra.aws import image
from infra.aws.context import Context, make_provider
from infra.aws.image import Crane, WorkerImage, WorkerImageArgs
from infra.local.toolchain import ensure
from tests.providers.cloud import StandInCloud
from tests.providers.standin.cloud import ACCOUNT
from tests.unit.aws.aws_settings import settings
from tests.unit.aws.image_base import make_base, registry_server

pytestmark = pytest.mark.timeout(900)
KEY = "arn:aws:kms:eu-central-1:111122223333:key/11111111-2222-3333-4444-555555555555"


@pytest.fixture
def crane(tmp_path: Path) -> Crane:
    (tmp_path / "docker").mkdir()
    return Crane(ensure(["crane"]).crane, tmp_path / "docker")


@pytest.fixture
def host(crane: Crane, tmp_path: Path) -> Iterator[str]:
    (tmp_path / "blobs").mkdir()
    with registry_server(crane.program, tmp_path / "blobs") as found:
        yield found


def program(repository: str) -> Callable[[], None]:
    """This stack's image in a repository that is given."""
    found = settings({}, awsAccount=ACCOUNT, workerImageRepository=repository)

    def run() -> None:
        provider = make_provider(found)
        made = WorkerImage(
            "worker-image",
            WorkerImageArgs(Context(found, "dev", provider), KEY),
            pulumi.ResourceOptions(providers=[provider]),
        )
        pulumi.export("image", made.image)

    return run


def test_an_up_pushes_what_is_new_and_a_destroy_leaves_it(
    crane: Crane, host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bases = [make_base(crane, f"{host}/base:{tag}", tmp_path, "arm64") for tag in ("1", "2")]
    monkeypatch.setattr(image, "image_reference", lambda _: bases[0])
    stack = StandInCloud(tmp_path / "cloud").stack(program(f"{host}/worker"))
    first = stack.up()
    assert first.ok, first.output
    reference = first.outputs["image"]
    assert reference.startswith(f"{host}/worker@sha256:")
    assert crane("ls", f"{host}/worker").count("\n") == 0
    crane("validate", "--remote", reference)

    second = stack.up()
    assert second.ok and second.changed == {}

    monkeypatch.setattr(image, "image_reference", lambda _: bases[1])
    third = stack.up()
    assert third.ok and third.changed == {"update": ["worker-image-push"]}, third.changed
    assert len(crane("ls", f"{host}/worker").splitlines()) == 2

    assert stack.destroy().ok
    assert len(crane("ls", f"{host}/worker").splitlines()) == 2
