"""The stack's own CA and a certificate for each node, renewed by an `up` within 60 days of their end; or given ones.

Our own keys are in the state, as secrets. A renewed CA keeps its key: nodes whose certificates are older stay trusted
while the others get theirs, one after the other. With given ones only, nothing is made.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
import pulumi_tls as tls

from infra.aws.clickhouse import names
from infra.aws.clickhouse.given import of_node
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
class NodeCertificate:
    """Where one node finds its key and its certificate."""

    arn: pulumi.Output[str]
    """The secret with the key, and with the certificate too when it is our own."""
    version: pulumi.Output[str]
    """Changes with a renewal, so that the node is told."""
    given: str = ""
    """The certificate and its intermediate ones when it is given: public, so it comes with the node's bundle."""
    key_arns: Sequence[pulumi.Input[str]] = ()
    """The KMS keys of the secret, beside the stack's own."""
    ready: Sequence[pulumi.Resource] = ()


class Certificates(pulumi.ComponentResource):
    """Our own CA as long as it signs or is trusted; `node` gives each node its certificate. `ca_pem` is public."""

    ca_pem: pulumi.Output[str]
    """Who is trusted: nodes among each other, and everybody who asks them."""

    def __init__(
        self, name: str, context: Context, key_arn: pulumi.Input[str], opts: pulumi.ResourceOptions | None = None
    ):
        super().__init__("agent-telemetry:aws:Certificates", name, None, opts)
        self._name, self._context, self._key_arn = name, context, key_arn
        settings = context.settings
        trusted: list[pulumi.Input[str]] = [given_ca] if (given_ca := settings.clickhouseCaPem.strip()) else []
        if settings.own_ca:
            trusted.insert(0, self._own_ca())
        # The very text of a single CA: nodes and clients of a stack that has one only see no change.
        self.ca_pem = pulumi.Output.all(*trusted).apply(
            lambda texts: texts[0] if len(texts) == 1 else "\n".join(text.strip() for text in texts) + "\n"
        )
        self.register_outputs({"ca_pem": self.ca_pem})

    def _own_ca(self) -> pulumi.Output[str]:
        name, context = self._name, self._context
        # Unprotected a step before it is no longer wanted: a protected one could not be left out.
        kept = not context.settings.given_certificates
        self._ca_key = tls.PrivateKey(
            f"{name}-ca-key",
            algorithm="ECDSA",
            ecdsa_curve=CURVE,
            opts=context.stateful(self) if kept else context.options(self),
        )
        self._ca = tls.SelfSignedCert(
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
        return self._ca.cert_pem

    def node(self, node: str) -> NodeCertificate:
        """Key and certificate for a node, under its names."""
        settings = self._context.settings
        if settings.given_certificates:
            arn = of_node(settings.clickhouseCertificateKeyArns, node)
            return NodeCertificate(
                pulumi.Output.from_input(arn),
                # The certificate is in the bundle: another one changes that.
                pulumi.Output.from_input("given"),
                of_node(settings.clickhouseCertificates, node).strip() + "\n",
                [settings.clickhouseCertificateKmsArn],
            )
        return self._signed(node, names.certificate_names(self._context)[node])

    def _signed(self, node: str, hosts: Sequence[str]) -> NodeCertificate:
        """Our own; for the node's own loopback too."""
        context, prefix = self._context, f"{self._name}-{node}"
        key = tls.PrivateKey(f"{prefix}-key", algorithm="ECDSA", ecdsa_curve=CURVE, opts=context.options(self))
        request = tls.CertRequest(
            f"{prefix}-request",
            private_key_pem=key.private_key_pem,
            subject={"common_name": hosts[0], "organization": PROJECT},
            dns_names=[*hosts, "localhost"],
            ip_addresses=["127.0.0.1"],
            opts=context.options(self),
        )
        certificate = tls.LocallySignedCert(
            prefix,
            cert_request_pem=request.cert_request_pem,
            ca_private_key_pem=self._ca_key.private_key_pem,
            ca_cert_pem=self._ca.cert_pem,
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
            # Unprotected a step before a given one takes its place, as with the CA.
            kept=context.settings.clickhouseTls == "own",
        )
        return NodeCertificate(secret.arn, version.version_id, ready=[version])


def json_secret(
    context: Context,
    parent: pulumi.Resource,
    name: str,
    key_arn: pulumi.Input[str],
    values: dict[str, pulumi.Input[str]],
    kept: bool = True,
) -> tuple[aws.secretsmanager.Secret, aws.secretsmanager.SecretVersion]:
    """A JSON object in Secrets Manager, encrypted with the stack's key; gone at once when nothing is protected.

    `kept`: not to be left out of the program either, as far as the stack protects anything.
    """
    secret = aws.secretsmanager.Secret(
        name,
        kms_key_id=key_arn,
        recovery_window_in_days=30 if context.settings.protect else 0,
        opts=context.stateful(parent) if kept else context.options(parent),
    )
    text = pulumi.Output.secret(pulumi.Output.all(**values).apply(lambda known: json.dumps(known, sort_keys=True)))
    version = aws.secretsmanager.SecretVersion(
        f"{name}-value", secret_id=secret.id, secret_string=text, opts=context.options(parent)
    )
    return secret, version
