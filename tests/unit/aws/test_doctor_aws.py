"""`telemetry doctor` for a stack on AWS: each check both ways, on moto's account and botocore's checked stubs."""

from __future__ import annotations

import datetime
import http.server
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.stub import Stubber
from moto import mock_aws

from infra.aws import load_balancer
from infra.aws.clickhouse import names
from infra.aws.clickhouse.apply.expiry import DIMENSION, METRIC
from infra.doctor import aws, aws_parts, grafana, quotas
from infra.doctor.check import Check, Result, Unseen, ok, run
from infra.errors import UserError
from infra.settings import Settings
from tests.certificates import certificate, root
from tests.unit.aws.aws_settings import LARGE
from tests.unit.aws.aws_settings import settings as aws_settings

REGION = "eu-central-1"
NOW = datetime.datetime.now(datetime.UTC)
TAGS = {"Project": "agent-telemetry", "Stack": "dev"}


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """moto's account 123456789012, and nobody's real one."""
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        yield


def settings(**more: Any) -> Settings:
    return aws_settings(**more)


def seen(found: Settings | None = None, **more: Any) -> aws.Seen:
    """A stack whose outputs, history and ClickHouse a test gives."""

    def nothing(*_: Any) -> Any:
        raise UserError("no backend is chosen for the stack dev. Its state is yours to keep")

    given = {"read_outputs": nothing, "read_history": nothing, "open_clickhouse": nothing, **more}
    return aws.Seen("dev", found or settings(), **given)


def result(look: Any, *args: Any) -> Result:
    """As the command has it: what can't be looked at is a result."""
    done = run(Check("it", lambda: look(*args)))
    return Result(done.state, done.found, done.fix)


# --- account, region, backend


def test_the_account_has_to_be_the_stack_s() -> None:
    found = result(aws.account, settings())
    assert found.state == "ok" and "123456789012" in found.found
    other = result(aws.account, settings(awsAccount="210987654321"))
    assert other.state == "fail" and "the stack is for 210987654321" in other.found and "awsAccount" in other.fix


def test_without_credentials_it_fails_and_what_stands_on_it_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", "/nowhere")
    monkeypatch.setattr("boto3.DEFAULT_SESSION", None)
    found = result(aws.account, settings())
    assert found.state == "fail" and found.found == "there are no AWS credentials"
    assert result(aws.region, seen()).state == "not applicable"


def test_without_a_network_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def client(*_: Any) -> Any:
        raise EndpointConnectionError(endpoint_url="https://sts.eu-central-1.amazonaws.com")

    monkeypatch.setattr(aws, "client", client)
    found = result(aws.account, settings())
    assert found.state == "warn" and "AWS can't be asked" in found.found and "internet" in found.fix


def test_a_region_has_to_be_enabled(monkeypatch: pytest.MonkeyPatch) -> None:
    assert result(aws.region, seen()) == ok(REGION)
    ec2 = boto3.client("ec2", region_name=REGION)
    stub = Stubber(ec2)
    stub.add_response("describe_regions", {"Regions": [{"RegionName": REGION, "OptInStatus": "not-opted-in"}]})
    stub.activate()
    real = aws.client
    monkeypatch.setattr(aws, "client", lambda service, region: ec2 if service == "ec2" else real(service, region))
    found = result(aws.region, seen())
    assert found.state == "fail" and "enable-region" in found.fix


def test_a_backend_and_what_encrypts_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PULUMI_BACKEND_URL", "PULUMI_ACCESS_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PULUMI_HOME", "/nowhere")
    assert "no backend is chosen" in result(aws.backend, "dev").found
    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://mine")
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "own")
    found = result(aws.backend, "dev")
    assert found.state == "ok" and found.found.startswith("s3://mine")


# --- the last up, drift


def update(kind: str, days_ago: float, outcome: str = "succeeded", **changes: int) -> Any:
    start = NOW.replace(tzinfo=None) - datetime.timedelta(days=days_ago)
    return SimpleNamespace(kind=kind, start_time=start, result=outcome, resource_changes=changes)


@pytest.mark.parametrize(
    ("history", "state", "said"),
    [
        ([update("update", 1, same=9)], "ok", "1 day ago: succeeded"),
        ([update("update", 1, "failed")], "warn", "failed"),
        ([update("update", 40)], "warn", "40 days ago"),
        ([update("refresh", 1, same=9, update=2), update("update", 2)], "warn", "drift: 2 update"),
        ([update("refresh", 1, same=9), update("update", 2)], "ok", "2 days ago"),
        ([update("update", 1), update("refresh", 2, update=2)], "ok", "1 day ago"),
        ([], "not applicable", "there was none"),
    ],
)
def test_what_the_last_up_and_the_last_refresh_said(history: list[Any], state: str, said: str) -> None:
    found = result(aws.history, seen(read_history=lambda: history))
    assert found.state == state and said in found.found


def test_a_state_that_can_t_be_read_is_said_in_a_sentence() -> None:
    found = result(aws.history, seen())
    assert found == Result("not applicable", "no backend is chosen for the stack dev")


# --- what answers


@contextmanager
def served(tmp_path: Path, days: float) -> Iterator[tuple[int, str]]:
    """A port that shows a certificate for localhost, and the file of its CA."""
    ca = root("ca")
    pair = certificate(ca, ["localhost"], days=days)
    (tmp_path / "ca.pem").write_text(ca.pem)
    (tmp_path / "both.pem").write_text(pair.pem + pair.key_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "both.pem")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port, str(tmp_path / "ca.pem")
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(("days", "state"), [(200, "ok"), (10, "warn"), (-1, "fail")])
def test_the_collector_s_door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: float, state: str) -> None:
    stack = seen(settings(collectorDomain="localhost"))
    with served(tmp_path, days) as (port, ca):
        monkeypatch.setattr(aws_parts, "HTTPS_PORT", port)
        monkeypatch.setenv("SSL_CERT_FILE", ca)
        found = result(aws_parts.door, stack)
    assert found.state == state, found
    assert ("ends in" in found.found) == (state != "fail")


def test_a_door_that_is_shut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws_parts, "HTTPS_PORT", 1)
    shut = result(aws_parts.door, seen(settings(collectorDomain="localhost")))
    assert shut.state == "fail" and "does not answer" in shut.found and "collectorAllowedCidrs" in shut.fix
    inside = result(aws_parts.door, seen(settings(collectorDomain="localhost", collectorInternal=True)))
    assert inside.state == "not applicable"
    assert result(aws_parts.door, seen(settings())).state == "not applicable", "otlp.example.com is nobody's"


def test_the_door_s_port_is_the_load_balancer_s() -> None:
    assert aws_parts.HTTPS_PORT == load_balancer.HTTPS_PORT


def test_clickhouse_answers_in_the_wanted_version_or_says_why_not() -> None:
    version = str(aws_parts.versions()["deployed"]["clickhouse"]["version"])

    @contextmanager
    def opened() -> Iterator[Any]:
        yield SimpleNamespace(query=lambda _: SimpleNamespace(result_rows=[(version,)]))

    assert result(aws_parts.clickhouse, seen(read_outputs=dict, open_clickhouse=opened)).state == "ok"
    assert result(aws_parts.clickhouse, seen()).state == "not applicable", "no outputs: not up"
    shut = result(aws_parts.clickhouse, seen(read_outputs=dict))
    assert shut.state == "fail"


class Answering(http.server.BaseHTTPRequestHandler):
    """Answers what the server is told to."""

    def do_GET(self) -> None:
        self.send_response(self.server.status)  # type: ignore[attr-defined]
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


def test_grafana_answers_or_not() -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        stack = seen(read_outputs=lambda: {"grafana": f"http://127.0.0.1:{server.server_port}/"})
        for status, state in ((200, "ok"), (302, "ok"), (401, "ok"), (503, "fail")):
            server.status = status  # type: ignore[attr-defined]
            assert result(grafana.answers, stack).state == state, status
        server.shutdown()
    assert result(grafana.answers, stack).state == "fail", "nobody listens any more"
    assert result(grafana.answers, seen(settings(grafanaMode="none"))).state == "not applicable"
    assert result(grafana.answers, seen()).state == "not applicable"


def test_a_given_grafana_takes_the_token_or_says_why_not() -> None:
    arn = boto3.client("secretsmanager", REGION).create_secret(Name="token", SecretString='{"token": "glsa_1"}')["ARN"]
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        own = settings(grafanaMode="existing", grafanaUrl="https://grafana.test", grafanaTokenSecretArn=arn)
        stack = seen(own.model_copy(update={"grafanaUrl": f"http://127.0.0.1:{server.server_port}"}))
        for status, state, said in (
            (200, "ok", "takes the token"),
            (401, "fail", "has ended, or was revoked"),
            (403, "fail", "may not administer"),
        ):
            server.status = status  # type: ignore[attr-defined]
            found = result(grafana.token, stack)
            assert (found.state, said in found.found) == (state, True), found
            assert "glsa_1" not in found.found + found.fix
        server.shutdown()
    assert result(grafana.token, stack).state == "not applicable", "that it does not answer, another check says"
    assert result(grafana.token, seen()).state == "not applicable", "a workspace's tokens last a run"


# --- what runs


def test_the_collector_s_image(monkeypatch: pytest.MonkeyPatch) -> None:
    from infra.aws.image import image_reference

    ecs = boto3.client("ecs", region_name=REGION)
    assert "refuses" in result(aws_parts.collector_version, seen()).found, "no cluster yet"
    ecs.create_cluster(clusterName="agent-telemetry-dev")
    assert "the stack is not up" in result(aws_parts.collector_version, seen()).found
    wanted = image_reference("collector-image")
    for image in (wanted, wanted.replace("0.160.0", "0.150.0")):
        containers = [
            {"name": "collector", "image": image, "memory": 512},
            {"name": "keys", "image": "x", "memory": 64},
        ]
        ecs.register_task_definition(family="collector", containerDefinitions=containers)
    service = {"cluster": "agent-telemetry-dev", "serviceName": "collector-service-1"}
    ecs.create_service(**service, taskDefinition="collector:1", desiredCount=1)
    assert result(aws_parts.collector_version, seen()) == ok(wanted)
    ecs.update_service(cluster=service["cluster"], service=service["serviceName"], taskDefinition="collector:2")
    old = result(aws_parts.collector_version, seen())
    assert old.state == "warn" and "0.150.0 runs" in old.found


def make_cluster(version: str, brokers: int = 2, tags: dict[str, str] | None = None) -> None:
    boto3.client("kafka", region_name=REGION).create_cluster_v2(
        ClusterName=f"c{version}",
        Tags=TAGS if tags is None else tags,
        Provisioned={
            "BrokerNodeGroupInfo": {"ClientSubnets": ["s-1", "s-2"], "InstanceType": "kafka.m7g.large"},
            "KafkaVersion": version,
            "NumberOfBrokerNodes": brokers,
        },
    )


def test_kafka_s_version() -> None:
    assert "the stack is not up" in result(aws_parts.kafka_version, seen()).found
    make_cluster("3.9.x.kraft", tags={"Stack": "other"})
    assert result(aws_parts.kafka_version, seen()).state == "not applicable", "another stack's is not looked at"
    make_cluster("4.1.x.kraft")
    made = result(aws_parts.kafka_version, seen())
    assert made.state == "warn" and "CREATING" in made.found and "ACTIVE" in made.fix
    old = result(aws_parts.kafka_version, seen(settings(kafkaVersion="4.2.x.kraft")))
    assert old.state == "warn" and "4.1.x.kraft runs" in old.found and "upgrades in place" in old.fix


def test_an_active_cluster_of_the_wanted_version(monkeypatch: pytest.MonkeyPatch) -> None:
    make_cluster("4.1.x.kraft")
    from moto.kafka.models import kafka_backends

    (cluster,) = kafka_backends["123456789012"][REGION].clusters.values()
    monkeypatch.setattr(cluster, "state", "ACTIVE")
    assert result(aws_parts.kafka_version, seen()) == ok("4.1.x.kraft, ACTIVE")


# --- certificates


def tell(days: dict[str, float]) -> None:
    data = [
        {"MetricName": METRIC, "Dimensions": [{"Name": DIMENSION, "Value": host}], "Value": left, "Timestamp": NOW}
        for host, left in days.items()
    ]
    boto3.client("cloudwatch", region_name=REGION).put_metric_data(Namespace=names.METRICS, MetricData=data)


@pytest.mark.parametrize(("days", "state"), [(200.0, "ok"), (40.0, "warn"), (-2.0, "fail")])
def test_the_nodes_tell_when_their_certificates_end(days: float, state: str) -> None:
    tell({"clickhouse-1.dev.agent-telemetry.internal": days})
    found = result(aws_parts.node_certificates, seen())
    assert found.state == state and "clickhouse-1.dev.agent-telemetry.internal" in found.found


def test_a_node_that_tells_nothing_is_named() -> None:
    assert "no node has told anything" in result(aws_parts.node_certificates, seen()).found
    tell({"clickhouse-1.dev.agent-telemetry.internal": 200.0})
    found = result(aws_parts.node_certificates, seen(aws_settings(LARGE)))
    assert found.state == "warn" and "silent: clickhouse-2.dev" in found.found and "keeper-3.dev" in found.found


@pytest.mark.parametrize(("days", "state"), [(200, "ok"), (20, "warn"), (-1, "fail")])
def test_given_certificates_are_read(days: float, state: str) -> None:
    ca = root("ca")
    given = {"clickhouseTls": "given", "clickhouseCaPem": ca.pem}
    nodes = {"clickhouseCertificates": {"*": certificate(ca, ["a"], days=days).pem}}
    found = result(aws_parts.given_certificates, settings().model_copy(update=given | nodes))
    assert found.state == state and "2 are given, * ends first" in found.found
    assert result(aws_parts.given_certificates, settings()).state == "not applicable"


# --- quotas


@pytest.fixture
def allowed(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """What Service Quotas says, by code; a code that is not in it has only AWS's default of 5."""
    values: dict[str, float] = {}
    real = quotas.client

    def client(service: str, region: str) -> Any:
        if service == "grafana":
            stubbed = boto3.client(service, region_name=region)
            stub = Stubber(stubbed)
            workspace = {"authentication": {"providers": ["AWS_SSO"]}, "created": NOW, "endpoint": "e", "modified": NOW}
            own = {**workspace, "grafanaVersion": "12.4", "id": "g-1234567890", "status": "ACTIVE", "tags": {}}
            stub.add_response("list_workspaces", {"workspaces": [own] * 5})
            stub.activate()
            return stubbed
        if service != "service-quotas":
            return real(service, region)
        stubbed = boto3.client(service, region_name=region)
        return SimpleNamespace(
            get_service_quota=lambda **asked: _quota(stubbed, values, asked),
            get_aws_default_service_quota=lambda **asked: {"Quota": {"Value": 5.0}},
        )

    monkeypatch.setattr(quotas, "client", client)
    return values


def _quota(client: Any, values: dict[str, float], asked: dict[str, str]) -> Any:
    """Request and answer as botocore knows them."""
    stub = Stubber(client)
    code = asked["QuotaCode"]
    if code in values:
        stub.add_response("get_service_quota", {"Quota": {"QuotaCode": code, "Value": values[code]}}, asked)
    else:
        stub.add_client_error("get_service_quota", "NoSuchResourceException", expected_params=asked)
    with stub:
        return client.get_service_quota(**asked)


def quota(name: str, found: Settings | None = None) -> Result:
    (item,) = [quota for quota in quotas.QUOTAS if quota.name == name]
    return result(quotas.look, item, "dev", found or settings(), lambda: None)


def test_what_an_up_adds_has_to_fit(allowed: dict[str, float]) -> None:
    assert quota("VPCs") == ok("1 of 5 used, an `up` adds 1"), (
        "the default VPC; AWS's default where there is no own value"
    )
    allowed["L-F678F1CE"] = 1
    full = quota("VPCs")
    assert full.state == "fail" and "--service-code vpc --quota-code L-F678F1CE --desired-value 2" in full.fix
    assert quota("VPCs", settings(networkVpcId="vpc-1", **SUBNETS)).state == "not applicable"


SUBNETS = {
    "networkPublicSubnetIds": ["subnet-1", "subnet-2"],
    "networkPrivateSubnetIds": ["subnet-3", "subnet-4"],
}


def test_what_the_stack_has_already_is_not_counted_twice(allowed: dict[str, float]) -> None:
    ec2 = boto3.client("ec2", region_name=REGION)
    vpc = ec2.create_vpc(CidrBlock="10.80.0.0/16")["Vpc"]["VpcId"]
    ec2.create_tags(Resources=[vpc], Tags=[{"Key": key, "Value": value} for key, value in TAGS.items()])
    allowed["L-F678F1CE"] = 2
    assert quota("VPCs") == ok("2 of 2 used, this stack's among them")


BORROWS = {"shareStack": "dev", "protect": False}
KUBERNETES = {
    "collectorPlatform": "kubernetes",
    "collectorCertificateArn": "",
    "kubernetesContext": "mine",
    "kubernetesOidcProviderArn": "arn:aws:iam::123456789012:oidc-provider/oidc.eks.eu-central-1.amazonaws.com/id/ABC",
    "kubernetesPodCidrs": ["10.9.0.0/16"],
    "kubernetesTlsSecret": "otlp-tls",
}


@pytest.mark.parametrize("name", ["VPCs", "Elastic IP addresses", "MSK brokers", "Managed Grafana workspaces"])
def test_what_another_stack_lends_takes_no_quota(allowed: dict[str, float], name: str) -> None:
    assert quota(name, settings(**BORROWS)).state == "not applicable"


def test_collectors_in_a_cluster_take_no_fargate(allowed: dict[str, float]) -> None:
    assert "a stack takes up to 0.5 " in quota("Fargate vCPUs", settings(**KUBERNETES)).found, "the worker's"


def test_what_is_elsewhere_is_not_said_to_be_down() -> None:
    borrowed = result(aws_parts.kafka_version, seen(settings(**BORROWS)))
    assert borrowed == Result("not applicable", "the brokers are dev's")
    named = {check.name for check in aws_parts.checks(seen(settings(**KUBERNETES)))}
    assert "collector's version" not in named, "it is no service on ECS"


def test_addresses_are_counted_by_nat_gateway(allowed: dict[str, float]) -> None:
    ec2 = boto3.client("ec2", region_name=REGION)
    for _ in range(3):
        ec2.allocate_address(Domain="vpc")
    assert quota("Elastic IP addresses") == ok("3 of 5 used, an `up` adds 1")
    many = quota("Elastic IP addresses", aws_settings(LARGE))
    assert many.state == "fail" and "adds 3" in many.found


def test_brokers_of_all_clusters_count(allowed: dict[str, float]) -> None:
    make_cluster("4.1.x.kraft", brokers=80, tags={})
    allowed["L-EDD31C36"] = 90
    assert quota("MSK brokers") == ok("80 of 90 used, an `up` adds 2")
    allowed["L-EDD31C36"] = 81
    assert quota("MSK brokers").state == "fail"


def test_workspaces(allowed: dict[str, float]) -> None:
    full = quota("Managed Grafana workspaces")
    assert full.state == "fail" and full.found.startswith("5 of 5 used")
    allowed["L-2C2D5119"] = 10
    assert quota("Managed Grafana workspaces").state == "ok"
    assert quota("Managed Grafana workspaces", settings(grafanaMode="none")).state == "not applicable"


def test_vcpus_are_the_stack_s_own(allowed: dict[str, float]) -> None:
    assert quota("EC2 vCPUs (standard)").found.startswith("5 allowed, a stack takes up to 2 "), "one m7g.large"
    large = quota("EC2 vCPUs (standard)", aws_settings(LARGE))
    assert large.state == "fail" and "up to 12 " in large.found, "three nodes and three Keepers, two vCPUs each"
    assert quota("Fargate vCPUs").state == "ok" and quota("Fargate Spot vCPUs").state == "not applicable"
    spot = settings(collectorSpot=True, collectorMaxTasks=20)
    assert quota("Fargate Spot vCPUs", spot).state == "fail" and quota("Fargate vCPUs", spot).state == "ok"


def test_a_quota_can_t_be_seen_without_rights(allowed: dict[str, float], monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(**_: Any) -> Any:
        client = boto3.client("service-quotas", region_name=REGION)
        stub = Stubber(client)
        stub.add_client_error("get_service_quota", "AccessDeniedException")
        with stub:
            return client.get_service_quota(ServiceCode="vpc", QuotaCode="x")

    monkeypatch.setattr(quotas, "client", lambda *_: SimpleNamespace(get_service_quota=refused))
    found = quota("VPCs")
    assert found == Result("not applicable", "AWS refuses GetServiceQuota: AccessDeniedException")


def test_nobody_signed_in_sees_no_quota() -> None:
    def nobody() -> None:
        raise Unseen("not without the account")

    item = quotas.QUOTAS[0]
    assert result(quotas.look, item, "dev", settings(), nobody).state == "not applicable"
