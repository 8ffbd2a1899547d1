"""Shards of ClickHouse on AWS under mocks: nodes, who knows whom, who may ask whom, what each step reaches."""

from __future__ import annotations

import json
import re
from typing import Any
from xml.etree import ElementTree

import pytest

from infra.aws.access import InVpc, Tunnel
from infra.aws.alarm_rules import lag, tasks
from infra.aws.clickhouse import names
from infra.aws.clickhouse.apply import credentials
from infra.aws.clickhouse.backup import choose
from infra.aws.clickhouse.configuration import ServerValues, server_files, server_plan
from infra.aws.costs import bill
from infra.aws.firewall import CLICKHOUSE_NATIVE, table
from infra.errors import UserError
from infra.settings import Settings
from infra.worker.positions import group_of
from tests.unit.aws.aws_settings import LARGE, SMALL, context, settings
from tests.unit.aws.mocks import value
from tests.unit.aws.test_clickhouse import INSTANCE, bundle, declare, policy

TWO: dict[str, Any] = {"clickhouseShards": 2}
HOSTS = [["clickhouse-1.x"], ["clickhouse-s2-1.x"]]
CONFIG = "/etc/clickhouse-server"


def files(found: Settings, shard: int = 2) -> dict[str, str]:
    keepers = ["keeper-1.x"] if found.clickhouseReplicas > 1 else []
    cluster = HOSTS[: found.clickhouseShards]
    return server_files(found, ServerValues("n", "n.x", ["10.80.0.0/16"], "data", "backups", keepers, shard, cluster))


class TestTwoShards:
    cloud, clickhouse = declare(**TWO)

    def test_the_first_shard_s_node_is_called_as_if_it_were_alone(self) -> None:
        assert [made.name for made in self.cloud.of(INSTANCE)] == ["clickhouse-1", "clickhouse-s2-1"]
        zones = [made.inputs["subnetId"] for made in self.cloud.of(INSTANCE)]
        assert len(set(zones)) == 2, "one zone that fails takes one shard"
        assert not any("keeper" in made.name for made in self.cloud.of(INSTANCE))

    def test_a_step_reaches_its_shard_by_that_shard_s_nodes_alone(self) -> None:
        first, second = self.clickhouse.endpoints
        assert first.access["class"].endswith(f":{Tunnel.__name__}")
        assert [value(id_) for id_ in first.access["args"]["instance_ids"]] == ["clickhouse-1-id"]
        assert [value(id_) for id_ in second.access["args"]["instance_ids"]] == ["clickhouse-s2-1-id"]
        inside = self.clickhouse.access_of("worker", shard=2)
        assert inside["class"].endswith(f":{InVpc.__name__}")
        assert inside["args"]["hosts"] == ["clickhouse-s2-1.dev.agent-telemetry.internal"]

    def test_every_node_knows_all_shards_and_where_it_stands(self) -> None:
        for number, node in enumerate(("clickhouse-1", "clickhouse-s2-1"), 1):
            found = bundle(self.cloud, node)
            tree = ElementTree.fromstring(found[f"files{CONFIG}/config.d/60-shards.xml"])
            hosts = [item.text for item in tree.iterfind("remote_servers/shards/shard/replica/host")]
            domain = "dev.agent-telemetry.internal"
            assert hosts == [f"clickhouse-1.{domain}", f"clickhouse-s2-1.{domain}"]
            assert {item.text for item in tree.iterfind(".//port")} == {"9440"} and tree.find(".//secure") is not None
            plan = json.loads(found["plan.json"])
            assert (plan["shard"], plan["cluster"], plan["replicated"]) == (number, "shards", False)

    def test_the_nodes_secret_is_read_by_them_and_in_no_bundle(self) -> None:
        for node in ("clickhouse-1", "clickhouse-s2-1"):
            allowed = [arn for item in policy(self.cloud, node) for arn in item["Resource"] if "interserver" in arn]
            assert allowed and "<secret>" not in "".join(bundle(self.cloud, node).values()).replace(
                "<secret>{escape", ""
            )

    def test_each_shard_is_backed_up_to_a_folder_of_its_own(self) -> None:
        first, second = self.clickhouse.backup_jobs()
        told = [json.loads(value(next(iter(job.environment.values())))) for job in (first, second)]
        assert [job.name for job in (first, second)] == ["backup", "backup-shard-2"]
        assert "folder" not in told[0] and told[1]["folder"] == "shard-2/"
        assert told[1]["hosts"] == ["clickhouse-s2-1.dev.agent-telemetry.internal"]


def test_one_shard_has_none_of_it() -> None:
    found = files(settings(), 1)
    assert not any("shards" in path for path in found) and "telemetry_all" not in "".join(found.values())
    assert names.servers(context(settings())) == ["clickhouse-1"]
    assert not any(rule.port == CLICKHOUSE_NATIVE for rule in table(settings()))


def test_with_replicas_a_shard_is_a_replica_set_of_its_own() -> None:
    found = settings(LARGE, clickhouseShards=2)
    assert names.shards(context(found))[1] == ["clickhouse-s2-1", "clickhouse-s2-2", "clickhouse-s2-3"]
    tree = ElementTree.fromstring(files(found)[f"{CONFIG}/config.d/50-replication.xml"])
    assert tree.findtext("macros/shard") == "2"
    plan = server_plan("clickhouse-s2-1", "h", True, 2, 2)
    assert plan["databases"] == ["telemetry", "telemetry_tenant", "telemetry_all"]
    assert server_plan("clickhouse-1", "h", True)["databases"] == ["telemetry", "telemetry_tenant"]


def test_who_asks_may_ask_all_shards_and_a_missing_one_is_an_error() -> None:
    found = files(settings(**TWO))
    services = ElementTree.fromstring(found[f"{CONFIG}/users.d/10-services.xml"])
    shared = ElementTree.fromstring(found[f"{CONFIG}/users.xml"])
    grants = {
        user: {item.text for tree in (services, shared) for item in tree.iterfind(f"users/{user}/grants/query")}
        for user in ("migrator", "worker", "dashboards")
    }
    assert {"GRANT ALL ON telemetry_all.*", "GRANT REMOTE ON *.*"} <= grants["migrator"]
    for user in ("worker", "dashboards"):
        assert "GRANT SELECT ON telemetry_all.*" in grants[user]
        assert not any("REMOTE" in str(grant) or "INSERT ON telemetry_all" in str(grant) for grant in grants[user])
    profiles = ElementTree.fromstring(found[f"{CONFIG}/users.d/60-shards.xml"])
    for profile in ("default", "dashboards"):
        assert profiles.findtext(f"profiles/{profile}/distributed_product_mode") == "global"
        assert profiles.findtext(f"profiles/{profile}/skip_unavailable_shards") == "0"


def test_a_node_writes_the_secret_by_which_it_signs_in_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = {"interserver": {"username": "interserver", "password": "p<1"}}
    monkeypatch.setattr(credentials, "secret", lambda _, arn: secrets[arn])
    monkeypatch.setattr(credentials, "_operator", lambda *_: "o")
    plan = {"region": "r", "secrets": {"users": {}, "interserver": "interserver"}, "cluster": "shards"}
    written = credentials.server(None, plan)  # type: ignore[arg-type]
    tree = ElementTree.fromstring(written[f"{CONFIG}/config.d/92-cluster.xml"])
    assert tree.findtext("remote_servers/shards/secret") == "p<1"
    assert f"{CONFIG}/config.d/92-cluster.xml" not in credentials.server(None, {**plan, "cluster": ""})  # type: ignore[arg-type]


def test_nodes_of_different_shards_may_talk_and_no_more() -> None:
    rules = {(rule.source, rule.target, rule.port) for rule in table(settings(**TWO))}
    more = rules - {(rule.source, rule.target, rule.port) for rule in table(settings())}
    assert more == {("clickhouse", "clickhouse", CLICKHOUSE_NATIVE)}


def test_each_shard_s_group_and_worker_steps_are_watched() -> None:
    made = {alarm.name: alarm for alarm in lag("cluster", 2)}
    assert {"kafka-lag-otel-spans", "kafka-lag-otel-spans-shard-2", "kafka-lag-otel-events-shard-2"} <= set(made)
    assert (group_of("otel-spans", 1), group_of("otel-spans", 2)) == (
        "clickhouse-otel-spans",
        "clickhouse-otel-spans-2",
    )
    assert "worker-recompute-2-stuck" in {alarm.name for alarm in tasks(context(settings(**TWO)))}
    assert not any(re.search(r"-2|shard", alarm.name) for alarm in lag("cluster"))


def test_each_node_costs_and_each_shard_reads_everything() -> None:
    assumptions = {"spans_a_second": 1000, "request_bytes_a_span": 200, "grafana_editors": 1}
    one, two = ({line.item: line.quantity for line in bill(settings(**more), assumptions)} for more in ({}, TWO))
    node = f"node-hour/{settings().clickhouseInstanceType}"
    assert two[node] == 2 * one[node] and two["volume-gp3"] == 2 * one["volume-gp3"]
    assert two["zone-transfer"] > one["zone-transfer"]


def test_a_shard_s_backups_are_told_from_another_s() -> None:
    from datetime import UTC, datetime

    now = datetime(2026, 11, 2, tzinfo=UTC)
    full = ["full/shard-2/2026-11-01T02-00-00Z"]
    assert choose(full, now, "shard-2/") == ("increment/shard-2/2026-11-02T00-00-00Z", full[0])
    assert choose([], now, "shard-2/") == ("full/shard-2/2026-11-02T00-00-00Z", "")


def test_tenant_readers_and_shards_exclude_each_other() -> None:
    with pytest.raises(UserError, match="clickhouseShards: tenantReaders ask the rows of one shard only"):
        settings(SMALL, clickhouseShards=2, tenantReaders=["acme"])
