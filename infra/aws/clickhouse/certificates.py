"""The stack's own CA and a certificate for each node, renewed by an `up` within 60 days of their end.

The keys are in the state, as secrets. A renewed CA keeps its key: nodes whose certificates are older stay trusted
while the others get theirs, one after the other.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
import pulumi_tls as tls

from infra.aws.context import Context
from infra.config import PROJECT

DAY = 24
CA_HOURS = 3650 * DAY
CA_RENEWAL_HOURS = 825 * DAY
"""A node's certificate never outlives the CA's."""
NODE_HOURS = 730 * DAY
RENEWAL_HOURS = 60 * DAY
CURVE = "P256"


@dataclass(frozen=True)
class NodeSecret:
    """Where one node finds its key and certificate."""

    arn: pulumi.Output[str]
    version: pulumi.Output[str]
    """Changes with a renewal, so that the node is told."""
    resource: pulumi.Resource


class Certificates(pulumi.ComponentResource):
    """The CA; `node` signs. `ca_pem` is public."""

    ca_pem: pulumi.Output[str]

    def __init__(
        self, name: str, context: Context, key_arn: pulumi.Input[str], opts: pulumi.ResourceOptions | None = None
    ):
        super().__init__("agent-telemetry:aws:Certificates", name, None, opts)
        self._name, self._context, self._key_arn = name, context, key_arn
        self._ca_key = tls.PrivateKey(
            f"{name}-ca-key", algorithm="ECDSA", ecdsa_curve=CURVE, opts=context.stateful(self)
        )
        ca = tls.SelfSignedCert(
            f"{name}-ca",
            private_key_pem=self._ca_key.private_key_pem,
            is_ca_certificate=True,
            set_subject_key_id=True,
            subject={"common_name": f"{PROJECT} {context.stack} CA", "organization": PROJECT},
            allowed_uses=["cert_signing", "crl_signing"],
            validity_period_hours=CA_HOURS,
            early_renewal_hours=CA_RENEWAL_HOURS,
            opts=context.options(self),
        )
        self.ca_pem = ca.cert_pem
        self.register_outputs({"ca_pem": self.ca_pem})

    def node(self, node: str, names: Sequence[str]) -> NodeSecret:
        """Key and certificate for a node that answers under `names` and on its own loopback."""
        context, prefix = self._context, f"{self._name}-{node}"
        key = tls.PrivateKey(f"{prefix}-key", algorithm="ECDSA", ecdsa_curve=CURVE, opts=context.options(self))
        request = tls.CertRequest(
            f"{prefix}-request",
            private_key_pem=key.private_key_pem,
            subject={"common_name": names[0], "organization": PROJECT},
            dns_names=[*names, "localhost"],
            ip_addresses=["127.0.0.1"],
            opts=context.options(self),
        )
        certificate = tls.LocallySignedCert(
            prefix,
            cert_request_pem=request.cert_request_pem,
            ca_private_key_pem=self._ca_key.private_key_pem,
            ca_cert_pem=self.ca_pem,
            allowed_uses=["digital_signature", "key_encipherment", "server_auth", "client_auth"],
            set_subject_key_id=True,
            validity_period_hours=NODE_HOURS,
            early_renewal_hours=RENEWAL_HOURS,
            opts=context.options(self),
        )
        secret, version = json_secret(
            context,
            self,
            f"{prefix}-tls",
            self._key_arn,
            {"key": key.private_key_pem, "certificate": certificate.cert_pem},
        )
        return NodeSecret(secret.arn, version.version_id, version)


def json_secret(
    context: Context,
    parent: pulumi.Resource,
    name: str,
    key_arn: pulumi.Input[str],
    values: dict[str, pulumi.Input[str]],
) -> tuple[aws.secretsmanager.Secret, aws.secretsmanager.SecretVersion]:
    """A JSON object in Secrets Manager, encrypted with the stack's key; gone at once when nothing is protected."""
    secret = aws.secretsmanager.Secret(
        name,
        kms_key_id=key_arn,
        recovery_window_in_days=30 if context.settings.protect else 0,
        opts=context.stateful(parent),
    )
    text = pulumi.Output.secret(pulumi.Output.all(**values).apply(lambda known: json.dumps(known, sort_keys=True)))
    version = aws.secretsmanager.SecretVersion(
        f"{name}-value", secret_id=secret.id, secret_string=text, opts=context.options(parent)
    )
    return secret, version
