"""The stand-in for pulumi-tls: real keys and certificates, which ask for renewal as the real provider's do."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from tests.providers.standin import certificates
from tests.providers.standin.cloud import Refused
from tests.providers.standin.server import Failures
from tests.providers.standin.stateless import Stateless

KEY, REQUEST = "tls:index/privateKey:PrivateKey", "tls:index/certRequest:CertRequest"
SELF, LOCAL = "tls:index/selfSignedCert:SelfSignedCert", "tls:index/locallySignedCert:LocallySignedCert"
CURVES = {"P224": ec.SECP224R1, "P256": ec.SECP256R1, "P384": ec.SECP384R1, "P521": ec.SECP521R1}
SECRETS = {
    KEY: frozenset({"privateKeyPem", "privateKeyOpenssh", "privateKeyPemPkcs8"}),
    REQUEST: frozenset({"privateKeyPem"}),
    SELF: frozenset({"privateKeyPem"}),
    LOCAL: frozenset({"caPrivateKeyPem"}),
}


class Tls(Stateless):
    """pulumi-tls. A changed earlyRenewalHours is noted in place; anything else makes a new one."""

    package = "tls"
    in_place: ClassVar[Mapping[str, frozenset[str]]] = {
        SELF: frozenset({"earlyRenewalHours"}),
        LOCAL: frozenset({"earlyRenewalHours"}),
    }

    def secrets(self, type_: str) -> frozenset[str]:
        return SECRETS.get(type_, frozenset())

    def problems(self, type_: str, inputs: Mapping[str, Any]) -> Failures:
        if type_ == KEY and inputs["algorithm"] not in ("RSA", "ECDSA", "ED25519"):
            return [("algorithm", f"value must be one of RSA, ECDSA, ED25519, got: {inputs['algorithm']}")]
        if type_ == KEY and inputs.get("ecdsaCurve") not in (None, *CURVES):
            return [("ecdsaCurve", f"value must be one of {[*CURVES]}, got: {inputs['ecdsaCurve']}")]
        unknown = sorted(set(inputs.get("allowedUses") or []) - certificates.USES)
        if unknown:
            return [("allowedUses", f"values must be one of {sorted(certificates.USES)}, got: {unknown}")]
        for key in ("privateKeyPem", "caPrivateKeyPem"):
            if inputs.get(key) is not None and "PRIVATE KEY" not in inputs[key]:
                return [(key, "no PEM block of a private key")]
        return []

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self.cloud.now(), UTC)

    def ready(self, state: Mapping[str, Any]) -> bool:
        """Whether a certificate has expired, or is inside of its early renewal."""
        end = state.get("validityEndTime")
        early = timedelta(hours=state.get("earlyRenewalHours") or 0)
        return bool(end) and self._now() >= datetime.fromisoformat(end) - early

    def due(self, type_: str, state: Mapping[str, Any]) -> tuple[str, ...]:
        return ("readyForRenewal",) if type_ in (SELF, LOCAL) and self.ready(state) else ()

    def read(self, type_: str, urn: str, id_: str, state: dict, inputs: dict) -> tuple[dict, dict] | None:
        if type_ in (SELF, LOCAL) and self.ready(state):
            state = {**state, "readyForRenewal": True}
        return state, inputs

    def create(self, type_: str, urn: str, inputs: dict) -> tuple[str, dict]:
        try:
            if type_ == KEY:
                return self._key(inputs)
            if type_ == REQUEST:
                pem, algorithm = certificates.request(inputs)
                return _id(pem), {**inputs, "certRequestPem": pem, "keyAlgorithm": algorithm}
            if type_ in (SELF, LOCAL):
                return self._certificate(type_, inputs)
        except ValueError as error:
            raise Refused("InvalidInput", str(error)) from None
        raise Refused("Unsupported", f"{type_} is not served by the stand-in provider")

    def _key(self, inputs: dict) -> tuple[str, dict]:
        algorithm = inputs["algorithm"]
        made = {
            "RSA": lambda: rsa.generate_private_key(65537, inputs.get("rsaBits", 2048)),
            "ECDSA": lambda: ec.generate_private_key(CURVES[inputs.get("ecdsaCurve", "P224")]()),
            "ED25519": ed25519.Ed25519PrivateKey.generate,
        }[algorithm]()
        none = serialization.NoEncryption()
        traditional = (
            serialization.PrivateFormat.PKCS8
            if algorithm == "ED25519"
            else serialization.PrivateFormat.TraditionalOpenSSL
        )
        pem, public = serialization.Encoding.PEM, made.public_key()
        public_pem = public.public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
        outputs = {
            "rsaBits": 2048,
            "ecdsaCurve": "P224",
            **inputs,
            "privateKeyPem": made.private_bytes(pem, traditional, none).decode(),
            "privateKeyPemPkcs8": made.private_bytes(pem, serialization.PrivateFormat.PKCS8, none).decode(),
            "privateKeyOpenssh": ""
            if inputs.get("ecdsaCurve", "P224") == "P224" and algorithm == "ECDSA"
            else made.private_bytes(pem, serialization.PrivateFormat.OpenSSH, none).decode(),
            "publicKeyPem": public_pem,
            "publicKeyOpenssh": "",
            "publicKeyFingerprintMd5": "",
            "publicKeyFingerprintSha256": "",
        }
        return _id(public_pem), outputs

    def _certificate(self, type_: str, inputs: dict) -> tuple[str, dict]:
        begins = self._now().replace(microsecond=0)
        ends = begins + timedelta(hours=inputs["validityPeriodHours"])
        sign = certificates.self_signed if type_ == SELF else certificates.locally_signed
        pem, algorithm = sign(inputs, begins, ends)
        outputs = {
            "earlyRenewalHours": 0,
            "isCaCertificate": False,
            "setSubjectKeyId": False,
            **inputs,
            "certPem": pem,
            "validityStartTime": begins.isoformat().replace("+00:00", "Z"),
            "validityEndTime": ends.isoformat().replace("+00:00", "Z"),
            "readyForRenewal": False,
            "keyAlgorithm" if type_ == SELF else "caKeyAlgorithm": algorithm,
        }
        return _id(pem), outputs


def _id(text: str) -> str:
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
