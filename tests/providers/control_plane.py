"""AWS's API for boto3 on the same cloud as the stand-in providers: `with control_plane(cloud) as aws: …`, then AWS_ENDPOINT_URL.

Requests are parsed, validated and answered by botocore's own models (and moto's readers of them); an answer that does not
fit its shape is the stand-in's bug and fails. An operation that nobody serves is an error. What a machine would do (a
command by SSM, a task that runs once) is the test's to say: `aws.on_command`, `aws.on_task`.
"""

from __future__ import annotations

import re
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from botocore.validate import ParamValidator
from moto.core.parse import PROTOCOL_PARSERS
from moto.core.request import Request, determine_request_protocol
from moto.core.routing import get_service_router
from moto.core.serialize import get_serializer_class
from moto.core.utils import get_service_model
from werkzeug.exceptions import HTTPException
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Response

from tests.providers import api
from tests.providers.standin.cloud import Cloud, Refused

SCOPE = re.compile(r"Credential=[^/]+/\d+/([^/]+)/([^/]+)/aws4_request")
SIGNING = {"tagging": "resourcegroupstaggingapi"}
"""Services that sign under another name than botocore's."""


@dataclass
class Call:
    """One request, as it arrived."""

    service: str
    operation: str
    parameters: dict[str, Any]
    error: str | None = None


@dataclass
class ControlPlane:
    """The server's face for a test."""

    cloud: Cloud
    url: str = ""
    calls: list[Call] = field(default_factory=list)
    on_command: Callable[[str, str, dict[str, list[str]]], tuple[str, str]] | None = None
    """instance id, document, parameters → status (Success, Failed, …), standard output."""
    on_task: Callable[[dict[str, Any]], int] | None = None
    """What RunTask was asked for → the container's exit code."""

    @property
    def environment(self) -> dict[str, str]:
        """For boto3, in this process or another."""
        return {"AWS_ENDPOINT_URL": self.url, "AWS_ACCESS_KEY_ID": "stand-in", "AWS_SECRET_ACCESS_KEY": "stand-in"}

    def called(self, operation: str) -> list[Call]:
        return [call for call in self.calls if call.operation == operation]

    def handle(self, request: Request) -> Response:
        """One request, whatever it is."""
        found = SCOPE.search(request.headers.get("Authorization", ""))
        if not found:
            return Response("the request is not signed by Signature Version 4", 403)
        region, service = found.group(1), SIGNING.get(found.group(2), found.group(2))
        try:
            return self._modelled(request, service, region)
        except HTTPException:
            return Response(f"{service}: no operation of botocore's model fits {request.method} {request.path}", 404)
        except Exception:
            return Response(traceback.format_exc(), 500)

    def _modelled(self, request: Request, service: str, region: str) -> Response:
        body = request.get_data(cache=True)
        operation, labels = get_service_router(service).match(request)
        protocol = determine_request_protocol(get_service_model(service), request.content_type)
        asked = PROTOCOL_PARSERS[protocol](operation).parse(
            {
                "body": body,
                "headers": request.headers,
                "method": request.method,
                "url_params": labels,
                "url_path": request.path,
                "values": request.values,
            }
        )
        serializer = get_serializer_class(service, protocol)(operation)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # moto warns of errors that are not in the service's model
            answer = serializer.serialize(self._answer(service, operation, asked, region))
        response = Response(answer["body"], answer["status_code"], answer["headers"])
        if request.method == "HEAD":
            # The length of the object that is not sent.
            response.automatically_set_content_length = False
            response.headers["Content-Length"] = answer["headers"].get("Content-Length", "0")
        return response

    def _answer(self, service: str, operation: Any, asked: dict[str, Any], region: str) -> Any:
        """The result, or the refusal as an exception object, which the serializers write as an error."""
        call = Call(service, operation.name, asked)
        self.calls.append(call)
        try:
            report = ParamValidator().validate(asked, operation.input_shape) if operation.input_shape else None
            if report is not None and report.has_errors():
                raise Refused("ValidationException", report.generate_report())
            handler = api.HANDLERS.get((service, operation.name))
            if handler is None:
                raise Refused(
                    "NotImplemented", f"{service}:{operation.name} is not served by the stand-in control plane"
                )
            answer = handler(self, asked, region)
        except Refused as error:
            call.error = str(error)
            return error
        if operation.output_shape is not None:
            report = ParamValidator().validate(answer, operation.output_shape)
            if report.has_errors():
                raise AssertionError(
                    f"{service}:{operation.name} answered what its shape refuses: {report.generate_report()}"
                )
        return answer


class Quiet(WSGIRequestHandler):
    """Prints nothing for a request; `calls` has them."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


@contextmanager
def control_plane(cloud: Cloud) -> Iterator[ControlPlane]:
    """The API on a free port of the loopback, for the block."""
    plane = ControlPlane(cloud)

    def application(environ: dict[str, Any], start: Any) -> Any:
        return plane.handle(Request(environ))(environ, start)

    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    plane.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield plane
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
