"""The key list beside a collector: a change of the object is in the file, and nothing else ever is."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from infra.aws.keylist_sync import KeyListSync, run
from infra.tenants import empty_list, key_list_text

BUCKET, KEY = "keys", "credentials/jwks.json"


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket=BUCKET)
        yield client


def put(s3: Any, text: str) -> str:
    s3.put_object(Bucket=BUCKET, Key=KEY, Body=text.encode())
    return text


def test_a_changed_object_is_in_the_file_and_an_unchanged_one_is_not_written_again(s3: Any, tmp_path: Path) -> None:
    file = tmp_path / "jwks.json"
    sync = KeyListSync(s3, BUCKET, KEY, file)
    first = put(s3, key_list_text(empty_list()))
    assert sync.step() == "" and file.read_text() == first
    inode = file.stat().st_ino
    assert sync.step() == "" and file.stat().st_ino == inode
    second = put(s3, key_list_text([*empty_list(), {**empty_list()[0], "kid": "another"}]))
    assert sync.step() == "" and file.read_text() == second != first
    # The collector's container runs as its own user and only reads.
    assert file.stat().st_mode & 0o777 == 0o644
    assert [path.name for path in tmp_path.iterdir()] == ["jwks.json"]


@pytest.mark.parametrize("text", ['{"keys": []}', "not json", '{"keys": [{"kty": "OKP"}]}', "[]"])
def test_what_is_no_key_list_leaves_the_last_good_one(s3: Any, tmp_path: Path, text: str) -> None:
    file = tmp_path / "jwks.json"
    sync = KeyListSync(s3, BUCKET, KEY, file)
    good = put(s3, key_list_text(empty_list()))
    sync.step()
    fresh = sync.fresh
    put(s3, text)
    assert sync.step() != "" and file.read_text() == good and sync.fresh == fresh
    put(s3, good)
    assert sync.step() == "" and sync.fresh > fresh


def test_a_missing_object_is_said_once_and_its_end_too(
    s3: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sync, stop, steps = KeyListSync(s3, BUCKET, KEY, tmp_path / "jwks.json"), threading.Event(), 0
    original = sync.step

    def counted() -> str:
        nonlocal steps
        steps += 1
        if steps == 4:
            put(s3, key_list_text(empty_list()))
        if steps == 5:
            stop.set()
        return original()

    sync.step = counted  # pyright: ignore[reportAttributeAccessIssue]
    run(sync, 0.001, stop)
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("key list:")] == [
        "key list: NoSuchKey: An error occurred (NoSuchKey) when calling the GetObject operation: "
        "The specified key does not exist.",
        "key list: up to date again",
    ]
    [figure] = [json.loads(line) for line in lines if line.startswith("{")]
    assert figure["KeyListAgeSeconds"] < 1 and figure["Part"] == "key-list"
