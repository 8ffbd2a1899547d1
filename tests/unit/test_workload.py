"""What all tests send: its times."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo

import pytest

from tests import workload


def test_yesterday_stays_the_same_day_when_the_tests_run_across_midnight(monkeypatch: pytest.MonkeyPatch) -> None:
    before = workload.default_start()

    class Tomorrow(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            return datetime.now(tz) + timedelta(days=1)

    monkeypatch.setattr(workload, "datetime", Tomorrow)
    assert workload.default_start() == before
