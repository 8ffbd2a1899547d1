"""What a contact point must not say in the open: a Slack hook's URL, a webhook's URL and token, from Secrets Manager."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from infra.aws.api import secret
from infra.errors import UserError


@dataclass(frozen=True)
class AlertSecret:
    """A secret whose keys become settings of a contact point."""

    region: str
    secret_arn: str
    keys: Mapping[str, str]
    """The secret's key to Grafana's name for it."""
    needed: str
    """The key without which it is of no use."""

    @contextmanager
    def open(self) -> Iterator[dict[str, str]]:
        """The secret settings."""
        found = secret(self.region, self.secret_arn)
        if not str(found.get(self.needed, "")).startswith("https://"):
            raise UserError(
                f'secret {self.secret_arn}: has no key "{self.needed}" with an address that begins with https://: write '
                f'{{"{self.needed}": "https://…"}} into it'
            )
        if unknown := sorted(set(found) - set(self.keys)):
            raise UserError(
                f"secret {self.secret_arn}: unknown keys {', '.join(unknown)}; it takes {', '.join(self.keys)}"
            )
        yield {self.keys[key]: value for key, value in found.items()}
