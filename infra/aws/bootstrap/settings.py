"""configs/bootstrap.yaml, typed and validated."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from infra.errors import UserError
from infra.model_file import read_model, shown
from infra.paths import CONFIGS

FILE = CONFIGS / "bootstrap.yaml"
EXAMPLE_ACCOUNT, EXAMPLE_OWNER = "123456789012", "example/"
KEY_ALIAS = "alias/agent-telemetry-bootstrap"
OIDC_PROVIDER = r"^(arn:aws:iam::\d{12}:oidc-provider/token\.actions\.githubusercontent\.com)?$"
REAPER = "reap"
"""The environment of the job that ends ephemeral stacks."""
Subject = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:/-]+\*?$")]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,20}$")]
StackName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,30}\*?$")]


class Preview(BaseModel):
    """One role for previews."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    stacks: Annotated[list[StackName], Field(min_length=1)]
    jobs: Annotated[list[Subject], Field(min_length=1)]


class BootstrapSettings(BaseModel):
    """One account and region."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    account: str = Field(pattern=r"^\d{12}$")
    region: str = Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")
    repository: Annotated[str, Field(pattern=r"^([A-Za-z0-9-]+(@\d+)?/[A-Za-z0-9_.-]+(@\d+)?)?$")] = ""
    previews: dict[Name, Preview] = {}
    environments: dict[Name, Annotated[list[StackName], Field(min_length=1)]] = {}
    oidcProviderArn: Annotated[str, Field(pattern=OIDC_PROVIDER)] = ""

    @property
    def bucket(self) -> str:
        """The state's bucket. Fixed, so that a later run finds the state without knowing any; and not agent-telemetry-*, as
        stacks' own buckets, which who deploys may do everything with (docs/deployer-policy.json)."""
        return f"state-agent-telemetry-{self.account}-{self.region}"

    @property
    def state_url(self) -> str:
        """For `pulumi login`."""
        return f"s3://{self.bucket}?region={self.region}"

    def ends(self, stack: str) -> bool:
        """Whether the hourly job may end this stack. Where there is no such job, that is not its matter."""
        patterns = self.environments.get(REAPER, [])
        known = self.repository and not self.repository.startswith(EXAMPLE_OWNER) and patterns
        return not known or any(fnmatchcase(stack, pattern) for pattern in patterns)

    def secrets_provider(self, stack: str) -> str:
        """For `pulumi stack init`: one key for all, told apart by an encryption context that IAM can name."""
        return f"awskms://{KEY_ALIAS}?region={self.region}&context_stack={stack}"

    @property
    def stacks(self) -> list[str]:
        """All that any role may touch, patterns too."""
        named = [*self.environments.values(), *(preview.stacks for preview in self.previews.values())]
        return sorted({stack for stacks in named for stack in stacks})


def uses_bootstrap_key(provider: str) -> bool:
    """Whether a stack file's secrets provider is this key, by its alias."""
    address = provider.partition("?")[0]
    return address.startswith("awskms:") and address.endswith((f"/{KEY_ALIAS}", f":{KEY_ALIAS}"))


def provider_of(stack: str, provider: str) -> str:
    """The same secrets provider for another stack: its context is the stack's name."""
    address, _, query = provider.partition("?")
    if not uses_bootstrap_key(provider) and "context_stack=" not in query:
        return provider
    kept = [item for item in query.split("&") if item and not item.startswith("context_stack=")]
    return f"{address}?{'&'.join([*kept, f'context_stack={stack}'])}"


def read(path: Path = FILE) -> BootstrapSettings:
    """The file's settings. Raises UserError with all problems in one message."""
    name, found = shown(path), read_model(path, BootstrapSettings)
    if found.oidcProviderArn and f"::{found.account}:" not in found.oidcProviderArn:
        raise UserError(f"{name}: oidcProviderArn is of another account than {found.account}")
    if found.repository and not (found.previews or found.environments):
        raise UserError(f"{name}: repository is given, but neither previews nor environments: nobody could sign in")
    return found


def check_own(found: BootstrapSettings) -> None:
    """Raises UserError naming every example value that is left."""
    left = [
        f"  {key}: {value}"
        for key, value, example in (
            ("account", found.account, found.account == EXAMPLE_ACCOUNT),
            ("repository", found.repository, found.repository.startswith(EXAMPLE_OWNER)),
        )
        if example
    ]
    if left:
        raise UserError("configs/bootstrap.yaml still has example values; set your own:\n" + "\n".join(left))
