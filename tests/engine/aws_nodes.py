"""A model of the machines: what SSM Run Command has them do, with what a real node would stumble over.

A node fetches its bundle and its secrets only if its role allows exactly these, mounts only what is attached to it, serves
HTTPS with its certificate, and where there are several, each must accept the others' certificates. ClickHouse itself is
one real engine behind all nodes of a shard.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.local.clickhouse.errors import ServerError
from infra.local.clickhouse.users import credentials
from infra.paths import CONFIGS
from tests.engine.aws_doors import Answer, Headers, Server, context_of, forward
from tests.engine.aws_handshake import Identity, refusal
from tests.providers.api.secrets import versions_of
from tests.providers.api.systems import INSTANCE, PROFILE
from tests.providers.standin import objects
from tests.providers.standin.cloud import Cloud, Resource

ATTACHMENT, POLICY = "aws:ec2/volumeAttachment:VolumeAttachment", "aws:iam/rolePolicy:RolePolicy"
HTTPS_PORT = "8443"


class NodeError(Exception):
    """What the node says when applying its bundle fails."""


@dataclass(frozen=True)
class Apply:
    """One bundle that a node took."""

    node: str
    instance: str
    sha256: str
    plan: dict[str, Any]
    files: dict[str, str]


@dataclass
class Nodes:
    """The machines of one cloud. `command` is the control plane's on_command."""

    cloud: Cloud
    engine_port: int
    """ClickHouse's HTTP interface; its `default` has no password."""
    folder: Path
    applied: list[Apply] = field(default_factory=list)
    further: Callable[[str, int], int] = lambda _stack, _shard: 0
    """The same interface of a further engine: of a shard of the first stack ('') or of another stack."""
    fail: dict[str, str] = field(default_factory=dict)
    """Node to what goes wrong when it applies its bundle next."""

    def __post_init__(self) -> None:
        self.ports_file = self.folder / "ports.json"
        self._servers: dict[str, Server] = {}
        self._identities: dict[tuple[str, str], Identity] = {}
        self._first = ""
        """The stack that came first: its first shard is the engine at engine_port."""
        self._note()

    def engine_of(self, stack: str, shard: int) -> int:
        """The port of the engine behind a stack's shard."""
        self._first = self._first or stack
        if stack != self._first:
            return self.further(stack, shard)
        return self.engine_port if shard == 1 else self.further("", shard)

    def close(self) -> None:
        for server in self._servers.values():
            server.close()

    def command(self, instance: str, document: str, parameters: dict[str, list[str]]) -> tuple[str, str]:
        """Status and output of a command by SSM."""
        assert document == "AWS-RunShellScript" and parameters.keys() == {"commands", "executionTimeout"}
        try:
            return "Success", self._apply(instance, "\n".join(parameters["commands"]))
        except NodeError as error:
            return "Failed", f"apply: {error}"

    def _apply(self, instance: str, script: str) -> str:
        machine = self.cloud.get(INSTANCE, instance)
        assert machine, f"{instance} is managed and does not exist"
        bucket, key, digest = _asked(script)
        stack = machine.get("tags")["Stack"]
        node = key.removesuffix(".json")
        if not str((machine.get("tags") or {}).get("Name", "")).endswith(f"-{node}"):
            raise NodeError(f"{instance} is not {node}: {machine.get('tags')}")
        if node in self.fail:
            raise NodeError(self.fail.pop(node))
        allowed = self._allowed(machine)
        stored = [item for item in objects.latest(self.cloud, bucket) if item.key == key]
        if not stored or f"arn:aws:s3:::{bucket}/{key}" not in allowed.get("s3:GetObject", set()):
            raise NodeError(
                f"An error occurred (AccessDenied) when calling the GetObject operation: s3://{bucket}/{key}"
            )
        body = stored[0].body
        if hashlib.sha256(body).hexdigest() != digest:
            raise NodeError(f"/opt/agent-telemetry/bundle.json: FAILED: sha256sum: {digest} was named")
        files: dict[str, str] = json.loads(body)
        plan = json.loads(files["plan.json"])
        self._mount(instance, plan)
        secrets = {name: self._secret(arn, allowed) for name, arn in _arns(plan["secrets"]).items()}
        identity = _identity(plan, secrets.pop("tls"))
        try:
            context = context_of((identity.certificate + identity.key).encode(), self.folder / f"{instance}.pem")
        except ssl.SSLError as error:
            raise NodeError(f"key and certificate don't fit: {error}") from None
        users = {name: json.loads(text) for name, text in secrets.items()}
        if plan["role"] == "server":
            self._serve(instance, self.engine_of(stack, plan["shard"]), plan["replicated"], users, context)
        self._identities[stack, node] = identity
        self._meet(stack, node)
        self.applied.append(Apply(node, instance, digest, plan, files))
        return f"{node}: ready"

    def _allowed(self, machine: Resource) -> dict[str, set[str]]:
        """Action to the resources on which the machine's role allows it."""
        profile = self.cloud.find(PROFILE, "name", machine.get("iamInstanceProfile"))
        found: dict[str, set[str]] = {}
        for item in self.cloud.all(POLICY):
            if profile is None or item.get("role") != profile.get("role"):
                continue
            for statement in json.loads(item.get("policy"))["Statement"]:
                for action in _list(statement["Action"]):
                    found.setdefault(action, set()).update(_list(statement["Resource"]))
        return found

    def _mount(self, instance: str, plan: dict[str, Any]) -> None:
        attached = {item.get("volumeId") for item in self.cloud.all(ATTACHMENT) if item.get("instanceId") == instance}
        for volume in plan["volumes"]:
            if volume["id"] not in attached:
                raise NodeError(f"no disk {volume['id']} for {volume['mount']}: attached are {sorted(attached)}")

    def _secret(self, arn: str, allowed: dict[str, set[str]]) -> str:
        versions = versions_of(self.cloud, arn)
        if arn not in allowed.get("secretsmanager:GetSecretValue", set()) or not versions:
            raise NodeError(f"An error occurred (AccessDeniedException) when calling GetSecretValue: {arn}")
        return versions[-1].get("secretString")

    def _meet(self, stack: str, node: str) -> None:
        """The node and every other one of the stack ask each other: Keepers vote, replicas fetch parts."""
        own = self._identities[stack, node]
        for (of, name), other in self._identities.items():
            if of != stack:
                continue
            if said := refusal(own, other) or refusal(other, own):
                raise NodeError(f"{node} is not ready although {name} answers: {said}")

    def _serve(
        self, instance: str, port: int, several: bool, secrets: dict[str, dict[str, str]], context: ssl.SSLContext
    ) -> None:
        """Starts the node's HTTPS interface, or gives a running one its new certificate and users."""
        users = {found["username"]: found["password"] for name, found in secrets.items() if name.startswith("users.")}

        def answer(method: str, path: str, headers: Headers, body: bytes) -> Answer:
            return self._query(port, users, several, method, path, headers, body)

        server = self._servers.get(instance)
        if server is None:
            self._servers[instance] = Server(answer, context)
        else:
            server.handle, server.context = answer, context
        self._note()

    def _query(
        self, port: int, users: dict[str, str], several: bool, method: str, path: str, headers: Headers, body: bytes
    ) -> Answer:
        """One request as a signed-in user; the engine behind knows its operator and `dashboards` only."""
        try:
            user, password = credentials(headers, {})
        except ServerError as error:
            return error.status, {}, str(error).encode()
        if not password or users.get(user) != password:
            text = f"Code: 516. DB::Exception: {user}: Authentication failed: password is incorrect. (AUTHENTICATION_FAILED)"
            return 403, {"X-ClickHouse-Exception-Code": "516"}, text.encode()
        kept = {key: value for key, value in headers.items() if key not in ("authorization", "x-clickhouse-key")}
        kept["x-clickhouse-user"] = user if user == "dashboards" else "default"
        # A server finds the schemas in its format_schema_path, where the bundle has put them; this engine does not.
        here = body.replace(b"'otlp.proto:", f"'{CONFIGS}/otlp/otlp.proto:".encode())
        try:
            here = _without_keeper(here, several)
        except NodeError as error:
            return 500, {"X-ClickHouse-Exception-Code": "80"}, str(error).encode()
        return forward(port, method, path, kept, here)

    def _note(self) -> None:
        """For the stand-in session-manager-plugin: a machine that is gone listens no more."""
        known = {
            instance: {HTTPS_PORT: server.server_port}
            for instance, server in self._servers.items()
            if self.cloud.get(INSTANCE, instance)
        }
        partial = self.ports_file.with_suffix(".partial")
        partial.write_text(json.dumps(known))
        partial.replace(self.ports_file)


def _without_keeper(body: bytes, several: bool) -> bytes:
    """DDL for the one engine behind all nodes, which has no Keeper; what the nodes' own would refuse is refused."""
    if b"ENGINE = Replicated" in body and not several:
        raise NodeError("Code: 225. DB::Exception: Can't create replicated table without ZooKeeper. (NO_ZOOKEEPER)")
    if (
        several
        and re.search(rb"ENGINE = \w*MergeTree", body)
        and not re.search(rb"ENGINE = Replicated\w*MergeTree", body)
    ):
        raise NodeError("Code: 80. DB::Exception: Only tables with a Replicated engine are allowed. (INCORRECT_QUERY)")
    if several and re.search(rb"CREATE DATABASE", body) and b"_tenant" in body and b"ENGINE = Replicated(" not in body:
        raise NodeError("Code: 80. DB::Exception: a database of this node alone. (INCORRECT_QUERY)")
    if several:
        # Each node has made the shared databases when it joined.
        asked = b"SELECT engine FROM system.databases WHERE name ="
        body = body.replace(asked, b"SELECT 'Replicated' AS engine FROM system.one WHERE '' !=")
        body = re.sub(rb"^SYSTEM SYNC DATABASE REPLICA \w+", b"SELECT 1", body)
    tables = re.sub(rb"ENGINE = Replicated(\w*MergeTree)", rb"ENGINE = \1", body)
    return re.sub(rb" ENGINE = Replicated\([^)]*\)", b"", tables)


def _asked(script: str) -> tuple[str, str, str]:
    """Bucket, key and hash as the node's shell reads them from its commands."""
    fetch = next(line for line in script.splitlines() if line.startswith("aws s3api get-object"))
    words = shlex.split(fetch)
    bucket, key = words[words.index("--bucket") + 1], words[words.index("--key") + 1]
    check = next(line for line in script.splitlines() if "sha256sum --check" in line)
    found = re.fullmatch(r"([0-9a-f]{64})  /opt/agent-telemetry/bundle\.json", shlex.split(check)[1])
    assert found, check
    return bucket, key, found[1]


def _identity(plan: dict[str, Any], secret: str) -> Identity:
    """Our own certificate is in the secret with its key; a given one comes with the plan, and the secret is the key."""
    if plan["certificate"]:
        return Identity(plan["certificate"], secret, plan["ca_pem"])
    found = json.loads(secret)
    return Identity(found["certificate"], found["key"], plan["ca_pem"])


def _arns(secrets: dict[str, Any]) -> dict[str, str]:
    """The plan's secrets, flat: users.migrator, tls, …"""
    flat: dict[str, str] = {}
    for name, value in secrets.items():
        flat.update({f"{name}.{key}": arn for key, arn in value.items()} if isinstance(value, dict) else {name: value})
    return flat


def _list(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]
