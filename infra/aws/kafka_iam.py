"""The worker's way to sign in to MSK by its own role (kafkaAuth iam): a token signed on the spot, no secret at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from infra.aws.api import as_user_error
from infra.errors import UserError


@dataclass(frozen=True)
class KafkaIam:
    """infra.endpoints.KafkaAccess for a cluster that asks for IAM."""

    region: str

    @contextmanager
    def open(self) -> Iterator[dict[str, Any]]:
        """OAUTHBEARER with MSK's token, which the client asks for anew before it ends (15 minutes).

        Raises UserError without credentials to sign with: the client itself would only wait and say that it had none.
        """
        self.token()
        yield {"sasl.mechanism": "OAUTHBEARER", "oauth_cb": self.token}

    def token(self, _config: str | None = None) -> tuple[str, float]:
        """A token and when it ends, in seconds since 1970. Raises UserError."""
        # Imported here: they take a second to load.
        from aws_msk_iam_sasl_signer.MSKAuthTokenProvider import generate_auth_token
        from botocore.session import Session

        with as_user_error("sign-in to Kafka"):
            if Session().get_credentials() is None:
                raise UserError("sign-in to Kafka: there are no AWS credentials to sign with")
            token, ends_ms = generate_auth_token(self.region)
        return token, ends_ms / 1000
