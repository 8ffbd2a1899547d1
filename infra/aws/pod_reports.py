"""What collectors in a cluster say of themselves, by way of a bucket: the worker has no way to their pods, nor to the
cluster's API."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from infra.aws.api import as_user_error, client
from infra.errors import UserError

PREFIX = "collectors/"
"""Of the objects: one a pod, by its name."""
REPORT_SECONDS = 15.0
STALE_SECONDS = 60.0
"""A pod that has not reported for so long is gone."""


def report(s3: Any, bucket: str, pod: str, page: bytes) -> None:
    """Writes a pod's page (Prometheus text)."""
    s3.put_object(Bucket=bucket, Key=f"{PREFIX}{pod}", Body=page, ContentType="text/plain")


@dataclass(frozen=True)
class ReportedCollectors:
    """infra.endpoints.MetricsAccess: the pages that pods have reported lately, as files."""

    region: str
    bucket: str

    @contextmanager
    def open(self) -> Iterator[dict[str, str]]:
        s3 = client("s3", self.region)
        with tempfile.TemporaryDirectory(prefix="agent-telemetry-collectors-") as folder:
            pages: dict[str, str] = {}
            with as_user_error(f"collectors' reports in s3://{self.bucket}"):
                for key in self._fresh(s3):
                    file = Path(folder) / key.removeprefix(PREFIX)
                    file.write_bytes(s3.get_object(Bucket=self.bucket, Key=key)["Body"].read())
                    pages[file.name] = file.as_uri()
            if not pages:
                raise UserError(
                    f"no collector has reported for {STALE_SECONDS:g} s: agents get errors now, or the pods can't write to "
                    f"s3://{self.bucket}; `kubectl describe` and `kubectl logs` tell why"
                )
            yield pages

    def _fresh(self, s3: Any) -> list[str]:
        now = datetime.now(UTC)
        listed = s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=PREFIX)
        found = [item for page in listed for item in page.get("Contents", [])]
        return sorted(item["Key"] for item in found if (now - item["LastModified"]).total_seconds() < STALE_SECONDS)
