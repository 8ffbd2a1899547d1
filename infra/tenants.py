"""Tenants' credentials: JWTs signed once by a key of their own, and the file of public keys that makes them valid."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import json
import re
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from infra.errors import UserError

if TYPE_CHECKING:  # slow to import, and every command imports this file
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ISSUER = "urn:agent-telemetry"
AUDIENCE = "agent-telemetry-otlp"
TENANT_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
EVERYBODY = "*"
"""In a setting that names tenants: all of them."""
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


def _public(key: Ed25519PrivateKey) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def _jwk(raw: bytes, kid: str) -> dict[str, Any]:
    x = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
    return {"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": kid, "x": x}


Keys = list[dict[str, Any]]


class KeyStore(Protocol):
    """Where the list of public keys lies."""

    def read(self) -> Keys:
        """The list as it is."""
        ...

    def change(self, edit: Callable[[Keys], Keys]) -> None:
        """Replaces the list by what `edit` makes of it; of two at once none is lost. `edit` may run again."""
        ...


def empty_list() -> Keys:
    """A key list without any credential. Its one public key is a hash, so nobody has the private one; and always the same:
    a plan holds the list that its `up` will write."""
    return [_jwk(hashlib.sha256(DUMMY.encode()).digest(), DUMMY)]


def key_list_text(keys: Keys) -> str:
    """The list as the collector reads it (a JWKS)."""
    return json.dumps({"keys": keys}, indent=1)


@dataclass(frozen=True)
class KeyFile:
    """The list as a file on this machine."""

    path: Path

    def read(self) -> Keys:
        with self._locked() as keys:
            return keys

    def change(self, edit: Callable[[Keys], Keys]) -> None:
        with self._locked() as keys:
            self._write(edit(keys))

    def ensure(self) -> None:
        """Writes a list without any credential, unless there is one."""
        if not self.path.exists():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._write(empty_list())

    def _write(self, keys: Keys) -> None:
        # The collector watches the file: a reader must never see half of it.
        partial = self.path.with_suffix(".partial")
        partial.write_text(key_list_text(keys))
        partial.replace(self.path)

    @contextmanager
    def _locked(self) -> Iterator[Keys]:
        self.ensure()
        with self.path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield json.loads(self.path.read_text())["keys"]


def add(store: KeyStore, tenants: Sequence[str], days: int) -> tuple[Credential, str]:
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
    listed_key = {**_jwk(_public(key), kid), "tenants": list(tenants), "created": now, "expires": claims["exp"]}
    store.change(lambda keys: [*(old for old in keys if old.get("expires", now) >= now), listed_key])
    return Credential(kid, tuple(tenants), now, claims["exp"]), token


class TokenPlace(Protocol):
    """Where one token is kept, readable only for those who may make any."""

    def read(self) -> str:
        """The token; '' for none."""
        ...

    def write(self, token: str) -> None:
        """Keeps this one instead."""
        ...


@dataclass(frozen=True)
class TokenFile:
    """A file that only its owner reads."""

    path: Path

    def read(self) -> str:
        return self.path.read_text() if self.path.exists() else ""

    def write(self, token: str) -> None:
        partial = self.path.with_suffix(".partial")
        partial.parent.mkdir(parents=True, exist_ok=True)
        partial.touch(mode=0o600)
        partial.write_text(token)
        partial.replace(self.path)


def kept(store: KeyStore, place: TokenPlace, tenant: str, until: int, days: int) -> tuple[Credential, str]:
    """The credential that is kept there and its token, as long as it is on the list and valid at `until` (Unix seconds); else a
    new one, valid for so many days, which is kept from then on. The former one stays valid until its own end."""
    import jwt

    token = place.read()
    try:
        kid = jwt.get_unverified_header(token).get("kid")
    except jwt.PyJWTError:  # none, or not ours
        kid = None
    for credential in listed(store):
        if credential.kid == kid and credential.expires >= until:
            return credential, token
    credential, token = add(store, [tenant], days)
    place.write(token)
    return credential, token


def listed(store: KeyStore) -> list[Credential]:
    """The live credentials, oldest first."""
    return [
        Credential(key["kid"], tuple(key["tenants"]), key["created"], key["expires"])
        for key in store.read()
        if key["kid"] != DUMMY
    ]


def revoke(store: KeyStore, name: str) -> list[Credential]:
    """Takes away the credential with this id, or every one that speaks for this tenant. Raises UserError if none."""
    gone = [item for item in listed(store) if item.kid == name or name in item.tenants]
    if not gone:
        raise UserError(
            f"no live credential is called {name} or speaks for it; `telemetry tenants list --name STACK` shows all"
        )
    kids = {item.kid for item in gone}
    store.change(lambda keys: [key for key in keys if key["kid"] not in kids])
    return gone


@contextmanager
def credential_for_a_step(store: KeyStore, tenant: str) -> Iterator[dict[str, str]]:
    """The header of a credential of its own, revoked at the end."""
    credential, token = add(store, [tenant], days=1)
    try:
        yield {"Authorization": f"Bearer {token}"}
    finally:
        revoke(store, credential.kid)


@dataclass(frozen=True)
class KeyListCredential:
    """Access to a collector whose key list is a file here."""

    path: str

    @contextmanager
    def open(self, tenant: str) -> Iterator[dict[str, str]]:
        with credential_for_a_step(KeyFile(Path(self.path)), tenant) as headers:
            yield headers
