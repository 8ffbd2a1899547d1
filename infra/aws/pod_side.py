"""`python -m infra.aws.pod_side`: beside each collector in a cluster, brings it the key list and Kafka's password, and
takes away what it says of itself."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import urllib.request
from pathlib import Path
from typing import Any

from infra.aws.api import client, secret
from infra.aws.keylist_sync import KeyListSync, run
from infra.aws.pod_reports import REPORT_SECONDS, report
from infra.errors import UserError

ANSWER_SECONDS = 2.0
AGAIN_SECONDS = 5.0


def write_credential(found: dict[str, str], username: Path, password: Path) -> None:
    """The user and the password, a file each, for who runs as our user alone."""
    for path, text in ((username, found["username"]), (password, found["password"])):
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400), "w") as file:
            file.write(text)


def bring_credential(region: str, arn: str, username: Path, password: Path, stop: threading.Event) -> None:
    """Tries until the secret could be read: before that the collector must not start."""
    said = ""
    while not stop.is_set():
        try:
            write_credential(secret(region, arn), username, password)
            return
        except (UserError, KeyError) as error:
            if str(error) != said:
                said = str(error)
                print(f"Kafka's user: {said}", flush=True)
        stop.wait(AGAIN_SECONDS)


def report_for_ever(s3: Any, bucket: str, pod: str, url: str, stop: threading.Event) -> None:
    """Reports the collector's page until `stop`. Says a failure once, and its end."""
    failed = False
    while not stop.wait(REPORT_SECONDS):
        try:
            with urllib.request.urlopen(url, timeout=ANSWER_SECONDS) as answer:
                report(s3, bucket, pod, answer.read())
        except Exception as error:
            if not failed:
                print(f"metrics: {' '.join(f'{type(error).__name__}: {error}'.split())[:400]}", flush=True)
            failed = True
        else:
            if failed:
                print("metrics: reported again", flush=True)
            failed = False


def main() -> int:
    """Runs until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m infra.aws.pod_side", description=__doc__)
    parser.add_argument("--region", required=True)
    parser.add_argument("--bucket", required=True, help="of the key list")
    parser.add_argument("--key", required=True)
    parser.add_argument("--file", type=Path, required=True)
    parser.add_argument("--every", type=float, default=20.0, help="seconds")
    parser.add_argument("--reports", required=True, help="bucket for what the collector says of itself")
    parser.add_argument("--metrics", required=True, help="URL of the collector's own metrics")
    parser.add_argument("--kafka-secret", default="", help="ARN of the secret with Kafka's user")
    parser.add_argument("--username", type=Path, default=Path())
    parser.add_argument("--password", type=Path, default=Path())
    args = parser.parse_args()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    if args.kafka_secret:
        bring_credential(args.region, args.kafka_secret, args.username, args.password, stop)
    s3 = client("s3", args.region)
    pod = os.environ["POD_NAME"]
    reporter = threading.Thread(target=report_for_ever, args=(s3, args.reports, pod, args.metrics, stop), daemon=True)
    reporter.start()
    # The list last: once it is there the collector starts.
    run(KeyListSync(s3, args.bucket, args.key, args.file), args.every, stop)
    return 0


if __name__ == "__main__":
    sys.exit(main())
