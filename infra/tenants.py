"""Tenants' credentials: JWTs signed once by a key of their own, and the file of public keys that makes them valid."""

from __future__ import annotations

import base64
import fcntl
import json
import re
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.errors import UserError

if TYPE_CHECKING:  # slow to import, and every command imports this file
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ISSUER = "urn:agent-telemetry"
AUDIENCE = "agent-telemetry-otlp"
TENANT_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
DUMMY = "no-credential"
"""An empty key list is ignored by the collector, so one key that no token was ever signed with stays in it."""


@dataclass(frozen=True)
class Credential:
    """A live credential as `telemetry tenants list` shows it. The token itself is stored nowhere."""

    kid: str
    tenants: tuple[str, ...]
    created: int
    """Unix seconds."""
    expires: int
    """Unix seconds."""


def _new_key() -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.generate()


def _jwk(key: Ed25519PrivateKey, kid: str) -> dict[str, Any]:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    x = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
    return {"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": kid, "x": x}


def ensure_key_list(path: Path) -> None:
    """Writes a key list without any credential, unless there is one."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, [_jwk(_new_key(), DUMMY)])


def _write(path: Path, keys: list[dict[str, Any]]) -> None:
    # The collector watches the file: a reader must never see half of it.
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps({"keys": keys}, indent=1))
    partial.replace(path)


@contextmanager
def _locked(path: Path) -> Iterator[list[dict[str, Any]]]:
    ensure_key_list(path)
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield json.loads(path.read_text())["keys"]


def add(path: Path, tenants: Sequence[str], days: int) -> tuple[Credential, str]:
    """A new credential for the tenants and its token, which is shown once and stored nowhere.

    Raises UserError for a name that is not lower-case letters, digits, '.', '_' or '-' (63 at most).
    """
    for tenant in tenants:
        if not TENANT_NAME.fullmatch(tenant):
            raise UserError(f"tenant {tenant!r}: use lower-case letters, digits, '.', '_' and '-', 63 at most")
    import jwt

    key = _new_key()
    now = int(time.time())
    kid = f"{tenants[0]}-{secrets.token_hex(4)}"
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": kid, "iat": now, "exp": now + days * 86400}
    # One string: of a claim that is a JSON list the collector makes no attribute.
    token = jwt.encode({**claims, "tenant": ";".join(tenants)}, key, algorithm="EdDSA", headers={"kid": kid})
    with _locked(path) as keys:
        keys = [old for old in keys if old.get("expires", now) >= now]
        keys.append({**_jwk(key, kid), "tenants": list(tenants), "created": now, "expires": claims["exp"]})
        _write(path, keys)
    return Credential(kid, tuple(tenants), now, claims["exp"]), token


def listed(path: Path) -> list[Credential]:
    """The live credentials, oldest first."""
    with _locked(path) as keys:
        return [
            Credential(key["kid"], tuple(key["tenants"]), key["created"], key["expires"])
            for key in keys
            if key["kid"] != DUMMY
        ]


def revoke(path: Path, name: str) -> list[Credential]:
    """Takes away the credential with this id, or every one that speaks for this tenant. Raises UserError if none."""
    gone = [item for item in listed(path) if item.kid == name or name in item.tenants]
    if not gone:
        raise UserError(f"no live credential is called {name} or speaks for it; `telemetry tenants list` shows all")
    with _locked(path) as keys:
        _write(path, [key for key in keys if key["kid"] not in {item.kid for item in gone}])
    return gone


@dataclass(frozen=True)
class KeyListCredential:
    """Access to a collector whose key list is a file here: a credential of its own for one step, revoked after it."""

    path: str

    @contextmanager
    def open(self, tenant: str) -> Iterator[dict[str, str]]:
        credential, token = add(Path(self.path), [tenant], days=1)
        try:
            yield {"Authorization": f"Bearer {token}"}
        finally:
            revoke(Path(self.path), credential.kid)
