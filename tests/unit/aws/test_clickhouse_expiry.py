"""The days that a node's certificates are still good for: measured on real ones, told to CloudWatch, and heard by alarms."""

from __future__ import annotations

import json
import os
import re
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from infra.aws.alarm_rules import BALANCER_CERTIFICATE_DAYS, CERTIFICATE_DAYS
from infra.aws.clickhouse import names
from infra.aws.clickhouse.apply import expiry
from infra.aws.clickhouse.certificates import RENEWAL_HOURS
from infra.aws.clickhouse.configuration import EXPIRY
from tests.certificates import Pair, certificate, intermediate, root
from tests.unit.aws.clickhouse_stack import declare
from tests.unit.aws.ecs_stack import declare as declare_tasks
from tests.unit.aws.mocks import REGION
from tests.unit.aws.test_alarms import alarms
from tests.unit.aws.test_clickhouse import SEVERAL, bundle
from tests.unit.aws.test_clickhouse_apply import serve

AWS = '#!/bin/sh\nprintf "%s\\n" "$@" > "$TOLD"\n'
CLOSED = 1
"""A port on which nobody listens."""


def node(folder: Path, pair: Pair, chain: str, ca: str) -> Path:
    """A node's folder of certificates."""
    for name, text in {"node.crt": pair.pem + chain, "node.key": pair.key_pem, "ca.pem": ca}.items():
        (folder / name).write_text(text)
    return folder


@contextmanager
def serving(pair: Pair, folder: Path, ca: str = "") -> Iterator[int]:
    """A port that shows the certificate; with `ca`: as a Keeper's does, to those who show one of that CA's."""
    own = folder / "served.pem"
    own.write_text(pair.pem + pair.key_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own)
    if ca:
        context.load_verify_locations(cadata=ca)
        context.verify_mode = ssl.CERT_REQUIRED
    server = serve({}, context)
    yield int(server.server_address[1])
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("first", ["node", "intermediate", "root", "trusted besides"])
def test_the_first_end_counts_whoevers_it_is(tmp_path: Path, first: str) -> None:
    def days(which: str, otherwise: float) -> float:
        return 20 if which == first else otherwise

    ca, other = root("CA", days("root", 900)), root("Other", days("trusted besides", 800))
    between = intermediate(ca, "Issuing", days("intermediate", 700))
    folder = node(tmp_path, certificate(between, ["localhost"], days("node", 300)), between.pem, ca.pem + other.pem)
    assert expiry.days(folder, "localhost", CLOSED) == pytest.approx(20, abs=0.1)


def test_what_the_port_still_shows_counts_too(tmp_path: Path) -> None:
    """Files that were renewed and a server that has not noticed."""
    ca = root("CA")
    folder = node(tmp_path, certificate(ca, ["localhost"], 300), "", ca.pem)
    with serving(certificate(ca, ["localhost"], 10), tmp_path) as port:
        assert expiry.days(folder, "localhost", port) == pytest.approx(10, abs=0.1)


def test_a_keepers_port_is_shown_a_certificate(tmp_path: Path) -> None:
    ca = root("CA")
    folder = node(tmp_path, certificate(ca, ["localhost"], 300), "", ca.pem)
    with serving(certificate(ca, ["localhost"], 12), tmp_path, ca.pem) as port:
        assert expiry.days(folder, "localhost", port) == pytest.approx(12, abs=0.1)


@pytest.mark.parametrize("wrong", ["ended", "another CA's", "another name"])
def test_one_that_nobody_accepts_has_no_days_left(tmp_path: Path, wrong: str) -> None:
    ca = root("CA")
    folder = node(tmp_path, certificate(ca, ["localhost"], 300), "", ca.pem)
    shown = {
        "ended": certificate(ca, ["localhost"], -2),
        "another CA's": certificate(root("CA"), ["localhost"], 300),
        "another name": certificate(ca, ["example.com"], 300),
    }[wrong]
    with serving(shown, tmp_path) as port:
        assert expiry.days(folder, "localhost", port) < 0


def fires(alarm: dict[str, Any], figure: float) -> bool:
    """What CloudWatch makes of one figure."""
    compare = {"LessThanThreshold": figure < alarm["threshold"]}
    return compare[alarm["comparisonOperator"]]


@pytest.mark.parametrize(("left", "fired"), [(CERTIFICATE_DAYS - 1, True), (CERTIFICATE_DAYS + 1, False), (-3, True)])
def test_the_alarm_hears_what_the_node_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: float, fired: bool
) -> None:
    """The command line is the unit's own, as it comes with the bundle."""
    cloud, _ = declare(**SEVERAL)
    unit = bundle(cloud, "keeper-2")["expiry/service"]
    [line] = [line.removeprefix("ExecStart=") for line in unit.splitlines() if line.startswith("ExecStart=")]
    python, program, *arguments = line.split()
    assert (python, program) == ("/usr/bin/python3", EXPIRY)
    known = dict(zip(arguments[::2], arguments[1::2], strict=True))
    assert known["--port"] == "9281" and known["--folder"] == "/etc/clickhouse-keeper/tls"

    ca = root("CA")
    node(tmp_path, certificate(ca, ["localhost"], left), "", ca.pem)
    (tmp_path / "aws").write_text(AWS)
    (tmp_path / "aws").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("TOLD", str(tmp_path / "told"))
    # The node's own name, which nobody serves here.
    expiry.main([*arguments, "--folder", str(tmp_path), "--port", str(CLOSED)])
    told = (tmp_path / "told").read_text().splitlines()
    assert told[:2] == ["cloudwatch", "put-metric-data"]
    said = dict(zip(told[2::2], told[3::2], strict=True))
    assert said["--region"] == REGION and float(said["--value"]) == pytest.approx(left, abs=0.1)

    alarm = alarms(declare_tasks())["clickhouse-1-certificate"]
    assert (alarm["namespace"], alarm["metricName"]) == (said["--namespace"], said["--metric-name"])
    name, _, host = said["--dimensions"].partition("=")
    assert alarm["dimensions"] == {name: host.replace("keeper-2", "clickhouse-1")} and alarm["statistic"] == "Minimum"
    assert fires(alarm, float(said["--value"])) == fired
    assert alarm["treatMissingData"] == "breaching" and alarm["period"] * alarm["evaluationPeriods"] == 3 * 3600


def test_the_nodes_role_lets_it_tell() -> None:
    cloud, _ = declare(**SEVERAL)
    for made in cloud.of("aws:iam/rolePolicy:RolePolicy"):
        allowed = [
            item for item in json.loads(made.inputs["policy"])["Statement"] if "cloudwatch" in str(item["Action"])
        ]
        assert [item["Condition"] for item in allowed] == [{"StringEquals": {"cloudwatch:namespace": names.METRICS}}]


def test_an_up_renews_before_the_alarm_fires() -> None:
    assert RENEWAL_HOURS / 24 - CERTIFICATE_DAYS >= 14


@pytest.mark.parametrize("given", ["", "arn:aws:acm:eu-central-1:123456789012:certificate/2f1f6f0c"])
def test_the_load_balancers_certificate_is_watched_where_acm_keeps_it(given: str) -> None:
    more: dict[str, Any] = {"collectorCertificateArn": given} if given else {}
    made = declare_tasks(**more)
    alarm = alarms(made)["load-balancer-certificate"]
    requested = "arn:aws:acm:eu-central-1:123456789012:load-balancer-certificate"
    assert alarm["dimensions"]["CertificateArn"].startswith(given or requested)
    assert (alarm["namespace"], alarm["metricName"]) == ("AWS/CertificateManager", "DaysToExpiry")
    assert fires(alarm, BALANCER_CERTIFICATE_DAYS - 1) and not fires(alarm, BALANCER_CERTIFICATE_DAYS + 1)
    # ACM is silent about one that has ended, and about one on its first day.
    assert alarm["treatMissingData"] == "ignore" and alarm["period"] == 86400


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd on this machine")
@pytest.mark.parametrize("node", ["clickhouse-1", "keeper-1"])
def test_systemd_takes_the_units(tmp_path: Path, node: str) -> None:
    """Its own parser says every line that it does not know. Programs that are only on the node are stood for by `true`."""
    cloud, _ = declare(**SEVERAL)
    files = bundle(cloud, node)
    units = {Path(path).name: text for path, text in files.items() if path.startswith("files/etc/systemd/system/")}
    units |= {f"agent-telemetry-expiry.{kind}": files[f"expiry/{kind}"] for kind in ("service", "timer")}
    assert len(units) == 3
    for name, text in units.items():
        here = re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", text, flags=re.MULTILINE)
        (tmp_path / name).write_text(
            here.replace("User=clickhouse", "User=root").replace("Group=clickhouse", "Group=root")
        )
    command = ["systemd-analyze", "verify", "--man=no", *(str(tmp_path / name) for name in units)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0 and str(tmp_path) not in done.stderr, done.stderr
