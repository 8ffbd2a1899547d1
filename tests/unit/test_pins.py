"""Pins and prices: looked up at a real registry and a web server, entered into the files' own text, nothing else changed."""

from __future__ import annotations

import difflib
import json
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from botocore.stub import Stubber
from typer.testing import CliRunner

from infra.aws import costs, price_list
from infra.cli import app
from infra.cli.pin import fetch
from infra.config import file_settings
from infra.errors import UserError
from infra.paths import CONFIGS
from infra.pins import fill_actions, fill_pins, fill_prices
from tests.ports import free_port

DIGEST = f"sha256:{'ab' * 32}"
SUM = "cd" * 64
COMMIT = "ef" * 20
REGION = "eu-central-1"


@pytest.fixture
def versions(tmp_path: Path) -> Path:
    """The committed file with every pin of the deployed empty."""
    path = tmp_path / "versions.yaml"
    text = (CONFIGS / "versions.yaml").read_text()
    for entry in pinned(text).values():
        if entry["pin"]:
            text = text.replace(entry["pin"], "")
    path.write_text(text)
    return path


def pinned(text: str) -> dict[str, Any]:
    """What is pinned by digest or checksum: all that is deployed, and docker-compose.yml's images."""
    known = yaml.safe_load(text)
    return {**known["deployed"], **{name: entry for name, entry in known["compose"].items() if "image" in entry}}


def images(file: Path) -> list[str]:
    return [name for name, entry in pinned(file.read_text()).items() if "image" in entry]


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    path = tmp_path / "aws_prices.yaml"
    path.write_text(
        "# before\nitems:\n  a: {unit: hour}\n\n# about prices\nprices: {}\n\n# after\nassumptions:\n  x: 1\n"
    )
    return path


def changed_lines(before: str, after: str) -> list[str]:
    diff = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    return [line for line in diff if line[:1] in "+-" and not line.startswith(("+++", "---"))]


def refuse(what: str) -> str:
    raise UserError(f"{what} is out of reach")


def checksum(url: str) -> str:
    return f"{SUM}  {url.rpartition('/')[2].removesuffix('.sha512')}\n"


def test_every_pin_is_entered_on_its_line_and_no_other_line_changes(versions: Path) -> None:
    before = versions.read_text()
    asked: list[str] = []

    def digest(reference: str) -> str:
        asked.append(reference)
        return DIGEST

    done = fill_pins(versions, digest, checksum)
    found = pinned(versions.read_text())
    assert not done.problems and len(done.written) == len(found)
    for entry in found.values():
        assert entry["pin"] == (DIGEST if "image" in entry else SUM)
    assert {"docker.io/otel/opentelemetry-collector-contrib:0.160.0", "docker.io/apache/kafka:4.1.0"} <= set(asked)
    assert len(changed_lines(before, versions.read_text())) == 2 * len(found)
    assert yaml.safe_load(before)["tools"] == yaml.safe_load(versions.read_text())["tools"]


def test_a_pin_that_is_there_stays_and_is_not_asked_for_unless_update(versions: Path) -> None:
    fill_pins(versions, lambda _: DIGEST, checksum)
    kept = versions.read_text()
    done = fill_pins(versions, refuse, refuse)
    assert not done.written and not done.problems and versions.read_text() == kept
    newer = f"sha256:{'12' * 32}"
    done = fill_pins(versions, lambda _: newer, checksum, update=True)
    assert newer in versions.read_text() and DIGEST not in versions.read_text()
    assert done.kept == ["clickhouse"], "looked up and the same"


def test_what_can_t_be_looked_up_is_named_and_the_rest_is_written(versions: Path) -> None:
    done = fill_pins(versions, refuse, checksum)
    assert [line.split(":")[0] for line in done.written] == ["clickhouse"]
    assert "docker.io/otel/opentelemetry-collector-contrib:0.160.0 is out of reach" in done.problems[0]
    assert yaml.safe_load(versions.read_text())["deployed"]["collector-image"]["pin"] == ""


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ("<html>not found</html>", "is no sha512 sum"),
        ("ab" * 32, "is no sha512 sum"),
        (f"{SUM}  clickhouse-client-1-arm64.tgz", "is the sum of another file, clickhouse-client-1-arm64.tgz"),
    ],
)
def test_a_checksum_that_is_none_or_another_file_s_is_not_written(versions: Path, said: str, problem: str) -> None:
    done = fill_pins(versions, lambda _: DIGEST, lambda _: said)
    assert problem in done.problems[0]
    assert yaml.safe_load(versions.read_text())["deployed"]["clickhouse"]["pin"] == ""


def test_a_digest_that_is_none_is_not_written(versions: Path) -> None:
    done = fill_pins(versions, lambda _: "latest", checksum)
    assert len(done.problems) == len(images(versions)) and "gives no digest" in done.problems[0]


def test_a_file_laid_out_otherwise_is_left_alone_and_says_the_pin(tmp_path: Path) -> None:
    path = tmp_path / "versions.yaml"
    text = 'deployed:\n  one:\n    image: example.com/one\n    version: "1"\n    pin: ""\n'
    path.write_text(text)
    (problem,) = fill_pins(path, lambda _: DIGEST, checksum).problems
    assert f"enter the pin yourself: {DIGEST}" in problem
    assert path.read_text() == text


WORKFLOW = """steps:
  - uses: actions/checkout@v5
  - uses: actions/checkout@v5
    with: {path: base}
  - uses: pulumi/actions@v6
  - uses: somebody/checkout@v5
"""


def test_actions_are_pinned_by_commit_in_the_list_and_in_every_workflow(versions: Path, tmp_path: Path) -> None:
    workflow = tmp_path / "a.yml"
    workflow.write_text(WORKFLOW)

    def look_up(action: str) -> str:
        if action.startswith("pulumi/"):
            raise UserError(f"{action} is out of reach")
        return COMMIT + "\n"

    done = fill_actions(versions, tmp_path, look_up)
    assert len(done.problems) == 1 and done.problems[0].startswith("pulumi: pulumi/actions@v6 is out of reach")
    assert yaml.safe_load(versions.read_text())["actions"]["checkout"]["pin"] == COMMIT
    assert workflow.read_text() == WORKFLOW.replace(
        "uses: actions/checkout@v5", f"uses: actions/checkout@{COMMIT} # v5"
    )

    other = "12" * 20
    assert fill_actions(versions, tmp_path, lambda _: other).written == [f"pulumi: {other}"], "what has a pin keeps it"
    fill_actions(versions, tmp_path, lambda _: other, update=True)
    assert COMMIT not in workflow.read_text() and workflow.read_text().count(f"{other} # v") == 3


def test_what_is_no_commit_is_not_written(versions: Path, tmp_path: Path) -> None:
    before = versions.read_text()
    done = fill_actions(versions, tmp_path, lambda _: "<html>")
    assert not done.written and "gives no commit for actions/checkout@v5" in done.problems[0]
    assert versions.read_text() == before


def test_prices_of_a_new_region_come_below_it_and_comments_stay(prices: Path) -> None:
    before = prices.read_text()
    done = fill_prices(prices, REGION, ["nat-hour", "node-hour/m7g.large"], lambda item: str(len(item)))
    assert done.written == [f"{REGION} nat-hour: 8", f"{REGION} node-hour/m7g.large: 19"]
    assert changed_lines(before, prices.read_text()) == [
        "-prices: {}",
        "+prices:",
        f"+  {REGION}:",
        '+    nat-hour: "8"',
        '+    node-hour/m7g.large: "19"',
    ]


def test_prices_are_entered_beside_those_of_another_region_and_with_their_comments(prices: Path) -> None:
    entered = 'prices:\n  us-east-1:\n    a: "1"  # checked by hand\n    b: ""\n  eu-west-1:\n    a: "7"\n'
    prices.write_text(prices.read_text().replace("prices: {}\n", entered))
    fill_prices(prices, "us-east-1", ["a", "b", "c"], lambda _: "2")
    assert '    a: "1"  # checked by hand\n    b: "2"\n    c: "2"\n  eu-west-1:\n' in prices.read_text()
    fill_prices(prices, "us-east-1", ["a"], lambda _: "3", update=True)
    assert '    a: "3"  # checked by hand\n' in prices.read_text()
    assert yaml.safe_load(prices.read_text())["prices"]["eu-west-1"] == {"a": "7"}
    assert prices.read_text().endswith("\n# after\nassumptions:\n  x: 1\n")


def test_the_committed_price_file_takes_prices(tmp_path: Path) -> None:
    path = tmp_path / "aws_prices.yaml"
    path.write_text((CONFIGS / "aws_prices.yaml").read_text())
    before = yaml.safe_load(path.read_text())
    fill_prices(path, "xx-test-1", ["nat-hour"], lambda _: "0.5")
    after = yaml.safe_load(path.read_text())
    assert after["prices"].pop("xx-test-1") == {"nat-hour": "0.5"}
    assert {**after, "prices": after["prices"] or {}} == before


def test_one_missing_price_stops_nothing_but_no_answer_from_aws_does(prices: Path) -> None:
    def missing(item: str) -> str:
        return refuse(item) if item == "a" else "1"

    done = fill_prices(prices, REGION, ["a", "b"], missing)
    assert done.problems == ["a: a is out of reach"] and len(done.written) == 1

    def no_account(_: str) -> str:
        raise UserError("AWS could not be asked") from OSError("no credentials")

    done = fill_prices(prices, REGION, ["a", "b", "c", "d"], no_account)
    assert done.problems == ["a: AWS could not be asked", "c: not asked", "d: not asked"] and done.kept == ["b"]


@pytest.fixture
def web() -> Iterator[str]:
    """A server that has one checksum."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            there = self.path == "/clickhouse-26.tgz.sha512"
            self.send_response(200 if there else 404)
            self.end_headers()
            self.wfile.write(checksum(self.path).encode() if there else b"not here")

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_a_checksum_is_fetched_from_beside_the_archive(web: str, tmp_path: Path) -> None:
    path = tmp_path / "versions.yaml"
    entry = f'deployed:\n  a: {{archive: "{web}/clickhouse-{{version}}.tgz", version: %s, pin: ""}} # why\n'
    path.write_text(entry % "26")
    assert not fill_pins(path, refuse, fetch).problems
    assert path.read_text() == (entry % "26").replace('""', f'"{SUM}"')
    path.write_text(entry % "27")
    assert "can't be fetched: 404" in fill_pins(path, refuse, fetch).problems[0]


def test_a_digest_comes_from_a_real_registry(tmp_path: Path) -> None:
    from infra.cli.pin import _digest
    from infra.local.toolchain import ensure

    crane = ensure(["crane"]).crane
    address = f"127.0.0.1:{free_port()}"
    server = subprocess.Popen(
        [str(crane), "registry", "serve", "--address", address], stderr=subprocess.PIPE, text=True
    )
    try:
        assert server.stderr
        while "serving on port" not in (line := server.stderr.readline()):
            assert line, "the registry ended"
        layer = tmp_path / "layer.tar"
        with tarfile.open(layer, "w") as tar:
            tar.add(__file__, "file")
        command = [str(crane), "append", "--new_layer", str(layer), "--new_tag", f"{address}/one:1"]
        pushed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        path = tmp_path / "versions.yaml"
        text = 'deployed:\n  one: {image: %s/one, version: "%s", pin: ""}\n'
        path.write_text(text % (address, "1"))
        ask = _digest(tmp_path)
        assert not fill_pins(path, ask, refuse).problems
        assert yaml.safe_load(path.read_text())["deployed"]["one"]["pin"] == pushed.partition("@")[2]
        path.write_text(text % (address, "2"))
        (problem,) = fill_pins(path, ask, refuse).problems
        assert problem.startswith("one: crane digest: ") and "MANIFEST_UNKNOWN" in problem
    finally:
        server.terminate()
        server.wait(timeout=10)
        server.stderr.close() if server.stderr else None


def listed(settings_of: str) -> list[tuple[dict, dict]]:
    """What the price list is asked for a stack, and its answers: a cent for everything."""
    settings, known = file_settings(settings_of), costs.table()
    wanted = dict.fromkeys(line.item for line in costs.bill(settings, known["assumptions"]) if line.quantity)
    found = []
    for name in wanted:
        kind, _, size = name.partition("/")
        item = known["items"][kind]
        usage = item["usage"].format(type=size)
        filters = [
            {"Type": "EQUALS", "Field": "regionCode", "Value": settings.awsRegion},
            {"Type": "CONTAINS", "Field": "usagetype", "Value": usage},
        ]
        dimension = {"beginRange": "0", "pricePerUnit": {"USD": "0.01"}}
        product = {
            "product": {"attributes": {"usagetype": f"EUC1-{usage}"}},
            "terms": {"OnDemand": {"x": {"priceDimensions": {"a": dimension}}}},
        }
        found.append(({"ServiceCode": item["service"], "Filters": filters}, {"PriceList": [json.dumps(product)]}))
    return found


def test_the_command_fills_both_files_and_fails_until_everything_is_there(
    versions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "aws_prices.yaml"
    text = (CONFIGS / "aws_prices.yaml").read_text()
    path.write_text(
        text[: text.index("\nprices:") + 1] + "prices: {}\n\n" + text[text.index("# What the estimate assumes") :]
    )
    fill_prices(path, REGION, ["nat-hour"], lambda _: "7")  # entered before by hand
    monkeypatch.setattr("infra.cli.pin.CONFIGS", tmp_path)
    monkeypatch.setattr(costs, "PRICES", path)
    monkeypatch.setattr("infra.cli.pin.fetch", checksum)
    monkeypatch.setattr("infra.cli.pin._digest", lambda _: refuse)
    monkeypatch.setattr("infra.cli.pin.commit", lambda _: COMMIT)
    (tmp_path / "workflows").mkdir()
    monkeypatch.setattr("infra.cli.pin.WORKFLOWS", tmp_path / "workflows")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    compose = tmp_path / "docker-compose.yml"
    monkeypatch.setattr("infra.compose.project.FILE", compose)
    monkeypatch.setattr("infra.compose.project.versions", lambda: yaml.safe_load(versions.read_text()))
    pricing = boto3.client("pricing", region_name="us-east-1")
    monkeypatch.setattr(price_list, "client", lambda *_: pricing)
    with Stubber(pricing) as stubber:
        for request, answer in listed("prod"):
            if request["Filters"][1]["Value"] != "NatGateway-Hours":
                stubber.add_response("get_products", answer, request)
        done = CliRunner().invoke(app, ["pin"])
        stubber.assert_no_pending_responses()
    assert isinstance(done.exception, UserError)
    assert str(done.exception).startswith(f"{len(images(versions))} could not be looked up")
    assert "collector-image: docker.io/otel/opentelemetry-collector-contrib:0.160.0 is out of reach" in done.stderr
    assert f"clickhouse: {SUM}" in done.stdout
    assert not costs.estimate(file_settings("prod"), costs.table()).missing, "every item of prod's bill has a price"
    assert costs.table()["prices"][REGION]["nat-hour"] == "7"

    monkeypatch.setattr("infra.cli.pin._digest", lambda _: lambda _: DIGEST)
    done = CliRunner().invoke(app, ["pin"])
    assert done.exit_code == 0, done.output
    assert f"worker-base-image: {DIGEST}" in done.stdout and "clickhouse:" not in done.stdout
    # The images of docker-compose.yml stand there by the same digests.
    assert f"image: docker.io/apache/kafka:4.1.0@{DIGEST}\n" in compose.read_text()
