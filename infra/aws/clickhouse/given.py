"""Given certificates, looked at before anything is made: PEM, dates, names, and whether the given CA signed them.

All of it is public and stands in the stack's file; private keys are in Secrets Manager and only the nodes read them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from infra.aws.clickhouse import names
from infra.errors import UserError
from infra.settings.tls import EVERY

if TYPE_CHECKING:  # a third of a second, and most stacks have their own CA
    from cryptography.x509 import Certificate

    from infra.aws.context import Context
    from infra.settings import Settings

CLIENTS = "extendedKeyUsage has serverAuth and not clientAuth, and Keepers and replicas ask each other for certificates"


@dataclass
class Given:
    """What was found in the settings."""

    roots: list[str] = field(default_factory=list)
    """Who is trusted: a hash of each root's public key, which a renewed root keeps."""
    signers: list[str] = field(default_factory=list)
    """Those among them whom the nodes' certificates lead to; empty as long as none is shown."""
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Stack:
    """What names ask of a context: this looks before there is one."""

    settings: Settings
    stack: str


def check(settings: Settings, stack: str) -> Given:
    """What the settings give. Raises UserError with all that is wrong about it."""
    wanted = names.certificate_names(cast("Context", _Stack(settings, stack)))
    found = examine(settings, wanted, datetime.now(UTC))
    if found.problems:
        raise UserError("the given certificates can't be used:\n" + "\n".join(found.problems))
    return found


def examine(settings: Settings, wanted: Mapping[str, Sequence[str]], now: datetime) -> Given:
    """Looks at clickhouseCaPem, and at the certificates of the nodes in `wanted` (node to its names) once they are shown."""
    found = Given()
    if settings.clickhouseTls == "own":
        return found
    roots = _roots(settings.clickhouseCaPem, now, found.problems)
    found.roots = sorted({key_hash(root) for root in roots})
    for key in ("clickhouseCertificates", "clickhouseCertificateKeyArns"):
        given: Mapping[str, str] = getattr(settings, key)
        for node in sorted(set(given) - {*wanted, EVERY}):
            found.problems.append(f"{key}: {node} is no node of this stack ({', '.join(wanted)})")
        if settings.given_certificates:
            lacking = [node for node in wanted if node not in given and EVERY not in given]
            if lacking and given:
                found.problems.append(f"{key}: nothing for {', '.join(lacking)}: name each or write '*'")
    if settings.given_certificates:
        signers = set()
        for node, pem in settings.clickhouseCertificates.items():
            nodes = [one for one in wanted if _for(settings.clickhouseCertificates, one) == node]
            asked = sorted({name for one in nodes for name in wanted[one]})
            signer = _certificate(f"clickhouseCertificates: {node}", pem, asked, roots, now, found.problems)
            if signer is not None:
                signers.add(key_hash(signer))
                if len(wanted) > 1 and not _for_clients(_parsed(pem)[0]):
                    found.problems.append(f"clickhouseCertificates: {node}: {CLIENTS}")
        found.signers = sorted(signers)
    return found


def of_node(given: Mapping[str, str], node: str) -> str:
    """What is given for the node: under its own name, or for each that is not named."""
    return given[_for(given, node)]


def _for(given: Mapping[str, str], node: str) -> str:
    return node if node in given else EVERY


def key_hash(certificate: Certificate) -> str:
    """Says who somebody is over renewals: by the public key."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    public = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(public).hexdigest()[:16]


def _parsed(pem: str) -> list[Certificate]:
    """Every certificate in the text. Raises ValueError."""
    from cryptography.x509 import load_pem_x509_certificates

    if "PRIVATE KEY" in pem:
        raise ValueError(
            "holds a private key: it belongs in Secrets Manager alone; take another one, this one was seen"
        )
    try:
        return load_pem_x509_certificates(pem.encode())
    except ValueError:
        raise ValueError("is no PEM certificate (-----BEGIN CERTIFICATE----- …)") from None


def _dates(certificate: Certificate, now: datetime) -> str:
    if certificate.not_valid_after_utc <= now:
        return f"expired on {certificate.not_valid_after_utc:%Y-%m-%d}"
    if certificate.not_valid_before_utc > now:
        return f"is valid from {certificate.not_valid_before_utc:%Y-%m-%d} on only"
    return ""


def _roots(pem: str, now: datetime, problems: list[str]) -> list[Certificate]:
    from cryptography.x509 import BasicConstraints, ExtensionNotFound

    try:
        certificates = _parsed(pem)
    except ValueError as error:
        problems.append(f"clickhouseCaPem: {error}")
        return []
    good = []
    for certificate in certificates:
        wrong = _dates(certificate, now)
        try:
            if not certificate.extensions.get_extension_for_class(BasicConstraints).value.ca:
                wrong = wrong or "is no CA's certificate (basicConstraints CA:FALSE)"
        except ExtensionNotFound:
            wrong = wrong or "is no CA's certificate (it has no basicConstraints)"
        if not wrong and not _self_signed(certificate):
            wrong = "is an intermediate one: trust begins at a root; write it behind the nodes' certificates instead"
        if wrong:
            problems.append(f"clickhouseCaPem: {_name(certificate)} {wrong}")
        else:
            good.append(certificate)
    return good


def _self_signed(certificate: Certificate) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        certificate.verify_directly_issued_by(certificate)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _certificate(
    what: str, pem: str, asked: Sequence[str], roots: list[Certificate], now: datetime, problems: list[str]
) -> Certificate | None:
    """The root that a node's certificate leads to; None when something is wrong with it."""
    from cryptography import x509
    from cryptography.x509 import verification

    try:
        first, *others = _parsed(pem)
    except ValueError as error:
        problems.append(f"{what} {error}")
        return None
    known = len(problems)
    for certificate in (first, *others):
        if wrong := _dates(certificate, now):
            problems.append(f"{what}: {_name(certificate)} {wrong}")
    lacking = [name for name in asked if not any(_covers(known_name, name) for known_name in _dns_names(first))]
    if lacking:
        held = ", ".join(_dns_names(first)) or "no DNS name"
        problems.append(f"{what} is for {held}, and not for {', '.join(lacking)}")
    if len(problems) > known or not roots:
        return None
    signer: Certificate | None = None
    # With no node left that takes it, nobody asks for a name.
    for name in asked:
        builder = verification.PolicyBuilder().store(verification.Store(roots)).time(now)
        try:
            signer = builder.build_server_verifier(x509.DNSName(name)).verify(first, others)[-1]
        except verification.VerificationError as error:
            problems.append(f"{what}: no CA in clickhouseCaPem has signed it, or not as TLS asks for: {error}")
            return None
    return signer


def _covers(known: str, name: str) -> bool:
    return known == name or (known.startswith("*.") and known[2:] == name.partition(".")[2])


def _dns_names(certificate: Certificate) -> list[str]:
    from cryptography import x509

    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return [str(name) for name in found.value.get_values_for_type(x509.DNSName)]


def _for_clients(certificate: Certificate) -> bool:
    from cryptography import x509

    try:
        usage: Any = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    return x509.oid.ExtendedKeyUsageOID.CLIENT_AUTH in usage


def _name(certificate: Certificate) -> str:
    return certificate.subject.rfc4514_string() or "a certificate without a subject"
