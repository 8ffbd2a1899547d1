"""What signs calls of budgetWebhookUrl, on AWS: the operator's own secret, read by the worker's task."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from infra.aws.api import secret
from infra.webhook_secret import secrets_of


@dataclass(frozen=True)
class StoredSecret:
    """{"secret": "whsec_…"} in Secrets Manager, and "previous" beside it while receivers change over."""

    region: str
    secret_arn: str

    @contextmanager
    def open(self) -> Iterator[list[str]]:
        yield secrets_of(secret(self.region, self.secret_arn), f"budgetWebhookSecretArn {self.secret_arn}")
