"""Accesses on AWS: what opens ClickHouse, Kafka and the collector for one step. They hold ids and ARNs, never secrets."""

from __future__ import annotations

import socket
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.aws.api import as_user_error, client, secret
from infra.aws.key_bucket import KeyObject
from infra.aws.tunnel import tunnel
from infra.endpoints import Reached
from infra.errors import UserError
from infra.tenants import add, credential_for_a_step

NODE_SECONDS = 3.0
"""A node in the same network that takes longer to be connected to is passed over."""


@contextmanager
def _ca_file(pem: str) -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="agent-telemetry-ca-") as folder:
        path = Path(folder) / "ca.pem"
        path.write_text(pem)
        yield str(path)


@dataclass(frozen=True)
class InVpc:
    """ClickHouse from inside of its network: the worker, or a runner with clickhouseReach direct."""

    region: str
    secret_arn: str
    """The user's secret: {"username", "password"}."""
    ca_pem: str
    """Public: the certificate of the CA that the nodes' certificates come from."""
    hosts: tuple[str, ...] = ()
    """The nodes' own names where there are several: the first that answers is stayed with until this is closed. Behind the
    shared name each connection might be to another node, which may not have yet what the last one stored."""

    @contextmanager
    def open(self, host: str, port: int) -> Iterator[Reached]:
        password = secret(self.region, self.secret_arn)["password"]
        with _ca_file(self.ca_pem) as ca:
            yield Reached(_first_that_answers(self.hosts, port) or host, port, password, ca)


def _first_that_answers(hosts: Sequence[str], port: int) -> str:
    """'' when none does: the client then says so of the shared name."""
    for host in hosts:
        with suppress(OSError), socket.create_connection((host, port), timeout=NODE_SECONDS):
            return host
    return ""


@dataclass(frozen=True)
class Tunnel:
    """ClickHouse from outside: an SSM port forwarding to the first node that takes one. The name in the node's
    certificate is checked all the same."""

    region: str
    instance_ids: tuple[str, ...]
    secret_arn: str
    ca_pem: str

    @contextmanager
    def open(self, host: str, port: int) -> Iterator[Reached]:
        password = secret(self.region, self.secret_arn)["password"]
        opened = tunnel(self.region, self._online(), port)
        with _ca_file(self.ca_pem) as ca, opened as local_port:
            yield Reached("127.0.0.1", local_port, password, ca, server_name=host)

    def _online(self) -> str:
        filters = [{"Key": "InstanceIds", "Values": list(self.instance_ids)}]
        with as_user_error("tunnel to ClickHouse"):
            found = client("ssm", self.region).describe_instance_information(Filters=filters)["InstanceInformationList"]
        online = {item["InstanceId"] for item in found if item.get("PingStatus") == "Online"}
        for instance_id in self.instance_ids:
            if instance_id in online:
                return instance_id
        raise UserError(
            f"no ClickHouse node is online in SSM ({', '.join(self.instance_ids)}): are they running, and have they a way "
            "out to SSM?"
        )


@dataclass(frozen=True)
class KafkaSecret:
    """MSK by SCRAM: the user and password of an AmazonMSK_ secret."""

    region: str
    secret_arn: str

    @contextmanager
    def open(self) -> Iterator[dict[str, str]]:
        found = secret(self.region, self.secret_arn)
        yield {
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": found["username"],
            "sasl.password": found["password"],
        }


@dataclass(frozen=True)
class KeyBucketCredential:
    """The collector on AWS: a credential of its own in the bucket's key list, revoked after the step.

    The tasks have it within a minute: until then they answer 401, which a step tries again.
    """

    region: str
    bucket: str
    key: str

    @contextmanager
    def open(self, tenant: str) -> Iterator[dict[str, str]]:
        with credential_for_a_step(KeyObject(self.region, self.bucket, self.key), tenant) as headers:
            yield headers


MOST_TASKS = 100
"""What one ListTasks gives and one DescribeTasks takes; while a service is replaced it may run twice as many as it is set to."""


@dataclass(frozen=True)
class CollectorTasks:
    """The collector's running tasks, each at its private address: there tasks come and go with the traffic."""

    region: str
    cluster: str
    service: str
    port: int

    @contextmanager
    def open(self) -> Iterator[dict[str, str]]:
        ecs = client("ecs", self.region)
        with as_user_error(f"tasks of {self.service}"):
            pages = ecs.get_paginator("list_tasks").paginate(
                cluster=self.cluster, serviceName=self.service, desiredStatus="RUNNING", maxResults=MOST_TASKS
            )
            tasks = [
                task
                for page in pages
                if page["taskArns"]
                for task in ecs.describe_tasks(cluster=self.cluster, tasks=page["taskArns"])["tasks"]
            ]
        # Those that are just starting have an address, but nothing that answers there.
        running = {
            task["taskArn"].rpartition("/")[2]: address
            for task in tasks
            if task.get("lastStatus") == "RUNNING" and (address := _private_address(task))
        }
        if not running:
            raise UserError(f"no task of {self.service} runs: agents get errors now; `telemetry status` tells why")
        yield {name: f"http://{address}:{self.port}/metrics" for name, address in running.items()}


def _private_address(task: Mapping[str, Any]) -> str:
    details = [
        detail
        for attachment in task.get("attachments", [])
        if attachment.get("type") == "ElasticNetworkInterface"
        for detail in attachment.get("details", [])
    ]
    return next((item["value"] for item in details if item["name"] == "privateIPv4Address"), "")


_KEPT: dict[tuple[str, str, str, str], tuple[float, dict[str, str]]] = {}
_KEPT_LOCK = threading.Lock()
KEEP_SECONDS = 20 * 3600


@dataclass(frozen=True)
class KeptKeyBucketCredential:
    """The same for the worker, which sends each minute: one credential a day, kept in the process's memory."""

    region: str
    bucket: str
    key: str

    @contextmanager
    def open(self, tenant: str) -> Iterator[dict[str, str]]:
        name = (self.region, self.bucket, self.key, tenant)
        with _KEPT_LOCK:
            made, headers = _KEPT.get(name, (0.0, {}))
            if time.monotonic() - made > KEEP_SECONDS or not headers:
                _, token = add(KeyObject(self.region, self.bucket, self.key), [tenant], days=1)
                headers = {"Authorization": f"Bearer {token}"}
                _KEPT[name] = (time.monotonic(), headers)
        yield headers
