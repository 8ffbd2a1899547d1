"""The databases that several nodes share: each node makes them once and then gets their tables from Keeper by itself.

While it gets them it may not read from Kafka: a Kafka table that reads before all of its views are there commits messages
that the missing ones never see. So its brokers' certificates are not trusted until everything is in place.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .files import Files
from .run import Failed, run, say
from .service import query

FRAGMENT = "/etc/clickhouse-server/config.d/95-joining.xml"
KEEP_HOST_NAME = "/etc/cloud/cloud.cfg.d/99-agent-telemetry.cfg"
JOIN_SECONDS = 600
LOG_ENTRIES = 10_000
"""Keeper's log of DDL. A node that was away for no more than this does it in its order, Kafka tables last; for longer, it
makes all tables in an order of its own. An ingest change is some 120 entries."""


def name_host(files: Files, plan: Mapping[str, Any]) -> None:
    """Keeper knows a database's replica by a host's name. It must be the node's own, which a replaced instance has as well:
    interserver_http_host is, but older versions take the machine's."""
    if not plan["replicated"]:
        return
    files.write(KEEP_HOST_NAME, "preserve_hostname: true\n", 0o644)
    if run(["uname", "-n"]).strip() != plan["host"]:
        run(["hostnamectl", "set-hostname", plan["host"]])
        files.note("the machine's name")


def held_back(files: Files, plan: Mapping[str, Any]) -> dict[str, str]:
    """The fragment that keeps a node from Kafka as long as it lacks one of the databases. Path to text."""
    if not plan["replicated"]:
        return {}
    lacking = [name for name in plan["databases"] if not files.at(f"{plan['folders'][0]}/metadata/{name}.sql").exists()]
    if not lacking and not files.at(FRAGMENT).exists():
        return {}
    own = f"{plan['secret_folder']}/ca.pem"
    return {FRAGMENT: f'<clickhouse><kafka><ssl_ca_location replace="1">{own}</ssl_ca_location></kafka></clickhouse>\n'}


def join(files: Files, plan: Mapping[str, Any]) -> None:
    """Makes what is lacking, and lets the node read from Kafka when it has every table. A restart has to follow."""
    for name in plan["databases"]:
        _make(plan, name)
    for name in plan["databases"]:
        query(plan, f"SYSTEM SYNC DATABASE REPLICA {name}", JOIN_SECONDS)
    files.note(FRAGMENT)
    files.at(FRAGMENT).unlink()
    say(f"{plan['name']} has joined the databases {', '.join(plan['databases'])}")


def _make(plan: Mapping[str, Any], name: str) -> None:
    engine = query(plan, f"SELECT engine FROM system.databases WHERE name = '{name}'")
    if engine == "Replicated":
        return
    if engine:
        raise Failed(
            f"database {name} is of engine {engine}: it was made when there was one node, and its tables can't become "
            "replicated ones. Make a new stack and restore a backup into it (docs/operations.md)"
        )
    path = f"/clickhouse/databases/{name}" + (f"-{plan['shard']}" if plan["shard"] > 1 else "")
    if _known(plan, path):
        # This node has been in Keeper before, and its volume is a new one: what it had is gone, the others have it.
        replica = f"'{plan['name']}' FROM SHARD '{plan['shard']}' FROM ZKPATH '{path}'"
        query(plan, f"SYSTEM DROP DATABASE REPLICA {replica} WITH TABLES", JOIN_SECONDS)
        say(f"{plan['name']}: its volume holds no {name}; all of it comes from the other nodes")
    engine = f"Replicated('{path}', '{{shard}}', '{{replica}}') SETTINGS logs_to_keep = {LOG_ENTRIES}"
    query(plan, f"CREATE DATABASE {name} ENGINE = {engine}", JOIN_SECONDS)


def _known(plan: Mapping[str, Any], path: str) -> bool:
    asked = f"SELECT count() FROM system.zookeeper WHERE path = '{path}/replicas' AND name = '{plan['shard']}|{plan['name']}'"
    try:
        return query(plan, asked) != "0"
    except Failed as error:
        if "No node" in str(error):
            return False
        raise
