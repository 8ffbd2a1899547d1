"""Credentials: a token signed once, valid while its public key is listed; nothing secret is stored."""

from __future__ import annotations

import json
import time
from pathlib import Path

import jwt
import pytest

from infra import tenants
from infra.errors import UserError
from infra.tenants import KeyFile


def verified(path: Path, token: str) -> dict:
    """The token's claims, checked as the collector checks them: by the listed key with the token's kid."""
    keys = {key["kid"]: key for key in json.loads(path.read_text())["keys"]}
    key = jwt.PyJWK(keys[jwt.get_unverified_header(token)["kid"]])
    return jwt.decode(token, key, algorithms=["EdDSA"], audience=tenants.AUDIENCE, issuer=tenants.ISSUER)


def test_a_token_carries_its_tenant_and_is_valid_by_the_listed_key(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    credential, token = tenants.add(KeyFile(path), ["acme"], days=1)
    assert verified(path, token)["tenant"] == "acme"
    assert [item.kid for item in tenants.listed(KeyFile(path))] == [credential.kid]


def test_a_token_for_several_tenants_carries_them_as_one_string(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    _, token = tenants.add(KeyFile(path), ["a", "b"], days=1)
    assert verified(path, token)["tenant"] == "a;b"


def test_nothing_secret_is_written(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    _, token = tenants.add(KeyFile(path), ["acme"], days=1)
    stored = json.loads(path.read_text())["keys"]
    assert all("d" not in key for key in stored), "d is a private key's number"
    assert token not in path.read_text()


def test_a_revoked_credential_is_gone_and_the_list_never_becomes_empty(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    credential, token = tenants.add(KeyFile(path), ["acme"], days=1)
    tenants.revoke(KeyFile(path), credential.kid)
    with pytest.raises(KeyError):
        verified(path, token)
    assert tenants.listed(KeyFile(path)) == []
    assert len(json.loads(path.read_text())["keys"]) == 1, "the collector ignores an empty list"


def test_revoking_a_tenant_takes_all_its_credentials_and_no_others(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    tenants.add(KeyFile(path), ["acme"], 1)
    tenants.add(KeyFile(path), ["acme", "globex"], 1)
    kept, _ = tenants.add(KeyFile(path), ["initech"], 1)
    assert len(tenants.revoke(KeyFile(path), "acme")) == 2
    assert [item.kid for item in tenants.listed(KeyFile(path))] == [kept.kid]


@pytest.mark.parametrize("name", ["../etc", "a'b", "A", "", "x" * 64, "a b", "a;b"])
def test_a_name_that_could_be_misread_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError):
        tenants.add(KeyFile(tmp_path / "jwks.json"), [name], 1)


def test_revoking_what_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no live credential"):
        tenants.revoke(KeyFile(tmp_path / "jwks.json"), "nobody")


def test_an_access_for_one_step_leaves_no_credential(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    with tenants.KeyListCredential(str(path)).open("canary") as headers:
        assert verified(path, headers["Authorization"].removeprefix("Bearer "))["tenant"] == "canary"
    assert tenants.listed(KeyFile(path)) == []


def test_a_kept_token_is_handed_out_again_while_it_is_listed_and_lasts(tmp_path: Path) -> None:
    store, place = KeyFile(tmp_path / "jwks.json"), tenants.TokenFile(tmp_path / "auth" / "agents.jwt")
    until = int(time.time()) + 3600
    first, token = tenants.kept(store, place, "pr-7", until, days=1)
    assert verified(store.path, token)["tenant"] == "pr-7"
    assert tenants.kept(store, place, "pr-7", until, days=1) == (first, token)
    assert tenants.listed(store) == [first], "however often, one key"
    assert place.path.stat().st_mode & 0o077 == 0
    longer, other = tenants.kept(store, place, "pr-7", until + 2 * 86400, days=90)
    assert other != token and tenants.kept(store, place, "pr-7", until, days=1) == (longer, other)
    assert verified(store.path, token), "whoever has the former one goes on with it"
    tenants.revoke(store, "pr-7")
    assert tenants.kept(store, place, "pr-7", until, days=1)[0].kid not in (first.kid, longer.kid)


def test_what_is_no_token_is_replaced(tmp_path: Path) -> None:
    store, place = KeyFile(tmp_path / "jwks.json"), tenants.TokenFile(tmp_path / "agents.jwt")
    place.write("half of a tok")
    _, token = tenants.kept(store, place, "pr-7", 0, days=1)
    assert place.read() == token and verified(store.path, token)
