"""The worker's image: built here without a Docker daemon and pushed when its content's hash is new."""

from __future__ import annotations

import base64
import re
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
import pulumi_aws as aws
from pulumi.dynamic import CreateResult, DiffResult, Resource, ResourceProvider, UpdateResult

from infra.aws.context import Context
from infra.aws.image_layer import (
    APP,
    content_hash,
    environment,
    install_packages,
    installed,
    our_entries,
    write_layer,
)
from infra.aws.oci import ARCHITECTURE, add_layers
from infra.collector import KEYS_FOLDER, USER_ID
from infra.dynamic import plain_props
from infra.errors import UserError
from infra.guard import versions
from infra.images import image_reference

KEPT_IMAGES = 30
LOOPBACK = ("localhost:", "127.0.0.1:")
"""A registry on this machine asks for nothing."""
ECR_URL = re.compile(r"(\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com/(.+)")


def base_python() -> str:
    """The base image's Python version, 3.11; the packages are chosen for it."""
    version = versions()["deployed"]["worker-base-image"]["version"]
    return ".".join(version.split("-")[0].split(".")[:2])


def configured(config: dict[str, Any]) -> dict[str, Any]:
    """How the image starts: our code by the base's Python, not as root, with folders to write to where ECS mounts
    volumes (it gives them the owner and mode that the image's folders have)."""
    return {
        **config,
        "Env": environment(config.get("Env") or []),
        "Entrypoint": ["python"],
        "Cmd": ["-m", "infra.worker", "--config-env", "WORKER_CONFIG"],
        "User": f"{USER_ID}:{USER_ID}",
        "WorkingDir": f"/{APP}",
        "Volumes": {f"/{KEYS_FOLDER}": {}, "/tmp": {}},
    }


@dataclass(frozen=True)
class Crane:
    """go-containerregistry's program, with credentials of its own that are gone with `folder`."""

    program: Path
    folder: Path

    def __call__(self, *words: str, stdin: str | None = None) -> str:
        """Its output. Raises UserError with what it said."""
        environment = {"DOCKER_CONFIG": str(self.folder), "HOME": str(self.folder), "PATH": "/usr/bin:/bin"}
        done = subprocess.run(
            [str(self.program), *words], input=stdin, capture_output=True, text=True, env={**_proxies(), **environment}
        )
        if done.returncode:
            raise UserError(f"worker image: crane {words[0]}: {done.stderr.strip()[-1000:]}")
        return done.stdout.strip()


def _proxies() -> dict[str, str]:
    import os

    names = ("http_proxy", "https_proxy", "no_proxy", "ssl_cert_file", "ssl_cert_dir")
    return {key: value for key, value in os.environ.items() if key.lower() in names}


def push(crane: Crane, repository: str, base: str, content: str, architecture: str = ARCHITECTURE) -> str:
    """The digest of the image with this content in `repository`; built and pushed first unless it is there already."""
    tag = f"{repository}:{content[:32]}"
    if content[:32] in _tags(crane, repository):
        return crane("digest", tag)
    if content_hash(base, architecture) != content:
        raise UserError("worker image: a file in infra/, sql/ or configs/ changed during the run; run it again")
    with tempfile.TemporaryDirectory(prefix="agent-telemetry-image-") as name:
        folder = Path(name)
        crane("pull", "--format", "oci", "--platform", f"linux/{architecture}", base, str(folder / "image"))
        install_packages(folder / "packages", base_python(), architecture)
        # Apart: a change of ours uploads a megabyte, not the packages too.
        layers = [folder / "packages.tar", folder / "program.tar"]
        write_layer(layers[0], installed(folder / "packages"))
        write_layer(layers[1], our_entries(), writable=[KEYS_FOLDER])
        digest = add_layers(folder / "image", layers, configured, architecture)
        crane("push", str(folder / "image"), tag)
    return digest


def _tags(crane: Crane, repository: str) -> list[str]:
    try:
        return crane("ls", repository).splitlines()
    except UserError as error:
        # A registry that makes repositories at the first push says so; ECR's repository exists, and may be empty.
        if "NAME_UNKNOWN" in str(error):
            return []
        raise


def sign_in(crane: Crane, repository: str) -> None:
    """Signs in to ECR with a token that lives for hours and is written to crane's own folder only."""
    from infra.aws.api import as_user_error, client

    if repository.startswith(LOOPBACK):
        return
    found = ECR_URL.fullmatch(repository)
    if not found:
        raise UserError(
            f"workerImageRepository: {repository} is no ECR repository (ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME)"
        )
    with as_user_error(f"worker image: {repository}"):
        answer = client("ecr", found[2]).get_authorization_token()
    user, _, password = base64.b64decode(answer["authorizationData"][0]["authorizationToken"]).decode().partition(":")
    crane("auth", "login", repository.split("/")[0], "--username", user, "--password-stdin", stdin=password)


def repository_arn(context: Context, url: str) -> str:
    """The ARN of a repository by its URL; of a registry that is not ECR's, one here by the same name."""
    found = ECR_URL.fullmatch(url)
    if found:
        return f"arn:aws:ecr:{found[2]}:{found[1]}:repository/{found[3]}"
    return context.arn("ecr", f"repository/{url.partition('/')[2]}")


class _ImageProvider(ResourceProvider):
    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> CreateResult:
        outs = self._pushed(props)
        return CreateResult(outs["image"], outs)

    def update(self, _id: str, _olds: dict[str, Any], props: dict[str, Any]) -> UpdateResult:
        return UpdateResult(self._pushed(props))

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        changed = [key for key in ("repository", "base", "content") if olds.get(key) != news.get(key)]
        return DiffResult(changes=bool(changed))

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """Images go with their repository; a given repository keeps them."""

    def _pushed(self, props: Mapping[str, Any]) -> dict[str, Any]:
        from infra.local.toolchain import ensure

        with tempfile.TemporaryDirectory(prefix="agent-telemetry-crane-") as folder:
            crane = Crane(ensure(["crane"]).crane, Path(folder))
            sign_in(crane, props["repository"])
            digest = push(crane, props["repository"], props["base"], props["content"], props["architecture"])
        return plain_props(props) | {"image": f"{props['repository']}@{digest}"}


class _Image(Resource, module="aws", name="WorkerImage"):
    image: pulumi.Output[str]

    def __init__(self, name: str, repository: pulumi.Input[str], architecture: str, opts: pulumi.ResourceOptions):
        base = image_reference("worker-base-image")
        # The content's hash names the architecture too.
        inputs = {
            "repository": repository,
            "base": base,
            "content": content_hash(base, architecture),
            "architecture": architecture,
            "image": None,
        }
        super().__init__(_ImageProvider(), name, inputs, opts)


@dataclass(frozen=True)
class WorkerImageArgs:
    """What the image needs."""

    context: Context
    key_arn: pulumi.Input[str]
    elsewhere: str = ARCHITECTURE
    """The architecture of nodes that are not ours and run it too."""


class WorkerImage(pulumi.ComponentResource):
    """The image in this stack's ECR repository or the one given by workerImageRepository; `image`: by digest."""

    image: pulumi.Output[str]
    elsewhere: pulumi.Output[str]
    """The same for WorkerImageArgs.elsewhere."""
    repository_arn: pulumi.Output[str]
    content: str
    """The content's hash, known in a preview."""

    def __init__(self, name: str, args: WorkerImageArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("agent-telemetry:aws:WorkerImage", name, None, opts)
        context = args.context
        self.content = content_hash(image_reference("worker-base-image"))
        url, self.repository_arn, after = self._repository(name, args)
        options = context.options(self, depends_on=after)
        self.image = _Image(f"{name}-push", url, ARCHITECTURE, options).image
        self.elsewhere = self.image
        if args.elsewhere != ARCHITECTURE:
            self.elsewhere = _Image(f"{name}-push-{args.elsewhere}", url, args.elsewhere, options).image
        self.register_outputs({"image": self.image})

    def _repository(
        self, name: str, args: WorkerImageArgs
    ) -> tuple[pulumi.Output[str], pulumi.Output[str], list[pulumi.Resource]]:
        context, given = args.context, args.context.settings.workerImageRepository
        if given:
            return pulumi.Output.from_input(given), pulumi.Output.from_input(repository_arn(context, given)), []
        repository = image_repository(context, self, name, f"{context.prefix}/worker", args.key_arn)
        return repository.repository_url, repository.arn, [repository]


def image_repository(
    context: Context, parent: pulumi.Resource, name: str, path: str, key_arn: pulumi.Input[str]
) -> aws.ecr.Repository:
    """An ECR repository: scanned, encrypted with the customer key, its tags immutable, the newest images kept."""
    options = context.options(parent)
    repository = aws.ecr.Repository(
        f"{name}-repository",
        name=path,
        image_tag_mutability="IMMUTABLE",
        image_scanning_configuration={"scan_on_push": True},
        encryption_configurations=[{"encryption_type": "KMS", "kms_key": key_arn}],
        force_delete=not context.settings.protect,
        opts=options,
    )
    aws.ecr.LifecyclePolicy(f"{name}-lifecycle", repository=repository.name, policy=_LIFECYCLE, opts=options)
    return repository


_LIFECYCLE = f"""{{"rules": [{{"rulePriority": 1, "description": "the newest {KEPT_IMAGES}",
  "selection": {{"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": {KEPT_IMAGES}}},
  "action": {{"type": "expire"}}}}]}}"""
