"""S3 and KMS of an account where IAM refuses: `with fenced_account() as account`, then the engine signs in as one of its roles.

moto answers. Before it each request is turned into IAM's words (action, resource, encryption context) and asked of the
policies of who has signed it; as S3 does, one for an object asks for the key that encrypts it too. Who has no policies here is
the account's administrator.
"""

from __future__ import annotations

import io
import json
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import boto3
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from tests.providers.iam import Statement, allows

REGION = "eu-central-1"
SIGNED = re.compile(r"Credential=([^/]+)/\d+/[^/]+/([^/]+)/aws4_request")
OBJECT = {
    "GET": ("s3:GetObject", "kms:Decrypt"),
    "HEAD": ("s3:GetObject", "kms:Decrypt"),
    "PUT": ("s3:PutObject", "kms:GenerateDataKey"),
    "DELETE": ("s3:DeleteObject", ""),
}
BY_S3 = {"kms:ViaService": f"s3.{REGION}.amazonaws.com"}


@dataclass(frozen=True)
class Asked:
    """One question to IAM."""

    who: str
    action: str
    resource: str
    context: Mapping[str, str]
    allowed: bool


@dataclass
class FencedAccount:
    """The account's door."""

    key_arn: str = ""
    roles: dict[str, Sequence[Statement]] = field(default_factory=dict)
    """Who signs in (the access key's id) to all that the role's policies say."""
    asked: list[Asked] = field(default_factory=list)
    url: str = ""

    def environment(self, who: str) -> dict[str, str]:
        """For the engine and boto3, signed in as `who`."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": who,
            "AWS_SECRET_ACCESS_KEY": "stand-in",
            "AWS_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self, service: str, who: str = "administrator") -> Any:
        """boto3's client of `who`."""
        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=self.url,
            aws_access_key_id=who,
            aws_secret_access_key="stand-in",
        )

    def refused(self, who: str) -> list[Asked]:
        """What IAM did not let `who` do."""
        return [item for item in self.asked if item.who == who and not item.allowed]

    def refusal(self, request: Request) -> Response | None:
        """What IAM answers in the service's place; None when it lets the request pass."""
        found = SIGNED.search(request.headers.get("Authorization", ""))
        if not found:
            return Response("the request is not signed", 403)
        who, service = found.groups()
        for action, resource, context in (
            _kms(request, self.key_arn) if service == "kms" else _s3(request, self.key_arn)
        ):
            statements = self.roles.get(who)
            allowed = statements is None or allows(statements, action, resource, context)
            self.asked.append(Asked(who, action, resource, context, allowed))
            if not allowed:
                return _denied(service, f"User: {who} is not authorized to perform: {action} on resource: {resource}")
        return None


@contextmanager
def fenced_account() -> Iterator[FencedAccount]:
    """An empty account. What moto keeps is the whole process's: name buckets and keys as nobody else does."""
    account, moto = FencedAccount(), DomainDispatcherApplication(create_backend_app)

    def door(environ: dict[str, Any], start_response: Any) -> Any:
        body = io.BytesIO(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))
        refusal = account.refusal(Request({**environ, "wsgi.input": body}))
        body.seek(0)
        return (refusal or moto)({**environ, "wsgi.input": body}, start_response)

    server = make_server("127.0.0.1", 0, door, threaded=True, request_handler=_Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    account.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield account
    finally:
        server.shutdown()
        server.server_close()


class _Quiet(MotoRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        return None


def _kms(request: Request, key_arn: str) -> Iterator[tuple[str, str, dict[str, str]]]:
    context: Mapping[str, str] = json.loads(request.get_data()).get("EncryptionContext") or {}
    operation = request.headers["X-Amz-Target"].rpartition(".")[2]
    yield f"kms:{operation}", key_arn, {f"kms:EncryptionContext:{key}": value for key, value in context.items()}


def _s3(request: Request, key_arn: str) -> Iterator[tuple[str, str, dict[str, str]]]:
    bucket, _, key = request.path.lstrip("/").partition("/")
    if not key:
        action = {"GET": "s3:ListBucket", "HEAD": "s3:ListBucket", "PUT": "s3:CreateBucket"}[request.method]
        yield action, f"arn:aws:s3:::{bucket}", {}
        return
    objects = [(request.method, f"{bucket}/{key}")]
    if source := request.headers.get("x-amz-copy-source"):
        objects.insert(0, ("GET", unquote(source).lstrip("/")))
    for method, path in objects:
        action, at_rest = OBJECT[method]
        yield action, f"arn:aws:s3:::{path}", {}
        if at_rest:
            yield at_rest, key_arn, BY_S3


def _denied(service: str, said: str) -> Response:
    if service == "kms":
        text = json.dumps({"__type": "AccessDeniedException", "message": said})
        return Response(text, 400, content_type="application/x-amz-json-1.1")
    text = f"<Error><Code>AccessDenied</Code><Message>{said}</Message></Error>"
    return Response(text, 403, content_type="application/xml")
