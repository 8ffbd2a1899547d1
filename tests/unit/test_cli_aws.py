"""The command line for stacks on AWS: what it refuses before anything, and how it reaches the parts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
import yaml
from botocore.stub import Stubber
from moto import mock_aws
from pulumi.runtime.rpc import UNKNOWN
from rich.console import Console
from typer.testing import CliRunner

from infra import backend
from infra.aws import reach as aws_reach
from infra.aws.access import Tunnel
from infra.aws.key_bucket import bucket_name
from infra.cli import app, watch_aws
from infra.cli import reach as cli_reach
from infra.cli.pending import PendingMigrations
from infra.config import file_settings
from infra.endpoints import ClickHouseAddress, KafkaAddress
from infra.errors import UserError
from infra.paths import STACKS
from infra.postdeploy.migrations import migration_files

REGION = "eu-central-1"
OUTPUTS: dict[str, Any] = {
    "access": {
        "clickhouse": {
            "address": {"host": "clickhouse.dev.internal", "port": 8443.0, "user": "migrator", "secure": True},
            "access": {
                "class": "infra.aws.access:Tunnel",
                "args": {
                    "region": REGION,
                    "instance_ids": ["i-1", "i-2"],
                    "secret_arn": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:migrator",
                    "ca_pem": "pem",
                },
            },
        },
        "schemaFolder": "",
        "kafka": {"bootstrap_servers": "b-1.example.com:9096", "security_protocol": "SASL_SSL"},
    }
}


@pytest.fixture(autouse=True)
def _nobody_s_shell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No backend, no passphrase, no account of whoever runs the tests."""
    for name in (
        "PULUMI_BACKEND_URL",
        "PULUMI_ACCESS_TOKEN",
        "PULUMI_HOME",
        "PULUMI_CREDENTIALS_PATH",
        "PULUMI_CONFIG_PASSPHRASE",
        "PULUMI_CONFIG_PASSPHRASE_FILE",
        "AWS_PROFILE",
    ):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")


def telemetry(*words: str) -> str:
    """What the command prints. Raises UserError as it does."""
    done = CliRunner().invoke(app, words)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever looks for an engine or one of our builds fails the test."""

    def fail(*_: Any, **__: Any) -> None:
        raise AssertionError("a tool was looked for")

    monkeypatch.setattr("infra.local.toolchain.ensure", fail)


@pytest.fixture
def stack_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Writes Pulumi.<name>.yaml where the program looks for it; the committed ones are there too."""
    for module in ("infra.config", "infra.cli.local", "infra.cli.down", "infra.backend"):
        monkeypatch.setattr(f"{module}.ROOT", tmp_path)
    (tmp_path / "Pulumi.yaml").write_text("name: agent-telemetry\nruntime: python\n")

    def write(name: str, **content: Any) -> Path:
        config = {
            "platform": "aws",
            "env": "dev",
            "collectorAuth": "jwt",
            "collectorZoneId": "Z0123",
            **content.pop("settings", {}),
        }
        given = {"config": {f"agent-telemetry:{key}": value for key, value in config.items()}, **content}
        path = tmp_path / f"Pulumi.{name}.yaml"
        path.write_text(yaml.safe_dump(given))
        return path

    return write


# --- backend and secrets provider


@pytest.mark.parametrize(
    "command", [("preview",), ("migrate",), ("migrate", "--plan"), ("query", "SELECT 1"), ("audit",)]
)
@pytest.mark.usefixtures("no_engine")
def test_without_a_backend_nothing_is_looked_for_and_the_error_says_how_to_choose(command: tuple[str, ...]) -> None:
    with pytest.raises(UserError, match=r"no backend is chosen for the stack dev.*pulumi login.*PULUMI_BACKEND_URL"):
        telemetry(*command, "--name", "dev")


@pytest.mark.usefixtures("no_engine")
def test_status_shows_what_it_can_without_a_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.cli.watch_aws._services", lambda *_: [("worker", 1, 1, "")])
    monkeypatch.setattr("infra.cli.watch_aws._nodes", lambda *_: [])
    for more in ([], ["--json"]):
        done = CliRunner().invoke(app, ["status", "--name", "dev", *more])
        assert "worker" in done.stdout and isinstance(done.exception, UserError)
        assert str(done.exception).startswith("the pipeline can't be seen: no backend is chosen")
    said = json.loads(done.stdout)
    assert said["down"] == said["unseen"] == [] and said["problem"].startswith("no backend is chosen")


def gone(*_: Any) -> Any:
    from clickhouse_connect.driver.exceptions import OperationalError

    raise OperationalError("no route")


@pytest.mark.parametrize(
    ("worker", "pods", "said"),
    [
        (1, True, []),
        (0, True, ["worker: not running as wanted; `telemetry logs --name dev` says why"]),
        (1, None, ["collectors (pods): can't be asked from here, and may run"]),
        (0, False, ["worker, collectors (pods): not running as wanted; `telemetry logs --name dev` says why"]),
    ],
)
def test_status_fails_for_what_is_down_and_for_what_can_t_be_asked(
    monkeypatch: pytest.MonkeyPatch, clickhouse: SimpleNamespace, worker: int, pods: bool | None, said: list[str]
) -> None:
    monkeypatch.setattr("infra.cli.watch_aws._services", lambda *_: [("worker", worker, 1, "")])
    monkeypatch.setattr("infra.cli.watch_aws._nodes", lambda *_: [])
    row = {"runs": None, "wanted": None, "last event": ""}
    monkeypatch.setattr("infra.cli.watch_aws._pods", lambda *_: (pods, row))
    there = file_settings("dev").model_copy(update={"collectorPlatform": "kubernetes"})
    monkeypatch.setattr(watch_aws, "file_settings", lambda _: there)
    done = CliRunner().invoke(app, ["status", "--name", "dev", "--json"])
    shown = json.loads(done.stdout)
    assert shown["down"] == [*["worker"] * (not worker), *["collectors (pods)"] * (pods is False)]
    assert shown["unseen"] == ["collectors (pods)"] * (pods is None)
    assert (str(done.exception).splitlines() if done.exception else []) == said
    assert (done.exit_code == 0) is (not said)
    # The same, and ClickHouse is silent.
    monkeypatch.setattr(clickhouse.client, "query", gone)
    done = CliRunner().invoke(app, ["status", "--name", "dev"])
    unseen = "the pipeline can't be seen: ClickHouse does not answer: no route"
    assert str(done.exception).splitlines() == [*said, unseen]


def test_the_backend_is_the_one_that_the_engine_would_take(
    monkeypatch: pytest.MonkeyPatch, stack_file: Any, tmp_path: Path
) -> None:
    assert backend.backend_url() == ""
    monkeypatch.setenv("PULUMI_ACCESS_TOKEN", "pul-x")
    assert backend.backend_url() == backend.CLOUD
    (tmp_path / ".pulumi").mkdir()
    (tmp_path / ".pulumi" / "credentials.json").write_text('{"current": "s3://mine"}')
    assert backend.backend_url() == "s3://mine"
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "other"))
    assert backend.backend_url() == backend.CLOUD
    (tmp_path / "Pulumi.yaml").write_text("name: agent-telemetry\nbackend: {url: gs://theirs}\n")
    assert backend.backend_url() == "gs://theirs"
    monkeypatch.setenv("PULUMI_BACKEND_URL", "azblob://this")
    assert backend.backend_url() == "azblob://this"


def test_something_must_encrypt_the_secrets(monkeypatch: pytest.MonkeyPatch, stack_file: Any) -> None:
    stack_file("one")
    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://mine")
    with pytest.raises(UserError, match=r"secretsprovider: awskms.*Pulumi\.one\.yaml, or set PULUMI_CONFIG_PASSPHRASE"):
        backend.check_backend("one")
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "")
    backend.check_backend("one")  # the engine takes an empty one for a passphrase
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE")
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE_FILE", "/x")
    backend.check_backend("one")
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE_FILE")
    stack_file("one", secretsprovider="passphrase")
    with pytest.raises(UserError, match="nothing encrypts"):
        backend.check_backend("one")
    stack_file("one", secretsprovider="awskms://alias/mine")
    backend.check_backend("one")
    stack_file("one")
    monkeypatch.setenv("PULUMI_BACKEND_URL", backend.CLOUD)
    backend.check_backend("one")  # the cloud encrypts


BOOTSTRAP = "awskms://alias/agent-telemetry-bootstrap?region=eu-central-1"


@pytest.mark.parametrize(
    ("provider", "right"),
    [
        (f"{BOOTSTRAP}&context_stack=one", True),
        (BOOTSTRAP, False),
        (f"{BOOTSTRAP}&context_stack=dev", False),  # a copy of another stack's file
        (f"{BOOTSTRAP}&context_stack=one-more", False),
        ("awskms://alias/mine?region=eu-central-1", True),
        ("awskms://alias/mine?context_stack=team", True),
    ],
)
def test_the_bootstrap_s_key_encrypts_with_the_stack_s_name_alone(
    monkeypatch: pytest.MonkeyPatch, stack_file: Any, provider: str, right: bool
) -> None:
    stack_file("one", secretsprovider=provider)
    for url in ("s3://mine", backend.CLOUD):
        monkeypatch.setenv("PULUMI_BACKEND_URL", url)
        if right:
            backend.check_backend("one")
            continue
        with pytest.raises(UserError) as refused:
            backend.check_backend("one")
        said = str(refused.value)
        assert f"change-secrets-provider '{BOOTSTRAP}&context_stack=one' --stack one" in said
        assert "Pulumi.one.yaml" in said and "remove `encryptedkey`" in said


def test_a_shell_that_is_set_up_for_a_local_stack_is_refused(monkeypatch: pytest.MonkeyPatch, stack_file: Any) -> None:
    from infra.automation import LOCAL_PASSPHRASE

    stack_file("one")
    monkeypatch.setenv("PULUMI_BACKEND_URL", (STACKS / "local" / "state").as_uri())
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", LOCAL_PASSPHRASE)
    with pytest.raises(UserError, match="is a local stack's"):
        backend.check_backend("one")
    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://mine")
    with pytest.raises(UserError, match="which everybody knows"):
        backend.check_backend("one")


# --- refusals


@pytest.mark.usefixtures("no_engine")
def test_down_of_a_protected_stack_is_refused_before_anything_with_what_to_set() -> None:
    with pytest.raises(
        UserError, match=r"Pulumi\.prod\.yaml: protect is true.*agent-telemetry:protect: false.*telemetry up"
    ):
        telemetry("down", "--name", "prod")


@pytest.mark.usefixtures("no_engine")
def test_down_of_an_unprotected_stack_asks_for_the_backend_and_keeps_the_stack_file(stack_file: Any) -> None:
    path = stack_file("mine", settings={"protect": False})
    with pytest.raises(UserError, match="no backend is chosen for the stack mine"):
        telemetry("down", "--name", "mine")
    assert path.exists()


@pytest.mark.usefixtures("no_engine")
def test_an_up_with_example_values_is_refused_before_a_stack_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://mine")
    with pytest.raises(UserError, match=r"awsAccount: still an example value.*Pulumi\.dev\.yaml"):
        telemetry("up", "--name", "dev")


@pytest.mark.usefixtures("no_engine")
def test_ports_are_a_local_stack_s(stack_file: Any) -> None:
    path = stack_file("mine")
    before = path.read_text()
    with pytest.raises(UserError, match="platform aws has no ports on this machine"):
        telemetry("up", "--name", "mine", "--port-base", "14000")
    assert path.read_text() == before


@pytest.mark.usefixtures("no_engine")
def test_the_demo_is_local() -> None:
    with pytest.raises(UserError, match=r"the demo is for stacks on this machine, and dev is on aws: .*tenants add"):
        telemetry("demo", "--name", "dev")


@pytest.mark.usefixtures("no_engine")
def test_pin_is_for_stacks_on_aws() -> None:
    with pytest.raises(UserError, match="has nothing to pin"):
        telemetry("pin", "--name", "local")


# --- env


def test_env_says_where_the_engine_is_and_takes_a_local_stack_s_variables_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "infra.local.toolchain.ensure", lambda tools, **_: SimpleNamespace(pulumi_root=Path("/engine"), asked=tools)
    )
    said = telemetry("env", "--name", "dev")
    assert "/engine/bin" in said and "PULUMI_PYTHON_CMD" in said
    assert not any(word in said for word in ("BACKEND", "PASSPHRASE", "PULUMI_HOME", "unset"))
    monkeypatch.setenv("PULUMI_BACKEND_URL", (STACKS / "local" / "state").as_uri())
    assert telemetry("env", "--name", "dev").startswith(
        "unset PULUMI_BACKEND_URL PULUMI_CONFIG_PASSPHRASE PULUMI_HOME\n"
    )
    assert "export PULUMI_BACKEND_URL=" in telemetry("env", "--name", "local")


# --- preview


def test_a_first_preview_shows_the_sql_that_the_engine_does_not_know_yet() -> None:
    settings = file_settings("prod")
    pending = PendingMigrations()
    files = migration_files()
    pending.pending = [{"name": file.name, "number": file.number, "kind": file.kind, "sql": UNKNOWN} for file in files]
    with StringIO() as text:
        pending.show(Console(file=text, width=400), settings)
        shown = text.getvalue()
    assert UNKNOWN not in shown and "{{" not in shown
    assert shown.count("pending migration") == len(files)
    assert "toIntervalDay(if(retention_days = 0, 180" in shown, "prod's retention is filled in"


# --- reaching the parts


def test_the_output_leads_to_clickhouse_as_post_deploy_steps_get_there() -> None:
    found = aws_reach.reach(OUTPUTS, "dev")
    assert found.clickhouse == ClickHouseAddress("clickhouse.dev.internal", 8443, "migrator", True)
    assert isinstance(found.clickhouse.port, int)
    assert found.kafka == KafkaAddress("b-1.example.com:9096", "SASL_SSL")
    assert isinstance(found.clickhouse_access, Tunnel) and list(found.clickhouse_access.instance_ids) == ["i-1", "i-2"]


@pytest.mark.parametrize("outputs", [{}, {"access": backend.SECRET}, {"access": {"clickhouse": {"address": {}}}}])
def test_outputs_of_an_up_that_broke_off_are_named(outputs: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"the stack dev does not say how to reach ClickHouse.*telemetry up --name dev"):
        aws_reach.reach(outputs, "dev")


@pytest.fixture
def clickhouse(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """A deployed dev stack: its outputs, and a client that answers what the test says where ClickHouse would be."""
    state = SimpleNamespace(rows=[], asked=[], opened=[], sharded=False, client=None)

    class Client:
        def raw_query(self, text: str, fmt: str) -> bytes:
            state.asked.append((text, fmt))
            return b"answer\n"

        def query(self, text: str) -> SimpleNamespace:
            state.asked.append(text)
            shards = [(int(state.sharded),)]
            found = shards if "system.databases" in text else state.rows
            return SimpleNamespace(result_rows=found, named_results=lambda: iter(()))

        def close(self) -> None:
            """Nothing is open."""

    state.client = Client

    def connect(address: Any, access: Any, **_: Any) -> Any:
        import contextlib

        state.opened.append((address, access))
        return contextlib.nullcontext(Client())

    monkeypatch.setattr("infra.clickhouse.connect", connect)
    monkeypatch.setattr(cli_reach, "engine", lambda _: None)
    monkeypatch.setattr(backend, "check_backend", lambda _: None)
    monkeypatch.setattr(backend, "outputs", lambda *_: OUTPUTS)
    yield state


def test_query_opens_the_stack_s_clickhouse(clickhouse: SimpleNamespace) -> None:
    assert telemetry("query", "SELECT 1;", "--name", "dev", "-f", "TSV") == "answer\n"
    assert clickhouse.asked == [("SELECT 1", "TSV")]
    ((address, access),) = clickhouse.opened
    assert address.user == "migrator" and isinstance(access, Tunnel)


def test_a_local_query_asks_neither_engine_nor_outputs(
    clickhouse: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend, "outputs", lambda *_: pytest.fail("the engine was asked"))
    monkeypatch.setattr("infra.cli.local.is_up", lambda _: True)
    telemetry("query", "SELECT 1")
    assert clickhouse.opened[0][0].host == "127.0.0.1"


def audit_row(difference: str) -> dict[str, str]:
    return {"name": "cost", "expected": "1.25", "found": "1.00", "difference": difference, "detail": "minutes"}


def test_audit_shows_the_worker_s_last_one_and_fails_as_it_did(clickhouse: SimpleNamespace) -> None:
    clickhouse.rows = [(True, json.dumps({"rows": [audit_row("0")]}), 42)]
    said = telemetry("audit", "--name", "dev")
    assert "inside of the stack's network only" in said and "42 s ago" in said and "1.25" in said
    clickhouse.rows = [(False, json.dumps({"rows": [audit_row("0.25")]}), 42)]
    with pytest.raises(UserError, match="something differs"):
        telemetry("audit", "--name", "dev")
    done = CliRunner().invoke(app, ["audit", "--name", "dev", "--json"])
    said = json.loads(done.stdout)
    assert isinstance(done.exception, UserError) and said["ok"] is False and said["seconds_ago"] == 42
    assert said["checks"][0] == {"name": "cost", "expected": 1.25, "found": 1, "difference": 0.25, "detail": "minutes"}
    clickhouse.rows = []
    with pytest.raises(UserError, match="recorded no audit in the last day"):
        telemetry("audit", "--name", "dev")


@pytest.mark.usefixtures("no_engine")
def test_audit_repairs_nothing_from_here() -> None:
    with pytest.raises(UserError, match=r"--repair needs Kafka, which answers inside"):
        telemetry("audit", "--repair", "--name", "dev")


# --- tenants, status, logs


@mock_aws
def test_tenants_are_kept_in_the_stack_s_bucket() -> None:
    settings = file_settings("dev")
    bucket = bucket_name(settings, "dev")
    assert bucket == "agent-telemetry-dev-keys-123456789012-eu-central-1"
    s3 = boto3.client("s3", region_name=REGION)
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    token = telemetry("tenants", "add", "acme", "--name", "dev")
    assert token.count(".") == 2
    stored = s3.get_object(Bucket=bucket, Key="credentials/jwks.json")["Body"].read().decode()
    assert "acme" in stored and token.strip() not in stored
    assert "acme" in telemetry("tenants", "list", "--name", "dev")
    assert "revoked acme-" in telemetry("tenants", "revoke", "acme", "--name", "dev")
    assert "acme" not in telemetry("tenants", "list", "--name", "dev")


@pytest.fixture
def stubbed(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Clients whose answers the test writes; requests and answers are checked by botocore."""
    clients: dict[str, Any] = {}

    def make(service: str) -> Stubber:
        clients[service] = boto3.client(service, region_name=REGION)
        stubber = Stubber(clients[service])
        stubber.activate()
        return stubber

    monkeypatch.setattr("infra.cli.watch_aws.client", lambda service, region: clients[service])
    return make


def test_status_counts_tasks_and_nodes_and_fails_when_one_is_missing(stubbed: Any, clickhouse: SimpleNamespace) -> None:
    clickhouse.rows = [("canary", True, 1.5, 7)]
    cluster = "agent-telemetry-dev"
    arns = [f"arn:aws:ecs:{REGION}:123456789012:service/{cluster}/{part}" for part in ("collector", "worker")]
    ecs, ec2, ssm = stubbed("ecs"), stubbed("ec2"), stubbed("ssm")
    ecs.add_response("list_services", {"serviceArns": arns}, {"cluster": cluster})
    services = [
        {"serviceName": "collector", "runningCount": 2, "desiredCount": 2, "events": []},
        {"serviceName": "worker", "runningCount": 0, "desiredCount": 1, "events": [{"message": "no capacity"}]},
    ]
    ecs.add_response("describe_services", {"services": services}, {"cluster": cluster, "services": arns})
    instances = [
        {"InstanceId": f"i-{number}", "Tags": [{"Key": "Name", "Value": f"clickhouse-{number}"}]} for number in (1, 2)
    ]
    ec2.add_response("describe_instances", {"Reservations": [{"Instances": instances}]})
    seen = [{"InstanceId": "i-1", "PingStatus": "Online"}, {"InstanceId": "i-2", "PingStatus": "ConnectionLost"}]
    ssm.add_response("describe_instance_information", {"InstanceInformationList": seen})
    done = CliRunner().invoke(app, ["status", "--name", "dev"])
    assert isinstance(done.exception, UserError)
    assert str(done.exception).startswith("worker, clickhouse-2 (i-2): not running as wanted")
    assert "no capacity" in done.stdout and "canary" in done.stdout and "1.5" in done.stdout
    asked = "\n".join(clickhouse.asked)
    for table in ("ingest_ledger", "kafka_samples", "spans_raw", "system.disks", "budget_crossings", "dead_letters"):
        assert table in asked, "on AWS the same is asked"


def test_logs_names_the_groups_and_how_to_follow_them(stubbed: Any) -> None:
    logs = stubbed("logs")
    groups = [{"logGroupName": "/agent-telemetry/dev/collector"}]
    logs.add_response("describe_log_groups", {"logGroups": groups}, {"logGroupNamePrefix": "/agent-telemetry/dev/"})
    assert "aws logs tail /agent-telemetry/dev/collector --follow --region eu-central-1" in telemetry(
        "logs", "--name", "dev"
    )
    logs.add_response("describe_log_groups", {"logGroups": []})
    with pytest.raises(UserError, match="begins with /agent-telemetry/dev/nope"):
        telemetry("logs", "--name", "dev", "--part", "nope")


def test_logs_of_collectors_in_a_cluster_are_the_cluster_s(monkeypatch: pytest.MonkeyPatch) -> None:
    there = file_settings("dev").model_copy(update={"collectorPlatform": "kubernetes", "kubernetesContext": "theirs"})
    monkeypatch.setattr(watch_aws, "file_settings", lambda _: there)
    said = telemetry("logs", "--name", "dev", "--part", "collector")
    assert "kubectl --context theirs -n agent-telemetry logs deployment/agent-telemetry-dev-collector" in said


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("unlock", "--name", "dev"), "whether a command still works on dev, on another machine"),
        (("bootstrap", "unlock"), "whether a `telemetry bootstrap` still works, on another machine"),
    ],
)
def test_a_lock_is_taken_away_by_who_says_that_nobody_works(words: tuple[str, ...], what: str) -> None:
    done = CliRunner().invoke(app, words)
    assert isinstance(done.exception, UserError) and str(done.exception).startswith(what)
    assert "Two at once can ruin the state" in str(done.exception) and str(done.exception).endswith("then say --yes")
