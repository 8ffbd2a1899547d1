"""A tenant is who signed in, never what the payload says (collectorAuth jwt); without it the payload names the tenant."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import grpc
import pytest
from clickhouse_connect.driver.exceptions import ClickHouseError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2_grpc import LogsServiceStub
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from infra import otlp, tenants
from infra.clickhouse import connect
from infra.endpoints import Direct
from infra.tenant_views import view_of
from tests.pipeline.conftest import KEEPER
from tests.pipeline.live import Pipeline, bearer
from tests.pipeline.otlp_messages import attributes, logs, span, traces

PARTS = ("kafka", "clickhouse", "collector", "worker")


def status_of(pipeline: Pipeline, body: bytes, headers: dict[str, str], signal: Any = "traces") -> int:
    try:
        otlp.send(pipeline.stack.otlp.http_url, body, signal, headers)
    except otlp.OtlpRefused as refused:
        return refused.status
    return 200


BAD = {
    "none": {},
    "not a token": bearer("abc"),
    "three parts of nothing": bearer("a.b.c"),
    "another scheme": {"Authorization": "Basic dXNlcjpwYXNz"},
}


@pytest.mark.parametrize("what", BAD)
def test_without_a_valid_token_http_answers_401_and_stores_nothing(json_jwt: Pipeline, tenant: str, what: str) -> None:
    body = traces(tenant, span()).SerializeToString()
    assert status_of(json_jwt, body, BAD[what]) == 401
    assert status_of(json_jwt, logs(tenant, LogRecord()).SerializeToString(), BAD[what], "logs") == 401
    # What was sent with a token afterwards is there, so what was refused would be as well.
    json_jwt.send(traces(tenant, span("later")), tenant)
    assert json_jwt.span(tenant)["operation"] == "later"


def test_without_a_token_grpc_answers_unauthenticated(json_jwt: Pipeline, tenant: str) -> None:
    with grpc.insecure_channel(json_jwt.stack.otlp.grpc_target) as channel:
        for export, request in (
            (TraceServiceStub(channel).Export, traces(tenant, span())),
            (LogsServiceStub(channel).Export, ExportLogsServiceRequest()),
        ):
            with pytest.raises(grpc.RpcError) as refused:
                export(request, timeout=10)
            assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED  # type: ignore[attr-defined]


def test_a_token_signed_with_a_key_of_ones_own_is_refused(json_jwt: Pipeline, tenant: str) -> None:
    import jwt
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    live = tenants.listed(tenants.KeyFile(json_jwt.key_list))
    claims = {
        "iss": tenants.ISSUER,
        "aud": tenants.AUDIENCE,
        "sub": "x",
        "tenant": tenant,
        "exp": int(time.time()) + 600,
    }
    for kid in [*(item.kid for item in live), tenants.DUMMY, "unknown"]:
        forged = jwt.encode(claims, Ed25519PrivateKey.generate(), algorithm="EdDSA", headers={"kid": kid})
        assert status_of(json_jwt, b"", bearer(forged)) == 401
    unsigned = jwt.encode(claims, "", algorithm="none")
    assert status_of(json_jwt, b"", bearer(unsigned)) == 401


def spoofed(owner: str) -> Any:
    request = traces(owner, span("spoofed", {"tenant.id": owner}), scope={"tenant.id": owner})
    request.resource_spans[0].resource.attributes.extend(attributes({"telemetry.credential.tenants": owner}))
    return request


def test_a_spoofed_tenant_is_overwritten_on_resource_scope_and_span(json_jwt: Pipeline, tenant: str) -> None:
    json_jwt.send(spoofed("victim"), tenant)
    row = json_jwt.span(tenant)
    assert "tenant.id" not in row["attributes"]
    assert row["resource_attributes"]["tenant.id"] == tenant
    assert "victim" not in str(row)
    assert json_jwt.rows("SELECT 1 FROM telemetry.spans_raw WHERE tenant_id = 'victim'") == []


def test_a_spoofed_tenant_is_overwritten_on_logs(json_jwt: Pipeline, tenant: str) -> None:
    request = logs("victim", LogRecord(event_name="spoofed", attributes=attributes({"tenant.id": "victim"})))
    json_jwt.send(request, tenant, signal="logs")
    sql = "SELECT payload_json FROM telemetry.events WHERE tenant_id = {t:String}"
    (row,) = json_jwt.wait_rows(sql, t=tenant)
    assert "victim" not in row["payload_json"]
    assert json_jwt.rows("SELECT 1 FROM telemetry.events_raw WHERE tenant_id = 'victim'") == []


@pytest.mark.parametrize("value", [5, True, "", ["a"], None, "tenant;other", "TENANT"])
def test_a_tenant_of_another_kind_is_overwritten_as_well(json_jwt: Pipeline, tenant: str, value: Any) -> None:
    json_jwt.send(traces(None, span("odd"), resource={"tenant.id": value}), tenant)
    assert json_jwt.span(tenant)["resource_attributes"]["tenant.id"] == tenant


def test_each_resource_of_a_request_gets_the_tenant(json_jwt: Pipeline, tenant: str) -> None:
    request = traces("victim", span("one"))
    request.MergeFrom(traces(None, span("two")))
    request.MergeFrom(traces(tenant, span("three")))
    json_jwt.send(request, tenant)
    assert {row["operation"] for row in json_jwt.spans(tenant, 3)} == {"one", "two", "three"}


def test_a_token_for_two_tenants_may_choose_one_of_them_only(json_jwt: Pipeline, tenant: str) -> None:
    second = tenant + "-two"
    request = traces(tenant, span("first"))
    for other in (second, "victim", None, f"{tenant};{second}"):
        request.MergeFrom(traces(other, span(f"as {other}")))
    json_jwt.send(request, tenant, second)
    first = {row["operation"] for row in json_jwt.spans(tenant, 4)}
    assert first == {"first", "as victim", "as None", f"as {tenant};{second}"}
    assert json_jwt.span(second)["operation"] == f"as {second}"


def test_the_command_line_adds_lists_and_revokes_and_nothing_restarts(json_jwt: Pipeline, tenant: str) -> None:
    before = {part: json_jwt.pid(part) for part in PARTS}
    done = json_jwt.stack.telemetry("tenants", "add", tenant)
    token = done.stdout.strip()
    assert token.count(".") == 2 and tenant in done.stderr
    assert json_jwt.until(lambda: json_jwt.accepts(token), "the new token is taken", 10) < 10
    otlp.send(
        json_jwt.stack.otlp.http_url,
        traces("victim", span("mine")).SerializeToString(),
        headers=bearer(token),
    )
    assert json_jwt.span(tenant)["operation"] == "mine"

    listed = json_jwt.stack.telemetry("tenants", "list").stdout
    assert tenant in listed and token not in listed
    (kid,) = [item.kid for item in tenants.listed(tenants.KeyFile(json_jwt.key_list)) if tenant in item.tenants]
    assert kid in listed
    assert token not in json_jwt.key_list.read_text() and '"d"' not in json_jwt.key_list.read_text()

    assert kid in json_jwt.stack.telemetry("tenants", "revoke", tenant).stdout
    assert json_jwt.until(lambda: not json_jwt.accepts(token), "the revoked token is refused", 10) < 10
    assert tenant not in json_jwt.stack.telemetry("tenants", "list").stdout
    assert {part: json_jwt.pid(part) for part in PARTS} == before

    again = json_jwt.stack.telemetry("tenants", "revoke", tenant, check=False)
    assert again.returncode == 1 and "telemetry tenants list" in again.stderr


def test_a_tenants_name_that_could_be_taken_for_two_is_refused(json_jwt: Pipeline) -> None:
    done = json_jwt.stack.telemetry("tenants", "add", "a;b", check=False)
    assert done.returncode == 1 and "a;b" in done.stderr


def test_other_credentials_outlive_a_revocation(json_jwt: Pipeline, tenant: str) -> None:
    keep, drop = tenant + "-keep", tenant + "-drop"
    json_jwt.headers(keep)
    _, token = tenants.add(tenants.KeyFile(json_jwt.key_list), [drop], days=1)
    json_jwt.until(lambda: json_jwt.accepts(token), "the token is taken")
    tenants.revoke(tenants.KeyFile(json_jwt.key_list), drop)
    json_jwt.until(lambda: not json_jwt.accepts(token), "the token is refused", 10)
    json_jwt.send(traces(None, span("still")), keep)
    assert json_jwt.span(keep)["operation"] == "still"


def test_without_auth_a_span_may_name_a_tenant_of_its_own(proto: Pipeline, tenant: str) -> None:
    own = f"{tenant}-own"
    spans = [span("the resource's"), span("its own", {"tenant.id": own}), span("empty", {"tenant.id": ""})]
    proto.send(traces(tenant, *spans))
    assert {row["operation"] for row in proto.spans(tenant, 2)} == {"the resource's", "empty"}
    row = proto.span(own)
    assert row["operation"] == "its own"
    assert (row["attributes"]["tenant.id"], row["resource_attributes"]["tenant.id"]) == (own, tenant)
    counted = "SELECT sum(spans) AS n FROM telemetry.spans_minute WHERE tenant_id = {t:String} HAVING n > 0"
    assert [proto.wait_rows(counted, t=name)[0]["n"] for name in (tenant, own)] == [2, 1]


def test_without_auth_a_log_record_may_name_a_tenant_of_its_own(proto: Pipeline, tenant: str) -> None:
    own = f"{tenant}-own"
    records = [LogRecord(event_name="a"), LogRecord(event_name="b", attributes=attributes({"tenant.id": own}))]
    proto.send(logs(tenant, *records), signal="logs")
    sql = "SELECT tenant_id, event_type FROM telemetry.events WHERE tenant_id IN ({a:String}, {b:String}) ORDER BY 2"
    rows = proto.wait_rows(sql, 2, a=tenant, b=own)
    assert [(row["tenant_id"], row["event_type"]) for row in rows] == [(tenant, "a"), (own, "b")]


def test_without_auth_a_spans_own_tenant_decides_whether_its_prompt_is_kept(proto: Pipeline, tenant: str) -> None:
    prompt = {"gen_ai.prompt": "secret"}
    kept, dropped = span("kept", {"tenant.id": KEEPER, **prompt}), span("dropped", {"tenant.id": tenant, **prompt})
    proto.send(traces(tenant, kept))
    proto.send(traces(KEEPER, dropped))
    proto.span(tenant)
    sql = "SELECT tenant_id FROM telemetry.content WHERE trace_id = unhex({t:String})"
    assert proto.wait_rows(sql, t=kept.trace_id.hex()) == [{"tenant_id": KEEPER}]
    proto.until(lambda: proto.lag() == 0, "lag 0")
    assert proto.rows(sql, t=dropped.trace_id.hex()) == []


def test_a_tenants_reader_sees_what_its_tenant_sent_and_nothing_else(proto: Pipeline, tenant: str) -> None:
    proto.send(traces(KEEPER, span(f"of {tenant}", {"gen_ai.prompt": "asked"})))
    proto.send(traces(tenant, span("someone else's")))
    proto.send(logs(KEEPER, LogRecord(event_name=f"of {tenant}")), signal="logs")
    proto.span(tenant)
    address = replace(proto.stack.clickhouse, user=f"reader-{KEEPER}")
    with connect(address, Direct()) as reader:
        mine = "SELECT count() FROM {table:Identifier} WHERE {column:Identifier} = {name:String}"
        for table, column in (("spans", "operation"), ("events", "event_type"), ("spans_minute", "operation")):
            asked = {"table": view_of(table, KEEPER), "column": column, "name": f"of {tenant}"}
            proto.until(lambda asked=asked: reader.query(mine, asked).result_rows[0][0] == 1, f"its row in {table}")
            seen = f"SELECT groupUniqArray(tenant_id) FROM {view_of(table, KEEPER)}"
            assert reader.query(seen).result_rows == [([KEEPER],)]
        with pytest.raises(ClickHouseError, match="ACCESS_DENIED"):
            reader.query("SELECT * FROM telemetry.spans")


def test_without_auth_the_payload_names_the_tenant_and_no_name_is_default(proto: Pipeline, tenant: str) -> None:
    sent = span("nobody's")
    proto.send(traces(tenant, span("named")))
    proto.send(traces(None, sent))
    assert proto.span(tenant)["operation"] == "named"
    (row,) = proto.wait_rows("SELECT tenant_id FROM telemetry.spans WHERE trace_id = {t:String}", t=sent.trace_id.hex())
    assert row["tenant_id"] == "default"
