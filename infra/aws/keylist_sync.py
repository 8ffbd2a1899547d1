"""`python -m infra.aws.keylist_sync`: beside each collector, keeps a file equal to the key list's object in S3."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from infra import emf
from infra.aws.api import client
from infra.tenants import Keys

METRIC = "KeyListAgeSeconds"
REPORT_SECONDS = 60.0


class KeyListSync:
    """One object, one file. What is no key list is never written: the collector keeps the last good one."""

    def __init__(self, s3: Any, bucket: str, key: str, file: Path):
        self._s3, self._bucket, self._key, self._file = s3, bucket, key, file
        self._etag = ""
        self.fresh = 0.0
        """When the file was last known to be the object, by time.monotonic."""

    def step(self) -> str:
        """Brings the file up to date. Returns what went wrong, else ''."""
        try:
            changed = self._changed()
            if changed is not None:
                text, etag = changed
                self._write(text)
                self._etag = etag
        except Exception as error:
            return " ".join(f"{type(error).__name__}: {error}".split())[:400]
        self.fresh = time.monotonic()
        return ""

    def _changed(self) -> tuple[str, str] | None:
        from botocore.exceptions import ClientError

        condition = {"IfNoneMatch": self._etag} if self._etag else {}
        try:
            found = self._s3.get_object(Bucket=self._bucket, Key=self._key, **condition)
        except ClientError as error:
            # Not modified: botocore has no other way to say it.
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 304:
                return None
            raise
        text = found["Body"].read().decode()
        keys: Keys = json.loads(text)["keys"]
        # The collector ignores an empty list, which would leave revoked credentials alive.
        if not keys or not all("kid" in key and "x" in key for key in keys):
            raise ValueError(f"s3://{self._bucket}/{self._key} is no list of public keys")
        return text, found["ETag"]

    def _write(self, text: str) -> None:
        # The collector watches the file: a reader must never see half of it.
        partial = self._file.with_suffix(".partial")
        partial.write_text(text)
        partial.chmod(0o644)
        partial.replace(self._file)


def run(sync: KeyListSync, every: float, stop: threading.Event) -> None:
    """Keeps the file up to date until `stop`. Says a failure once, and its end; reports the list's age each minute."""
    failed, reported = "", float("-inf")
    while not stop.is_set():
        wrong = sync.step()
        if wrong and wrong != failed:
            print(f"key list: {wrong}", flush=True)
        elif failed and not wrong:
            print("key list: up to date again", flush=True)
        failed = wrong
        now = time.monotonic()
        if sync.fresh and now - reported >= REPORT_SECONDS:
            print(emf.line({METRIC: round(now - sync.fresh, 1)}, {"Part": "key-list"}), flush=True)
            reported = now
        stop.wait(every)


def main() -> int:
    """Runs until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m infra.aws.keylist_sync", description=__doc__)
    parser.add_argument("--region", required=True)
    parser.add_argument("--bucket", required=True)
    parser.add_argument("--key", required=True)
    parser.add_argument("--file", type=Path, required=True)
    parser.add_argument("--every", type=float, default=20.0, help="seconds")
    args = parser.parse_args()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    run(KeyListSync(client("s3", args.region), args.bucket, args.key, args.file), args.every, stop)
    return 0


if __name__ == "__main__":
    sys.exit(main())
