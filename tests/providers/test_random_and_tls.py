"""The stand-ins for pulumi-random and pulumi-tls: really random, really signed, and due when the real ones are."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from tests.providers.standin.cloud import Cloud, Refused
from tests.providers.standin.random_provider import ID as RANDOM_ID
from tests.providers.standin.random_provider import PASSWORD, PET, STRING, Random
from tests.providers.standin.tls_provider import KEY, LOCAL, REQUEST, SELF, Tls

URN = "urn:pulumi:test::test::{}::it"


@pytest.fixture
def tls(tmp_path: Path) -> Tls:
    return Tls(Cloud(tmp_path))


def made(provider: Tls | Random, type_: str, **inputs: Any) -> dict[str, Any]:
    """Checked and created; what the check says is raised."""
    checked, failures = provider.check(type_, URN.format(type_), {}, inputs, b"seed")
    if failures:
        raise Refused("CheckFailed", str(failures))
    return provider.create(type_, URN.format(type_), checked)[1]


def chain(tls: Tls, hours: int = 8760, early: int = 0) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """A CA, and a node's certificate by it, with the inputs of the latter."""
    authority_key = made(tls, KEY, algorithm="ECDSA", ecdsaCurve="P256")["privateKeyPem"]
    authority = made(
        tls,
        SELF,
        privateKeyPem=authority_key,
        subject={"commonName": "CA"},
        isCaCertificate=True,
        allowedUses=["cert_signing"],
        validityPeriodHours=hours,
    )
    node_key = made(tls, KEY, algorithm="ECDSA", ecdsaCurve="P256")["privateKeyPem"]
    names = {"dnsNames": ["node-1.internal", "localhost"], "ipAddresses": ["127.0.0.1"]}
    request = made(tls, REQUEST, privateKeyPem=node_key, subject={"commonName": "node-1"}, **names)
    inputs = {
        "caCertPem": authority["certPem"],
        "caPrivateKeyPem": authority_key,
        "certRequestPem": request["certRequestPem"],
        "allowedUses": ["server_auth", "digital_signature"],
        "validityPeriodHours": hours,
        "earlyRenewalHours": early,
    }
    return authority, made(tls, LOCAL, **inputs), inputs


def test_a_certificate_names_what_was_asked_and_is_signed_by_its_ca(tls: Tls) -> None:
    authority, node, _ = chain(tls)
    issuer, found = (x509.load_pem_x509_certificate(item["certPem"].encode()) for item in (authority, node))
    found.verify_directly_issued_by(issuer)
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["node-1.internal", "localhost"]
    assert not found.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert node["caKeyAlgorithm"] == "ECDSA" and node["validityEndTime"].endswith("Z")


def test_a_ca_whose_key_is_another_one_is_refused(tls: Tls) -> None:
    _, _, inputs = chain(tls)
    with pytest.raises(Refused, match="is not the key of caCertPem"):
        made(
            tls,
            LOCAL,
            **{**inputs, "caPrivateKeyPem": made(tls, KEY, algorithm="ECDSA", ecdsaCurve="P256")["privateKeyPem"]},
        )


@pytest.mark.parametrize(
    ("type_", "inputs", "message"),
    [
        (KEY, {"algorithm": "DSA"}, "must be one of RSA, ECDSA, ED25519"),
        (KEY, {"algorithm": "ECDSA", "ecdsaCurve": "P999"}, "must be one of"),
        (KEY, {}, "'algorithm' is required"),
        (SELF, {"privateKeyPem": "x", "allowedUses": [], "validityPeriodHours": 1}, "no PEM block"),
        (
            SELF,
            {"privateKeyPem": "PRIVATE KEY", "allowedUses": ["everything"], "validityPeriodHours": 1},
            "values must be one of",
        ),
    ],
)
def test_tls_refuses(tls: Tls, type_: str, inputs: dict, message: str) -> None:
    with pytest.raises(Refused, match=message):
        made(tls, type_, **inputs)


def test_a_certificate_is_due_from_its_early_renewal_on(tls: Tls) -> None:
    _, state, inputs = chain(tls, hours=8760, early=1440)
    unchanged = tls.diff(LOCAL, "", state, inputs, inputs)
    assert unchanged.changes == unchanged.DIFF_NONE
    tls.cloud.advance(days=304)
    assert not tls.diff(LOCAL, "", state, inputs, inputs).replaces
    tls.cloud.advance(days=2)
    assert list(tls.diff(LOCAL, "", state, inputs, inputs).replaces) == ["readyForRenewal"]
    read = tls.read(LOCAL, "", "id", state, inputs)
    assert read is not None and read[0]["readyForRenewal"] is True


def test_a_changed_early_renewal_is_an_update_and_anything_else_a_new_certificate(tls: Tls) -> None:
    _, state, inputs = chain(tls)
    update = tls.diff(LOCAL, "", state, inputs, {**inputs, "earlyRenewalHours": 24})
    assert list(update.diffs) == ["earlyRenewalHours"] and not update.replaces
    replace = tls.diff(LOCAL, "", state, inputs, {**inputs, "validityPeriodHours": 24})
    assert list(replace.replaces) == ["validityPeriodHours"]


def test_keys_of_every_kind_are_real_and_secret(tls: Tls) -> None:
    for algorithm in ("RSA", "ECDSA", "ED25519"):
        key = made(tls, KEY, algorithm=algorithm)
        assert key["privateKeyPem"].startswith("-----BEGIN") and key["publicKeyPem"].startswith("-----BEGIN PUBLIC KEY")
    assert {"privateKeyPem", "privateKeyOpenssh", "privateKeyPemPkcs8"} <= tls.secrets(KEY)
    found = x509.load_pem_x509_certificate(chain(tls)[0]["certPem"].encode())
    assert isinstance(found.public_key(), ec.EllipticCurvePublicKey)
    assert found.not_valid_before_utc <= datetime.datetime.now(datetime.UTC)


def test_passwords_are_random_of_the_wanted_classes_and_secret(tmp_path: Path) -> None:
    provider = Random(Cloud(tmp_path))
    results = {made(provider, PASSWORD, length=32, special=False, minNumeric=4)["result"] for _ in range(20)}
    assert len(results) == 20 and all(len(item) == 32 and item.isalnum() for item in results)
    assert all(sum(letter.isdigit() for letter in item) >= 4 for item in results)
    assert set(
        made(provider, STRING, length=8, upper=False, lower=False, numeric=False, overrideSpecial="-")["result"]
    ) == {"-"}
    assert provider.secrets(PASSWORD) == {"result", "bcryptHash"} and not provider.secrets(STRING)
    assert len(made(provider, RANDOM_ID, byteLength=4)["hex"]) == 8
    assert made(provider, PET, prefix="x")["prefix"] == "x"
    for inputs, message in (
        ({"length": 3, "minNumeric": 4}, "at least 4"),
        ({"length": "x"}, "expected int"),
        ({}, "'length' is required"),
    ):
        with pytest.raises(Refused, match=message):
            made(provider, PASSWORD, **inputs)


def test_a_changed_length_or_keeper_makes_a_new_password(tmp_path: Path) -> None:
    provider = Random(Cloud(tmp_path))
    inputs = {"length": 8, "keepers": {"a": "1"}}
    state = made(provider, PASSWORD, **inputs)
    assert list(provider.diff(PASSWORD, "", state, inputs, {**inputs, "length": 9}).replaces) == ["length"]
    assert list(provider.diff(PASSWORD, "", state, inputs, {**inputs, "keepers": {"a": "2"}}).replaces) == ["keepers"]
