"""Accesses on AWS, against moto's S3 and Secrets Manager and botocore's own validation of every call."""

from __future__ import annotations

import json
import os
import socket
import stat
from pathlib import Path

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from infra import tenants
from infra.aws import access, api
from infra.aws.commands import run_command, wait_online
from infra.aws.key_bucket import KeyObject, TokenObject
from infra.aws.tunnel import plugin
from infra.errors import UserError
from tests.ports import free_port

REGION = "eu-central-1"
CA = "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"


@pytest.fixture(autouse=True)
def _no_account(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_PROFILE", raising=False)


@pytest.fixture
def stubbed(monkeypatch: pytest.MonkeyPatch):
    """Clients of one service whose answers the test writes; requests are validated by botocore."""

    def make(service: str) -> Stubber:
        client = boto3.client(service, region_name=REGION)
        stubber = Stubber(client)
        stubber.activate()
        monkeypatch.setattr("infra.aws.api.client", lambda *_: client)
        for module in ("access", "commands", "tunnel"):
            monkeypatch.setattr(f"infra.aws.{module}.client", lambda *_: client)
        return stubber

    return make


@mock_aws
def test_the_password_and_the_ca_are_there_while_it_is_open_and_gone_after() -> None:
    secrets = boto3.client("secretsmanager", region_name=REGION)
    arn = secrets.create_secret(Name="x", SecretString=json.dumps({"username": "migrator", "password": "p"}))["ARN"]
    with access.InVpc(REGION, arn, CA).open("clickhouse.internal", 8443) as reached:
        assert (reached.host, reached.port, reached.password, reached.server_name) == (
            "clickhouse.internal",
            8443,
            "p",
            "",
        )
        assert Path(reached.ca_file).read_text() == CA
        assert "p" not in repr(reached).replace("port", "").replace("host", "").split("ca_file")[0].split("password")
    assert not Path(reached.ca_file).exists()


@mock_aws
def test_with_several_nodes_one_is_stayed_with_and_one_that_does_not_answer_is_passed_over() -> None:
    secrets = boto3.client("secretsmanager", region_name=REGION)
    arn = secrets.create_secret(Name="x", SecretString=json.dumps({"username": "worker", "password": "p"}))["ARN"]
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        hosts = ("nowhere.invalid", "127.0.0.1", "127.0.0.2")
        with access.InVpc(REGION, arn, CA, hosts).open("clickhouse.internal", port) as reached:
            assert (reached.host, reached.server_name) == ("127.0.0.1", "")
    with access.InVpc(REGION, arn, CA, hosts).open("clickhouse.internal", port) as reached:
        assert reached.host == "clickhouse.internal"


@mock_aws
def test_a_secret_that_is_not_there_is_named() -> None:
    with pytest.raises(UserError, match="secret arn:gone: AWS refused GetSecretValue: ResourceNotFoundException"):
        api.secret(REGION, "arn:gone")


@mock_aws
def test_a_kafka_sign_in_is_scram_by_the_secrets_user() -> None:
    secrets = boto3.client("secretsmanager", region_name=REGION)
    arn = secrets.create_secret(Name="x", SecretString=json.dumps({"username": "worker", "password": "p"}))["ARN"]
    with access.KafkaSecret(REGION, arn).open() as properties:
        assert properties == {"sasl.mechanism": "SCRAM-SHA-512", "sasl.username": "worker", "sasl.password": "p"}


def _bucket() -> KeyObject:
    boto3.client("s3", region_name=REGION).create_bucket(
        Bucket="keys", CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    return KeyObject(REGION, "keys", "credentials/jwks.json")


@mock_aws
def test_credentials_live_in_the_bucket_and_the_list_is_never_empty() -> None:
    store = _bucket()
    store.ensure()
    first = store.read()
    store.ensure()
    assert store.read() == first and len(first) == 1, "made once, with its dummy key"
    credential, _ = tenants.add(store, ["acme"], 1)
    assert [item.kid for item in tenants.listed(store)] == [credential.kid]
    tenants.revoke(store, "acme")
    assert tenants.listed(store) == [] and store.read() == first


@mock_aws
def test_the_token_that_is_handed_out_again_lies_beside_the_list() -> None:
    store, place = _bucket(), TokenObject(REGION, "keys")
    first = tenants.kept(store, place, "pr-7", 0, 1)
    assert tenants.kept(store, place, "pr-7", 0, 1) == first and place.read() == first[1]
    assert len(tenants.listed(store)) == 1
    with pytest.raises(UserError, match="token s3://nowhere/"):
        TokenObject(REGION, "nowhere").write("x")


@mock_aws
def test_of_two_changes_at_once_none_is_lost() -> None:
    store = _bucket()
    store.ensure()
    interrupted = []

    def slow(keys: tenants.Keys) -> tenants.Keys:
        if not interrupted:
            interrupted.append(tenants.add(store, ["between"], 1))
        return [*keys, {"kid": "mine", "tenants": ["mine"], "created": 0, "expires": 2**40}]

    store.change(slow)
    assert {item.kid for item in tenants.listed(store)} == {"mine", interrupted[0][0].kid}


@mock_aws
def test_a_step_s_credential_is_gone_after_it_and_the_worker_s_is_kept() -> None:
    store = _bucket()
    with access.KeyBucketCredential(REGION, "keys", store.key).open("canary") as headers:
        assert headers["Authorization"].startswith("Bearer ") and len(tenants.listed(store)) == 1
    assert tenants.listed(store) == []
    kept = access.KeptKeyBucketCredential(REGION, "keys", store.key)
    with kept.open("canary") as first, kept.open("canary") as second:
        assert first == second and len(tenants.listed(store)) == 1


def test_a_failed_command_tells_what_the_node_said(stubbed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.aws.commands.POLL_SECONDS", 0)
    with stubbed("ssm") as ssm:
        ssm.add_response("send_command", {"Command": {"CommandId": "1" * 36}})
        ssm.add_client_error("get_command_invocation", "InvocationDoesNotExist")
        ssm.add_response("get_command_invocation", {"Status": "InProgress"})
        failed = {
            "Status": "Failed",
            "StatusDetails": "Failed",
            "ResponseCode": 3,
            "StandardErrorContent": "no such volume",
        }
        ssm.add_response("get_command_invocation", failed)
        with pytest.raises(UserError, match=r"(?s)i-0123456789abcdef0: Failed, exit code 3.*no such volume"):
            run_command(REGION, "i-0123456789abcdef0", ["apply"], 60)


def test_an_instance_that_never_comes_online_is_named_with_what_to_look_at(stubbed) -> None:
    with stubbed("ssm") as ssm:
        ssm.add_response("describe_instance_information", {"InstanceInformationList": []})
        with pytest.raises(UserError, match=r"not registered.*AmazonSSMManagedInstanceCore"):
            wait_online(REGION, "i-0123456789abcdef0", 0)


PLUGIN = """#!/bin/sh
# Stands for session-manager-plugin: notes what it was given and says that the port is open.
printf '%s\\n' "$@" > "$NOTES/arguments"
printf '%s' "$AWS_SSM_START_SESSION_RESPONSE" > "$NOTES/response"
echo "Starting session with SessionId: s-1"
echo "Port 45454 opened for sessionId s-1."
exec sleep 60
"""


def test_a_tunnel_checks_the_node_s_name_and_keeps_its_token_out_of_the_arguments(
    stubbed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "session-manager-plugin"
    program.write_text(PLUGIN)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("NOTES", str(tmp_path))
    monkeypatch.setattr(access, "secret", lambda *_: {"password": "p"})
    with stubbed("ssm") as ssm:
        nodes = [{"InstanceId": "i-00000000000000002", "PingStatus": "Online"}]
        ssm.add_response("describe_instance_information", {"InstanceInformationList": nodes})
        ssm.add_response("start_session", {"SessionId": "s-1", "TokenValue": "token-canary", "StreamUrl": "wss://x"})
        ssm.add_response("terminate_session", {"SessionId": "s-1"})
        way = access.Tunnel(REGION, ("i-00000000000000001", "i-00000000000000002"), "arn", CA)
        with way.open("clickhouse.internal", 8443) as reached:
            assert (reached.host, reached.port, reached.server_name) == ("127.0.0.1", 45454, "clickhouse.internal")
            arguments = (tmp_path / "arguments").read_text()
            assert "token-canary" not in arguments and "token-canary" in (tmp_path / "response").read_text()
            assert '"Target": "i-00000000000000002"' in arguments, "the node that is online"
        ssm.assert_no_pending_responses()


def test_a_missing_plugin_is_a_clear_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"session-manager-plugin is not on PATH.*clickhouseReach: direct"):
        plugin()


def _task(name: str, status: str, address: str) -> dict:
    details = [{"name": "subnetId", "value": "subnet-1"}, {"name": "privateIPv4Address", "value": address}]
    return {
        "taskArn": f"arn:aws:ecs:{REGION}:123456789012:task/agents/{name}",
        "lastStatus": status,
        "attachments": [
            {"type": "ServiceConnect", "details": []},
            {"type": "ElasticNetworkInterface", "details": details},
        ],
    }


def test_the_collectors_that_run_are_found_at_their_private_addresses(stubbed) -> None:
    tasks = [
        _task("a1", "RUNNING", "10.0.1.7"),
        _task("b2", "PROVISIONING", "10.0.2.9"),
        _task("c3", "RUNNING", "10.0.2.8"),
    ]
    arns = [task["taskArn"] for task in tasks]
    with stubbed("ecs") as ecs:
        asked = {"cluster": "agents", "serviceName": "collector", "desiredStatus": "RUNNING", "maxResults": 100}
        ecs.add_response("list_tasks", {"taskArns": arns}, asked)
        ecs.add_response("describe_tasks", {"tasks": tasks}, {"cluster": "agents", "tasks": arns})
        with access.CollectorTasks(REGION, "agents", "collector", 8888).open() as pages:
            assert pages == {"a1": "http://10.0.1.7:8888/metrics", "c3": "http://10.0.2.8:8888/metrics"}
        ecs.assert_no_pending_responses()


def test_more_collectors_than_one_page_has_are_all_found(stubbed) -> None:
    tasks = [_task(f"t{number}", "RUNNING", f"10.0.1.{number}") for number in range(103)]
    arns = [task["taskArn"] for task in tasks]
    with stubbed("ecs") as ecs:
        ecs.add_response("list_tasks", {"taskArns": arns[:100], "nextToken": "more"})
        ecs.add_response("describe_tasks", {"tasks": tasks[:100]}, {"cluster": "agents", "tasks": arns[:100]})
        ecs.add_response("list_tasks", {"taskArns": arns[100:]})
        ecs.add_response("describe_tasks", {"tasks": tasks[100:]}, {"cluster": "agents", "tasks": arns[100:]})
        with _collectors() as pages:
            assert len(pages) == 103
        ecs.assert_no_pending_responses()


def test_no_running_collector_and_a_role_that_may_not_look_are_said_so(stubbed) -> None:
    with stubbed("ecs") as ecs:
        ecs.add_response("list_tasks", {"taskArns": []})
        with pytest.raises(UserError, match="no task of collector runs"), _collectors():
            pass
        ecs.add_client_error("list_tasks", "AccessDeniedException", "not allowed")
        with pytest.raises(UserError, match="AWS refused ListTasks"), _collectors():
            pass


def _collectors():
    return access.CollectorTasks(REGION, "agents", "collector", 8888).open()
