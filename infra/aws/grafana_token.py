"""Tokens for Grafana's HTTP API: made for one run and deleted after it, so that none expires in the state."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from infra.aws.api import as_user_error, client, secret
from infra.errors import UserError

LIFETIME_SECONDS = 3600
"""A token that a killed run leaves behind ends by itself."""
SERVICE_ACCOUNT = "agent-telemetry-provisioning"
"""One account for all runs: each bills as a user."""


@dataclass(frozen=True)
class WorkspaceToken:
    """Managed Grafana: an Admin service account of ours, kept, and a token of its own for one step."""

    region: str
    workspace_id: str

    @contextmanager
    def open(self) -> Iterator[str]:
        """The bearer token, valid while the context is open."""
        grafana = client("grafana", self.region)
        what = f"Grafana workspace {self.workspace_id}"
        with as_user_error(what):
            account = self._account(grafana)
            token = grafana.create_workspace_service_account_token(
                # Names are unique in a workspace.
                name=f"run-{secrets.token_hex(6)}",
                secondsToLive=LIFETIME_SECONDS,
                serviceAccountId=account,
                workspaceId=self.workspace_id,
            )["serviceAccountToken"]
        try:
            yield token["key"]
        finally:
            # It ends by itself too; what the step did must not be hidden by this.
            with contextlib.suppress(UserError), as_user_error(what):
                grafana.delete_workspace_service_account_token(
                    serviceAccountId=account, tokenId=token["id"], workspaceId=self.workspace_id
                )

    def _account(self, grafana: Any) -> str:
        found = self._find(grafana)
        if found:
            return found
        try:
            return grafana.create_workspace_service_account(
                grafanaRole="ADMIN", name=SERVICE_ACCOUNT, workspaceId=self.workspace_id
            )["id"]
        except grafana.exceptions.ConflictException:
            # Steps run side by side: another one has just made it.
            if found := self._find(grafana):
                return found
            raise

    def _find(self, grafana: Any) -> str | None:
        pages = grafana.get_paginator("list_workspace_service_accounts").paginate(workspaceId=self.workspace_id)
        accounts = (account for page in pages for account in page["serviceAccounts"])
        return next((account["id"] for account in accounts if account["name"] == SERVICE_ACCOUNT), None)


@dataclass(frozen=True)
class SecretToken:
    """A Grafana that exists: the token that its owner put into a secret."""

    region: str
    secret_arn: str
    """{"token": "…"}: an Admin service account's."""

    @contextmanager
    def open(self) -> Iterator[str]:
        """The bearer token."""
        found = secret(self.region, self.secret_arn)
        if "token" not in found:
            raise UserError(
                f'secret {self.secret_arn}: has no key "token" (grafanaTokenSecretArn): {{"token": "glsa_…"}}'
            )
        yield found["token"]
