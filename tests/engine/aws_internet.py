"""Who answers behind the doors: the collector under its domain, the Grafana workspaces, ECR and the base images' registry."""

from __future__ import annotations

import json
import re
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jwt
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from infra.aws.image import Crane
from infra.images import image_reference
from infra.tenants import AUDIENCE, ISSUER
from tests.engine.aws_doors import Answer, Headers, forward
from tests.grafana_alerting_stub import AlertingGrafana
from tests.providers.api.managed import TOKEN, WORKSPACE
from tests.providers.standin import objects
from tests.providers.standin.cloud import Cloud, Resource
from tests.unit.aws.image_base import make_base, registry_server

REPOSITORY = "aws:ecr/repository:Repository"
SERVICE = "aws:ecs/service:Service"
KEY_LIST = "credentials/jwks.json"


DEPLOYMENT = "kubernetes:apps/v1:Deployment"


class Collector:
    """OTLP over HTTPS: who sends is known by the key list in the stack's bucket; a span lands where Kafka's would."""

    def __init__(self, cloud: Cloud, engine_port: int, stack: str = "") -> None:
        """`stack`: whose it is, where there are several."""
        self._cloud, self._port, self._stack = cloud, engine_port, stack
        self.received: list[str] = []
        """The tenant of each request that was taken."""

    def answer(self, method: str, path: str, headers: Headers, body: bytes) -> Answer:
        if (method, path) != ("POST", "/v1/traces") or headers.get("content-type") != "application/x-protobuf":
            return 404, {}, b"404 page not found"
        on_ecs = any("collector" in item.get("name", "") for item in self._own(SERVICE))
        if not on_ecs and not self._cloud.all(DEPLOYMENT):
            return 503, {}, b"no healthy target"
        try:
            claims = self._claims(headers.get("authorization", "").removeprefix("Bearer "))
        except (jwt.PyJWTError, KeyError, ValueError) as error:
            return 401, {}, str(error).encode()
        request = ExportTraceServiceRequest.FromString(body)
        for spans in request.resource_spans:
            for scope in spans.scope_spans:
                for span in scope.spans:
                    self._store(claims["tenant"], span)
        self.received.append(claims["tenant"])
        return 200, {"Content-Type": "application/x-protobuf"}, b""

    def _own(self, type_: str) -> list[Resource]:
        found = self._cloud.all(type_)
        return [item for item in found if self._stack in ("", item.get("tags", {}).get("Stack"))]

    def _claims(self, token: str) -> dict[str, Any]:
        """The token's claims, if its key is on the list now."""
        kid = jwt.get_unverified_header(token)["kid"]
        for bucket in self._own("aws:s3/bucket:Bucket"):
            for item in objects.latest(self._cloud, bucket.id, KEY_LIST):
                keys = {key["kid"]: key for key in json.loads(item.body)["keys"]}
                if kid in keys:
                    key = jwt.PyJWK.from_dict(keys[kid])
                    return jwt.decode(token, key, algorithms=["EdDSA"], audience=AUDIENCE, issuer=ISSUER)
        raise KeyError(f"no key {kid} is listed")

    def _store(self, tenant: str, span: Any) -> None:
        """Into the table behind Kafka's: what the decoding makes of a message is the pipeline tests' subject."""
        times = (
            f"fromUnixTimestamp64Nano({span.start_time_unix_nano}), fromUnixTimestamp64Nano({span.end_time_unix_nano})"
        )
        ids = f"unhex('{span.trace_id.hex()}'), unhex('{span.span_id.hex()}')"
        statement = (
            "INSERT INTO telemetry.spans_in (tenant_id, trace_id, span_id, operation, start_ts, end_ts) "
            f"SELECT '{tenant}', {ids}, '{span.name}', {times}"
        )
        status, _, said = forward(self._port, "POST", "/", {}, statement.encode())
        if status != 200:
            raise AssertionError(f"{said.decode()}\n{statement}")


class Workspaces:
    """Managed Grafana's workspaces under their endpoints: a token counts while the control plane knows it."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self.grafana: dict[str, AlertingGrafana] = {}
        """By the workspace's id."""
        self.tokens: set[str] = set()
        """Every token that was shown to a workspace."""
        self._lock = threading.Lock()

    def answer(self, method: str, path: str, headers: Headers, body: bytes) -> Answer:
        workspace = next(
            (item for item in self._cloud.all(WORKSPACE) if item.get("endpoint").lower() == headers["host"]), None
        )
        if workspace is None:
            return 404, {}, b"no such workspace"
        token = headers.get("authorization", "").removeprefix("Bearer ")
        self.tokens.add(token)
        live = any(
            (item.get("workspaceId"), item.get("key")) == (workspace.id, token) for item in self._cloud.all(TOKEN)
        )
        # Several tokens live at once, a step's each, and Grafana's stand-in knows one.
        with self._lock:
            grafana = self.grafana.setdefault(workspace.id, AlertingGrafana())
            grafana.token = token if live else "glsa_nobody-s"
            status, said = grafana.answer(method, path, token, json.loads(body) if body else None)
        return status, {"Content-Type": "application/json"}, json.dumps(said).encode()


class Registry:
    """ECR and the public registry in front of go-containerregistry's own server."""

    def __init__(self, cloud: Cloud, port: int) -> None:
        self._cloud, self._port = cloud, port
        self.pushed: list[str] = []
        """Manifests: repository:tag."""

    def public(self, method: str, path: str, headers: Headers, body: bytes) -> Answer:
        if method not in ("GET", "HEAD"):
            return 405, {}, b""
        return forward(self._port, method, path, headers, body)

    def ecr(self, method: str, path: str, headers: Headers, body: bytes) -> Answer:
        """Wants the token that GetAuthorizationToken gave, and a repository that exists."""
        if headers.get("authorization") != f"Basic {b64encode(b'AWS:stand-in').decode()}":
            return 401, {"WWW-Authenticate": 'Basic realm="ecr"'}, b'{"errors": [{"code": "UNAUTHORIZED"}]}'
        found = re.match(r"/v2/(.+?)/(blobs|manifests|tags)/", path)
        if found and not self._cloud.find(REPOSITORY, "name", found[1]):
            return 404, {"Content-Type": "application/json"}, b'{"errors": [{"code": "NAME_UNKNOWN"}]}'
        status, said, text = forward(self._port, method, path, headers, body)
        if found and found[2] == "manifests" and method == "PUT" and status == 201:
            self.pushed.append(f"{found[1]}:{path.rsplit('/', 1)[-1]}")
        if found and found[2] == "tags" and status == 404:
            # A repository that exists and holds nothing has no tags; this server knows it from its first push on.
            return 200, {"Content-Type": "application/json"}, json.dumps({"name": found[1], "tags": []}).encode()
        return status, said, text


@contextmanager
def registry(cloud: Cloud, program: Path, folder: Path) -> Iterator[Registry]:
    """The server, with a small base image under the name that configs/versions.yaml has."""
    folder.mkdir()
    with registry_server(program, folder) as address:
        _, _, name = image_reference("worker-base-image").partition("/")
        make_base(Crane(program, folder), f"{address}/{name}", folder, "arm64")
        yield Registry(cloud, int(address.rpartition(":")[2]))
