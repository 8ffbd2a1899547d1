"""A resource provider's gRPC side: what every stand-in shares. Subclasses say what a type takes and what AWS does with it."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Mapping
from typing import Any

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2

from tests.providers.standin import faults, operations, schema, wire
from tests.providers.standin.changes import changed_paths, visible
from tests.providers.standin.cloud import Cloud, Refused

Failures = list[tuple[str, str]]


class Incomplete(Exception):
    """The thing exists, but never became ready."""

    def __init__(self, id_: str, outputs: Mapping[str, Any], inputs: Mapping[str, Any], reason: str) -> None:
        super().__init__(reason)
        self.id = id_
        self.outputs = outputs
        self.inputs = inputs
        self.reason = reason


class Lost(Exception):
    """It was done, and the answer never arrived."""


def type_of(urn: str) -> str:
    return urn.split("::")[2].rsplit("$", 1)[-1]


class StandIn(provider_pb2_grpc.ResourceProviderServicer):
    """One provider process."""

    package = ""
    version = "0.0.0"

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.config: dict[str, Any] = {}
        self.stop = threading.Event()

    # What a provider has to say

    def check(self, type_: str, urn: str, olds: dict, news: dict, seed: bytes) -> tuple[dict, Failures]:
        raise NotImplementedError

    def diff(self, type_: str, urn: str, state: dict, olds: dict, news: dict) -> provider_pb2.DiffResponse:
        raise NotImplementedError

    def create(self, type_: str, urn: str, inputs: dict) -> tuple[str, dict]:
        raise NotImplementedError

    def planned(self, type_: str, state: dict, olds: dict, news: dict) -> dict:
        """What an update's preview knows of the state to come."""
        return {**state, **news}

    def update(self, type_: str, urn: str, id_: str, state: dict, olds: dict, news: dict) -> dict:
        raise NotImplementedError

    def delete(self, type_: str, urn: str, id_: str, state: dict) -> None:
        raise NotImplementedError

    def read(self, type_: str, urn: str, id_: str, state: dict, inputs: dict) -> tuple[dict, dict] | None:
        """State and inputs as they are now; None when the thing is gone."""
        return state, inputs

    def invoke(self, token: str, arguments: dict) -> dict:
        raise Refused("InvalidFunction", f"{token} is not served by the stand-in provider")

    def secrets(self, type_: str) -> frozenset[str]:
        """The outputs that are secrets by themselves."""
        return frozenset()

    def configure(self, config: dict[str, Any]) -> None:
        self.config = config

    def check_config(self, config: dict[str, Any]) -> Failures:
        known = schema.provider_inputs(self.package)
        return [
            (key, f"could not validate provider configuration: Invalid or unknown key {key!r}")
            for key in config
            if key not in known and key not in ("version", "pluginDownloadURL")
        ]

    # The protocol

    def Handshake(self, request: Any, context: grpc.ServicerContext) -> Any:
        return provider_pb2.ProviderHandshakeResponse(
            accept_secrets=False, accept_resources=False, accept_outputs=False
        )

    def GetPluginInfo(self, request: Any, context: grpc.ServicerContext) -> Any:
        return plugin_pb2.PluginInfo(version=self.version)

    def Attach(self, request: Any, context: grpc.ServicerContext) -> Any:
        return empty_pb2.Empty()

    def Cancel(self, request: Any, context: grpc.ServicerContext) -> Any:
        self.stop.set()
        return empty_pb2.Empty()

    def CheckConfig(self, request: Any, context: grpc.ServicerContext) -> Any:
        found = self.check_config(wire.decode(request.news))
        failures = [provider_pb2.CheckFailure(property=key, reason=reason) for key, reason in found]
        return provider_pb2.CheckResponse(inputs=request.news, failures=failures)

    def DiffConfig(self, request: Any, context: grpc.ServicerContext) -> Any:
        olds, news = wire.decode(request.old_inputs), wire.decode(request.news)
        changed = sorted(key for key in olds.keys() | news.keys() if olds.get(key) != news.get(key))
        # Another region is another place: everything in it is made anew, as pulumi-aws says too.
        replaces = [key for key in changed if key == "region"]
        kind = provider_pb2.DiffResponse.DIFF_SOME if changed else provider_pb2.DiffResponse.DIFF_NONE
        return provider_pb2.DiffResponse(changes=kind, diffs=changed, replaces=replaces)

    def Configure(self, request: Any, context: grpc.ServicerContext) -> Any:
        self._guard(context, lambda: self.configure(wire.decode(request.args)))
        # Like pulumi-aws: no secrets are asked for, so the engine marks outputs by the secret inputs of the same name.
        return provider_pb2.ConfigureResponse(acceptSecrets=False, supportsPreview=True, acceptResources=False)

    def Check(self, request: Any, context: grpc.ServicerContext) -> Any:
        olds, news = wire.decode(request.olds), wire.decode(request.news)
        type_ = type_of(request.urn)
        inputs, found = self._guard(context, lambda: self.check(type_, request.urn, olds, news, request.randomSeed))
        failures = [provider_pb2.CheckFailure(property=key, reason=reason) for key, reason in found]
        return provider_pb2.CheckResponse(inputs=wire.encode(inputs), failures=failures)

    def Diff(self, request: Any, context: grpc.ServicerContext) -> Any:
        state, olds, news = (wire.decode(bag) for bag in (request.olds, request.old_inputs, request.news))
        return self._guard(context, lambda: self.diff(type_of(request.urn), request.urn, state, olds, news))

    def Create(self, request: Any, context: grpc.ServicerContext) -> Any:
        type_, inputs = type_of(request.urn), wire.decode(request.properties)
        if request.preview:
            return provider_pb2.CreateResponse(id="", properties=wire.encode(visible(inputs)))

        def work(note: dict) -> tuple[str, dict]:
            id_, outputs = self.create(type_, request.urn, inputs)
            note["id"] = id_
            return id_, outputs

        id_, outputs = self._operation(context, "create", type_, request.urn, inputs, work)
        return provider_pb2.CreateResponse(id=id_, properties=wire.encode(outputs, self.secrets(type_)))

    def Update(self, request: Any, context: grpc.ServicerContext) -> Any:
        state, olds, news = (wire.decode(bag) for bag in (request.olds, request.old_inputs, request.news))
        type_ = type_of(request.urn)
        if request.preview:
            planned = visible(self.planned(type_, state, olds, news))
            return provider_pb2.UpdateResponse(properties=wire.encode(planned, self.secrets(type_)))

        def work(note: dict) -> tuple[str, dict]:
            note.update(id=request.id, changed=changed_paths(olds, news))
            return request.id, self.update(type_, request.urn, request.id, state, olds, news)

        _, outputs = self._operation(context, "update", type_, request.urn, news, work)
        return provider_pb2.UpdateResponse(properties=wire.encode(outputs, self.secrets(type_)))

    def Delete(self, request: Any, context: grpc.ServicerContext) -> Any:
        state, type_ = wire.decode(request.properties), type_of(request.urn)

        def work(note: dict) -> tuple[str, dict]:
            note["id"] = request.id
            self.delete(type_, request.urn, request.id, state)
            return request.id, {}

        self._operation(context, "delete", type_, request.urn, {}, work)
        return empty_pb2.Empty()

    def Read(self, request: Any, context: grpc.ServicerContext) -> Any:
        state, inputs = wire.decode(request.properties), wire.decode(request.inputs)
        type_ = type_of(request.urn)
        found: list[tuple[dict, dict] | None] = []

        def work(note: dict) -> tuple[str, dict]:
            note["id"] = request.id
            found.append(self.read(type_, request.urn, request.id, state, inputs))
            return request.id, {}

        self._operation(context, "read", type_, request.urn, inputs, work)
        if found[0] is None:
            return provider_pb2.ReadResponse(id="")
        outputs, inputs = found[0]
        return provider_pb2.ReadResponse(
            id=request.id, properties=wire.encode(outputs, self.secrets(type_)), inputs=wire.encode(inputs)
        )

    def Invoke(self, request: Any, context: grpc.ServicerContext) -> Any:
        arguments = wire.decode(request.args)
        known = schema.function_arguments(request.tok)
        unknown = [key for key in arguments if known is None or key not in known]
        if unknown:
            failures = [provider_pb2.CheckFailure(property=key, reason="Invalid or unknown key") for key in unknown]
            return provider_pb2.InvokeResponse(failures=failures)
        answer = self._guard(context, lambda: self.invoke(request.tok, arguments))
        response = provider_pb2.InvokeResponse()
        getattr(response, "return").CopyFrom(wire.encode(answer))
        return response

    def _operation(
        self,
        context: grpc.ServicerContext,
        op: str,
        type_: str,
        urn: str,
        inputs: dict,
        work: Callable[[dict], tuple[str, dict]],
    ) -> tuple[str, dict]:
        """Runs one operation with its fault and its line in the log."""
        note: dict[str, Any] = {"op": op, "type": type_, "urn": urn, "id": "", "began": time.time()}
        try:
            fault = faults.due(self.cloud.folder, op, type_, urn)
            how = fault.get("how", "before") if fault else None
            said = (fault or {}).get("message") or f"InternalFailure: a failure asked for by the test, {how} the {op}"
            if how == "before":
                raise Refused("InternalFailure", said.removeprefix("InternalFailure: "))
            id_, outputs = work(note)
            if how == "after":
                raise Incomplete(id_, outputs, inputs, said)
            if how == "lost":
                raise Lost(said)
            return id_, outputs
        except Exception as error:
            note["error"] = str(error) or repr(error)
            if isinstance(error, Incomplete):
                context.abort_with_status(_incomplete_status(error, self.secrets(type_)))
            if not isinstance(error, (Refused, Lost)):
                note["error"] = traceback.format_exc()
            context.abort(grpc.StatusCode.UNKNOWN, f"{_verb(op)} {urn.rsplit('::', 1)[-1]} ({type_}): {note['error']}")
            raise
        finally:
            note["ended"] = time.time()
            operations.write(self.cloud.folder, note)

    def _guard(self, context: grpc.ServicerContext, work: Callable[[], Any]) -> Any:
        try:
            return work()
        except Refused as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        except Exception:
            context.abort(grpc.StatusCode.INTERNAL, traceback.format_exc())


def _verb(op: str) -> str:
    return {"create": "creating", "update": "updating", "delete": "deleting", "read": "reading"}[op]


def _incomplete_status(error: Incomplete, secret: frozenset[str]) -> Any:
    failed = provider_pb2.ErrorResourceInitFailed(
        id=error.id,
        properties=wire.encode(error.outputs, secret),
        inputs=wire.encode(error.inputs),
        reasons=[error.reason],
    )
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=error.reason)
    status.details.add().Pack(failed)
    answer = grpc.Status()
    answer.code = grpc.StatusCode.UNKNOWN
    answer.details = error.reason
    answer.trailing_metadata = (("grpc-status-details-bin", status.SerializeToString()),)
    return answer
