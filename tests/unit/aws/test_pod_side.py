"""The program beside a collector in a cluster, and the worker's way to what it reports."""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from infra.aws import pod_reports, pod_side
from infra.aws.pod_reports import ReportedCollectors, report
from infra.aws.pod_side import bring_credential, report_for_ever
from infra.endpoints import access_from_dict, access_input
from infra.errors import UserError

REGION, BUCKET = "eu-central-1", "reports"


@pytest.fixture(autouse=True)
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        client = boto3.client("s3", region_name=REGION)
        client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        yield client


def test_the_password_is_in_files_that_only_its_owner_reads(tmp_path: Path) -> None:
    secrets = boto3.client("secretsmanager", region_name=REGION)
    text = json.dumps({"username": "collector", "password": "12345678"})
    arn = secrets.create_secret(Name="AmazonMSK_x", SecretString=text)["ARN"]
    files = tmp_path / "kafka-username", tmp_path / "kafka-password"
    for _ in range(2):  # a container that was started again finds its own files
        bring_credential(REGION, arn, *files, threading.Event())
        assert [file.read_text() for file in files] == ["collector", "12345678"]
        assert all(file.stat().st_mode & 0o777 == 0o400 for file in files)


def test_it_tries_until_the_secret_can_be_read_and_says_why_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stop, tries = threading.Event(), []

    def secret(_region: str, _arn: str) -> dict[str, str]:
        tries.append(1)
        if len(tries) < 3:
            raise UserError("secret arn:x: AWS refused GetSecretValue: AccessDenied")
        return {"username": "u", "password": "p"}

    monkeypatch.setattr(pod_side, "secret", secret)
    monkeypatch.setattr(pod_side, "AGAIN_SECONDS", 0.01)
    bring_credential(REGION, "arn:x", tmp_path / "u", tmp_path / "p", stop)
    assert (tmp_path / "p").read_text() == "p" and capsys.readouterr().out.count("AccessDenied") == 1


class Page(BaseHTTPRequestHandler):
    """A collector's metrics."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"otelcol_process_uptime 1\n")

    def log_message(self, format: str, *args: Any) -> None:
        """Silence."""


def test_what_a_pod_reports_the_worker_reads(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    server = HTTPServer(("127.0.0.1", 0), Page)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    stop, reported = threading.Event(), threading.Event()

    def noted(*args: Any) -> None:
        report(*args)
        reported.set()

    monkeypatch.setattr(pod_side, "report", noted)
    monkeypatch.setattr(pod_side, "REPORT_SECONDS", 0.01)
    url = f"http://127.0.0.1:{server.server_port}/metrics"
    reporter = threading.Thread(target=report_for_ever, args=(s3, BUCKET, "pod-1", url, stop))
    reporter.start()
    assert reported.wait(20)
    stop.set()
    reporter.join()
    server.shutdown()
    serving.join()
    server.server_close()
    # As the worker makes it of its configuration.
    access = access_from_dict(access_input(ReportedCollectors, region=REGION, bucket=BUCKET))
    with access.open() as pages:
        assert set(pages) == {"pod-1"}
        assert urllib.request.urlopen(pages["pod-1"]).read() == b"otelcol_process_uptime 1\n"
    assert not Path(pages["pod-1"].removeprefix("file://")).exists()


def test_a_pod_that_no_longer_reports_is_gone_and_none_at_all_is_an_error(
    s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    access = ReportedCollectors(REGION, BUCKET)
    with pytest.raises(UserError, match="no collector has reported"), access.open():
        pass
    report(s3, BUCKET, "old", b"x")

    class Later(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime.now(UTC) + timedelta(seconds=pod_reports.STALE_SECONDS + 5)

    monkeypatch.setattr(pod_reports, "datetime", Later)
    with pytest.raises(UserError, match="kubectl"), access.open():
        pass
