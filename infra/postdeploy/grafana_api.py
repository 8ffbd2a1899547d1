"""Grafana's HTTP API for the steps: one session with a token, and its refusals as messages for who must act."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from infra.endpoints import GrafanaEndpoint, access_from_dict
from infra.errors import UserError

PLUGIN = "grafana-clickhouse-datasource"
TIMEOUT_SECONDS = 30
POLL_SECONDS = 2.0
RETRIED = (502, 503, 504)
"""A workspace that has just been configured restarts (Managed Grafana, "Configure a workspace")."""


class GrafanaRefusal(UserError):
    """Grafana's answer with an error's status."""

    def __init__(self, message: str, status: int):
        super().__init__(message)
        self.status = status


class GrafanaApi:
    """Calls one Grafana. Paths begin with /api."""

    def __init__(self, url: str, token: str):
        import requests
        from requests.adapters import HTTPAdapter
        from urllib3.util.retry import Retry

        self.url = url.rstrip("/")
        self._session = requests.Session()
        self._session.headers.update({"Authorization": f"Bearer {token}", "Accept": "application/json"})
        # Every call here can be made again: uids are fixed and writes overwrite.
        retry = Retry(
            total=5,
            connect=1,
            backoff_factor=0.5,
            status_forcelist=RETRIED,
            allowed_methods=None,
            raise_on_status=False,
        )
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=retry))

    def find(self, path: str) -> Any | None:
        """GET; None where there is nothing (404)."""
        response = self._send("GET", path, None)
        return None if response.status_code == 404 else self._checked("GET", path, response)

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None, missing_ok: bool = False) -> Any:
        """Any method; the decoded answer. Raises GrafanaRefusal for an error, 404 too unless `missing_ok`."""
        response = self._send(method, path, body)
        if missing_ok and response.status_code == 404:
            return None
        return self._checked(method, path, response)

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        import requests

        try:
            return self._session.request(method, f"{self.url}{path}", json=body, timeout=TIMEOUT_SECONDS)
        except requests.RequestException as error:
            raise UserError(
                f"Grafana at {self.url} does not answer: {type(error).__name__}. Is the address right (grafanaUrl), and may "
                "this machine reach it?"
            ) from error

    def _checked(self, method: str, path: str, response: Any) -> Any:
        if response.ok:
            return response.json() if response.content else None
        try:
            said = response.json().get("message", "")
        except (ValueError, AttributeError):
            said = response.text[:200]
        hint = {
            401: "; the token is not valid (grafanaTokenSecretArn) or has expired",
            403: "; the token needs the role Admin. Give its service account that role, then run `up` again",
            409: "; somebody else's object has the same name or uid: rename or delete it",
            412: "; somebody else's object has the same uid: rename or delete it",
        }.get(response.status_code, "")
        text = f"Grafana at {self.url} refused {method} {path}: {response.status_code} {said}{hint}"
        raise GrafanaRefusal(text, response.status_code)


def wait_for(what: str, found: Callable[[], bool], seconds: float) -> None:
    """Polls until `found`. Raises UserError that begins with `what`."""
    deadline = time.monotonic() + seconds
    while not found():
        if time.monotonic() > deadline:
            raise UserError(f"{what} after {seconds:g} s")
        time.sleep(POLL_SECONDS)


def grafana_inputs(endpoint: GrafanaEndpoint) -> dict[str, Any]:
    """The endpoint as inputs of a resource."""
    return {"grafana": endpoint.url, "grafana_access": endpoint.access}


@contextmanager
def api_of(props: Mapping[str, Any]) -> Iterator[GrafanaApi]:
    """The API of the endpoint in a resource's properties."""
    with access_from_dict(props["grafana_access"]).open() as token:
        yield GrafanaApi(props["grafana"], token)
