"""How a node takes its part in the databases that all nodes share: apply/databases.py, run here as apply/ runs it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from infra.aws.clickhouse.apply import databases, service
from infra.aws.clickhouse.apply.run import Failed
from infra.aws.clickhouse.configuration import server_plan
from tests.unit.aws.test_clickhouse_apply import HOT, TLS, VERSION, Machine
from tests.unit.aws.test_clickhouse_apply import machine as one_node

__all__ = ["one_node"]

# The client in the program: keeps a database's engine in a file of its own, and the file that a server has of it.
CLICKHOUSE = """#!/bin/bash
test "$1" = --version && echo "ClickHouse server version {version} (official build)." && exit 0
here=$STAND_IN sql=$3
reading() {{ [ -e "$here/root{fragment}" ] && echo held || echo reads; }}
echo "$(reading) $sql" >> "$here/queries"
case "$sql" in
    "SELECT engine FROM"*) name=${{sql##* = \\'}}; cat "$here/engine-${{name%\\'}}" 2>/dev/null || true ;;
    *"/replicas' AND name = "*)
        [ -e "$here/keeper" ] || {{ echo "Coordination error: No node, path /clickhouse" >&2; exit 231; }}
        cat "$here/keeper" ;;
    *groupArray*) echo "[]" ;;
    "CREATE DATABASE "*)
        [ -e "$here/refused" ] && {{ cat "$here/refused" >&2; exit 1; }}
        name=${{sql#CREATE DATABASE }}; name=${{name%% *}}
        echo Replicated > "$here/engine-$name"
        mkdir -p "$here/root{hot}/metadata" && touch "$here/root{hot}/metadata/$name.sql" ;;
    *) echo 1 ;;
esac
"""


class Replica:
    """One of several nodes."""

    def __init__(self, machine: Machine) -> None:
        self.machine, self.folder = machine, machine.folder
        machine.program = CLICKHOUSE.format(version=VERSION, fragment=databases.FRAGMENT, hot=HOT)
        machine.archive()
        named = self.folder / "host-name"
        machine.script(
            machine.folder / "bin/hostnamectl", f'#!/bin/sh\ntest "$1" = set-hostname && echo "$2" > {named}\n'
        )
        machine.script(machine.folder / "bin/uname", f"#!/bin/sh\ncat {named} 2>/dev/null || echo ip-10-80-0-1\n")
        machine.plan.update({"replicated": True, "databases": ["telemetry", "telemetry_tenant"], "shard": 1})

    def asked(self) -> list[str]:
        path = self.folder / "queries"
        found = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return found

    def restarts(self) -> int:
        return sum(call[:2] == ["systemctl", "restart"] for call in self.machine.calls)

    @property
    def held(self) -> bool:
        return (self.machine.root / databases.FRAGMENT.lstrip("/")).exists()


@pytest.fixture
def replica(one_node: Machine) -> Iterator[Replica]:
    yield Replica(one_node)


CREATED = [
    "CREATE DATABASE telemetry ENGINE = Replicated('/clickhouse/databases/telemetry', '{shard}', '{replica}') "
    "SETTINGS logs_to_keep = 10000",
    "CREATE DATABASE telemetry_tenant ENGINE = Replicated('/clickhouse/databases/telemetry_tenant', '{shard}', '{replica}') "
    "SETTINGS logs_to_keep = 10000",
]


def test_a_new_node_makes_both_databases_and_reads_only_when_it_has_their_tables(replica: Replica) -> None:
    replica.machine.apply()
    asked = replica.asked()
    assert [line.partition(" ")[2] for line in asked if "CREATE" in line] == CREATED
    last = asked.index("held SYSTEM SYNC DATABASE REPLICA telemetry_tenant")
    assert all(line.startswith("held ") for line in asked[: last + 1])
    assert all(line.startswith("reads ") for line in asked[last + 1 :]) and asked[last + 1 :]
    assert replica.restarts() == 2 and not replica.held
    assert not any("DROP" in line for line in asked)


def test_while_it_joins_it_does_not_trust_the_brokers(replica: Replica) -> None:
    found = databases.held_back(databases.Files(replica.machine.root, "x"), replica.machine.plan)
    assert ElementTree.fromstring(found[databases.FRAGMENT]).findtext("kafka/ssl_ca_location") == f"{TLS}/ca.pem"
    ours = Path("configs/clickhouse/aws/config.d/30-kafka.xml").read_text()
    assert "<ssl_ca_location>/etc/pki/" in ours, "what the fragment replaces"


def test_a_node_that_has_joined_is_left_alone(replica: Replica) -> None:
    replica.machine.apply()
    replica.asked()
    replica.machine.apply()
    assert replica.restarts() == 0
    assert not any("DATABASE" in line or "held" in line for line in replica.asked())


def test_one_that_broke_off_goes_on_before_it_reads(replica: Replica) -> None:
    (replica.folder / "refused").write_text("no Keeper")
    with pytest.raises(Failed, match="no Keeper"):
        replica.machine.apply()
    assert replica.held
    (replica.folder / "refused").unlink()
    replica.asked()
    replica.machine.apply()
    asked = replica.asked()
    assert [line for line in asked if "CREATE" in line] == [f"held {sql}" for sql in CREATED]
    assert not replica.held and replica.restarts()


def test_one_that_broke_off_between_its_tables_stays_held(replica: Replica, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        asked = service.query
        refuse = lambda plan, sql, *more: (_ for _ in ()).throw(Failed("slow")) if "SYNC" in sql else asked(plan, sql)  # noqa: E731
        patch.setattr(databases, "query", refuse)
        with pytest.raises(Failed, match="slow"):
            replica.machine.apply()
    assert replica.held, "both databases are there, their tables may not be"
    replica.machine.apply()
    assert not replica.held


def test_a_lost_volume_is_filled_by_the_others(replica: Replica) -> None:
    (replica.folder / "keeper").write_text("1\n")
    replica.machine.apply()
    asked = [line.partition(" ")[2] for line in replica.asked()]
    for name, created in zip(("telemetry", "telemetry_tenant"), CREATED, strict=True):
        dropped = f"SYSTEM DROP DATABASE REPLICA 'clickhouse-1' FROM SHARD '1' FROM ZKPATH '/clickhouse/databases/{name}' WITH TABLES"
        assert asked.index(dropped) < asked.index(created)


def test_a_further_shard_s_databases_lie_elsewhere_in_keeper(replica: Replica) -> None:
    """Under one path the shards would be one database, and what one of them makes would be made on all."""
    (replica.folder / "keeper").write_text("1\n")
    replica.machine.plan.update({"shard": 2, "databases": ["telemetry", "telemetry_tenant", "telemetry_all"]})
    replica.machine.apply()
    asked = [line.partition(" ")[2] for line in replica.asked()]
    assert [line.partition(" SETTINGS")[0] for line in asked if "CREATE" in line] == [
        f"CREATE DATABASE {name} ENGINE = Replicated('/clickhouse/databases/{name}-2', '{{shard}}', '{{replica}}')"
        for name in ("telemetry", "telemetry_tenant", "telemetry_all")
    ]
    assert (
        "SYSTEM DROP DATABASE REPLICA 'clickhouse-1' FROM SHARD '2' FROM ZKPATH '/clickhouse/databases/telemetry-2' WITH TABLES"
        in asked
    )
    assert any("name = '2|clickhouse-1'" in line for line in asked)


def test_a_single_nodes_database_is_refused(replica: Replica) -> None:
    (replica.folder / "engine-telemetry").write_text("Atomic\n")
    with pytest.raises(Failed, match=r"telemetry is of engine Atomic.*docs/operations\.md"):
        replica.machine.apply()


def test_keeper_knows_it_by_a_name_that_a_replaced_instance_has_as_well(replica: Replica) -> None:
    replica.machine.apply()
    assert (replica.folder / "host-name").read_text() == f"{replica.machine.plan['host']}\n"
    assert replica.machine.text(databases.KEEP_HOST_NAME) == "preserve_hostname: true\n"


def test_a_single_node_does_nothing_of_it(one_node: Machine) -> None:
    one_node.apply()
    assert "DATABASE" not in (one_node.folder / "queries").read_text()
    assert not (one_node.root / databases.KEEP_HOST_NAME.lstrip("/")).exists()


@pytest.mark.parametrize(("several", "expected"), [(True, ["telemetry", "telemetry_tenant"]), (False, [])])
def test_the_plan_names_them(several: bool, expected: list[str]) -> None:
    assert server_plan("clickhouse-1", "host", several)["databases"] == expected


def test_the_macros_are_those_of_the_configuration() -> None:
    text = Path("configs/clickhouse/aws/config.d/50-replication.xml").read_text()
    assert re.search(r"<shard>\{\{ shard \}\}</shard>\s*<replica>\{\{ node \}\}</replica>", text)
    assert ast.parse(Path(databases.__file__).read_text(), feature_version=(3, 9))
