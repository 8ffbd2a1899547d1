"""configs/bootstrap.yaml, typed and validated."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from infra.errors import UserError
from infra.paths import CONFIGS, ROOT

FILE = CONFIGS / "bootstrap.yaml"
EXAMPLE_ACCOUNT, EXAMPLE_OWNER = "123456789012", "example/"
OIDC_PROVIDER = r"^(arn:aws:iam::\d{12}:oidc-provider/token\.actions\.githubusercontent\.com)?$"
Subject = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:/-]+\*?$")]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,20}$")]
StackName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,30}\*?$")]


class BootstrapSettings(BaseModel):
    """One account and region."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    account: str = Field(pattern=r"^\d{12}$")
    region: str = Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")
    repository: Annotated[str, Field(pattern=r"^([A-Za-z0-9-]+(@\d+)?/[A-Za-z0-9_.-]+(@\d+)?)?$")] = ""
    previews: list[Subject] = []
    environments: dict[Name, Annotated[list[StackName], Field(min_length=1)]] = {}
    oidcProviderArn: Annotated[str, Field(pattern=OIDC_PROVIDER)] = ""

    @property
    def bucket(self) -> str:
        """The state's bucket. Fixed, so that a later run finds the state without knowing any."""
        return f"agent-telemetry-state-{self.account}-{self.region}"

    @property
    def state_url(self) -> str:
        """For `pulumi login`."""
        return f"s3://{self.bucket}?region={self.region}"

    def secrets_provider(self, stack: str) -> str:
        """For `pulumi stack init`: one key for all, told apart by an encryption context that IAM can name."""
        return f"awskms://alias/agent-telemetry-bootstrap?region={self.region}&context_stack={stack}"


def read(path: Path = FILE) -> BootstrapSettings:
    """The file's settings. Raises UserError with all problems in one message."""
    name = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
    try:
        found = BootstrapSettings.model_validate(yaml.safe_load(path.read_text()))
    except (OSError, yaml.YAMLError) as error:
        raise UserError(f"{name}: {error}") from None
    except ValidationError as error:
        lines = [f"  {'.'.join(map(str, item['loc'])) or 'the file'}: {item['msg']}" for item in error.errors()]
        raise UserError(f"{name}:\n" + "\n".join(lines)) from None
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
