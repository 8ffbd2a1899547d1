"""A certificate authority for tests: roots, intermediates and certificates as a company's own CA makes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH


@dataclass(frozen=True)
class Pair:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def key_pem(self) -> str:
        none = serialization.NoEncryption()
        return self.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, none).decode()


def root(name: str, days: float = 3650, key: ec.EllipticCurvePrivateKey | None = None) -> Pair:
    """A self-signed CA; with `key`: a renewed one."""
    return _make(name, None, days, True, (), (), key)


def intermediate(by: Pair, name: str, days: float = 1000) -> Pair:
    """A CA that another one has signed."""
    return _make(name, by, days, True, (), ())


def certificate(
    by: Pair,
    names: Sequence[str],
    days: float = 365,
    uses: Sequence[x509.ObjectIdentifier] = (SERVER, CLIENT),
    begins: float = -1,
) -> Pair:
    """A certificate for DNS names that begins in `begins` days and ends in `days`."""
    return _make(names[0] if names else "nobody", by, days, False, names, uses, None, begins)


def _make(
    name: str,
    by: Pair | None,
    days: float,
    authority: bool,
    names: Sequence[str],
    uses: Sequence[x509.ObjectIdentifier],
    key: ec.EllipticCurvePrivateKey | None = None,
    begins: float = -1,
) -> Pair:
    key = key or ec.generate_private_key(ec.SECP256R1())
    signing = by.key if by else key
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=min(begins, days - 1)))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(authority, None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()), critical=False)
    )
    flags = {"key_cert_sign": authority, "crl_sign": authority, "digital_signature": not authority}
    others = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    usage = x509.KeyUsage(**flags, **dict.fromkeys((*others, "encipher_only", "decipher_only"), False))
    builder = builder.add_extension(usage, critical=True)
    if names:
        alternatives = x509.SubjectAlternativeName([x509.DNSName(item) for item in names])
        builder = builder.add_extension(alternatives, critical=False)
    if uses:
        builder = builder.add_extension(x509.ExtendedKeyUsage(list(uses)), critical=False)
    return Pair(builder.sign(signing, hashes.SHA256()), key)
