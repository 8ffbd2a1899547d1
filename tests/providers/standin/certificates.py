"""X.509 by the cryptography package, from the inputs of pulumi-tls."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
NAMES = {
    "commonName": NameOID.COMMON_NAME,
    "country": NameOID.COUNTRY_NAME,
    "locality": NameOID.LOCALITY_NAME,
    "organization": NameOID.ORGANIZATION_NAME,
    "organizationalUnit": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "province": NameOID.STATE_OR_PROVINCE_NAME,
    "serialNumber": NameOID.SERIAL_NUMBER,
}
USAGES = {
    "digital_signature": "digital_signature",
    "content_commitment": "content_commitment",
    "key_encipherment": "key_encipherment",
    "data_encipherment": "data_encipherment",
    "key_agreement": "key_agreement",
    "cert_signing": "key_cert_sign",
    "crl_signing": "crl_sign",
}
EXTENDED = {
    "server_auth": ExtendedKeyUsageOID.SERVER_AUTH,
    "client_auth": ExtendedKeyUsageOID.CLIENT_AUTH,
    "code_signing": ExtendedKeyUsageOID.CODE_SIGNING,
    "email_protection": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "timestamping": ExtendedKeyUsageOID.TIME_STAMPING,
    "ocsp_signing": ExtendedKeyUsageOID.OCSP_SIGNING,
    "any_extended": ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
}
USES = frozenset(USAGES.keys() | EXTENDED.keys())


def key_of(pem: str) -> PrivateKey:
    """A private key in any of the forms that pulumi-tls gives."""
    found = serialization.load_pem_private_key(pem.encode(), None)
    if not isinstance(found, PrivateKey):
        raise ValueError(f"unsupported key: {type(found).__name__}")
    return found


def algorithm_of(key: Any) -> str:
    """pulumi-tls's name of a key's algorithm."""
    if isinstance(key, (rsa.RSAPrivateKey, rsa.RSAPublicKey)):
        return "RSA"
    return "ECDSA" if isinstance(key, (ec.EllipticCurvePrivateKey, ec.EllipticCurvePublicKey)) else "ED25519"


def _hash(key: PrivateKey) -> hashes.SHA256 | None:
    return None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()


def _subject(inputs: Mapping[str, Any]) -> x509.Name:
    given = inputs.get("subject") or {}
    return x509.Name([x509.NameAttribute(oid, given[key]) for key, oid in NAMES.items() if given.get(key)])


def _alternative_names(inputs: Mapping[str, Any]) -> x509.SubjectAlternativeName | None:
    names: list[x509.GeneralName] = [x509.DNSName(name) for name in inputs.get("dnsNames") or []]
    names += [x509.IPAddress(ipaddress.ip_address(address)) for address in inputs.get("ipAddresses") or []]
    names += [x509.UniformResourceIdentifier(uri) for uri in inputs.get("uris") or []]
    return x509.SubjectAlternativeName(names) if names else None


def request(inputs: Mapping[str, Any]) -> tuple[str, str]:
    """A signing request, and its key's algorithm."""
    key = key_of(inputs["privateKeyPem"])
    builder = x509.CertificateSigningRequestBuilder().subject_name(_subject(inputs))
    if names := _alternative_names(inputs):
        builder = builder.add_extension(names, critical=False)
    pem = builder.sign(key, _hash(key)).public_bytes(serialization.Encoding.PEM).decode()
    return pem, algorithm_of(key)


def _builder(inputs: Mapping[str, Any], public: Any, begins: datetime, ends: datetime) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().serial_number(x509.random_serial_number()).public_key(public)
    builder = builder.not_valid_before(begins).not_valid_after(ends)
    uses = inputs.get("allowedUses") or []
    flags = {flag: False for flag in (*USAGES.values(), "encipher_only", "decipher_only")}
    flags |= {USAGES[use]: True for use in uses if use in USAGES}
    if any(flags.values()):
        builder = builder.add_extension(x509.KeyUsage(**flags), critical=True)
    if extended := [EXTENDED[use] for use in uses if use in EXTENDED]:
        builder = builder.add_extension(x509.ExtendedKeyUsage(extended), critical=False)
    authority = bool(inputs.get("isCaCertificate"))
    depth = inputs.get("maxPathLength") if authority else None
    builder = builder.add_extension(x509.BasicConstraints(ca=authority, path_length=depth), critical=True)
    if inputs.get("setSubjectKeyId") or authority:
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    return builder


def self_signed(inputs: Mapping[str, Any], begins: datetime, ends: datetime) -> tuple[str, str]:
    """A certificate that a key signs for itself."""
    key = key_of(inputs["privateKeyPem"])
    name = _subject(inputs)
    builder = _builder(inputs, key.public_key(), begins, ends).subject_name(name).issuer_name(name)
    if names := _alternative_names(inputs):
        builder = builder.add_extension(names, critical=False)
    return _pem(builder.sign(key, _hash(key))), algorithm_of(key)


def locally_signed(inputs: Mapping[str, Any], begins: datetime, ends: datetime) -> tuple[str, str]:
    """A certificate for a request, signed by a CA's key, which has to be that of the CA's certificate."""
    authority = x509.load_pem_x509_certificate(inputs["caCertPem"].encode())
    key = key_of(inputs["caPrivateKeyPem"])
    if key.public_key() != authority.public_key():
        raise ValueError("caPrivateKeyPem is not the key of caCertPem")
    asked = x509.load_pem_x509_csr(inputs["certRequestPem"].encode())
    if not asked.is_signature_valid:
        raise ValueError("certRequestPem is not signed by its own key")
    builder = (
        _builder(inputs, asked.public_key(), begins, ends).subject_name(asked.subject).issuer_name(authority.subject)
    )
    for extension in asked.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    return _pem(builder.add_extension(issuer, critical=False).sign(key, _hash(key))), algorithm_of(key)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
