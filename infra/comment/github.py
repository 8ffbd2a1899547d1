"""A pull request: one comment a kind and stack, edited in place, and whether it is closed (GitHub's REST API)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from infra.errors import UserError

API = "https://api.github.com"
VERSION = "2022-11-28"
TIMEOUT_SECONDS = 30
PAGE = 100


class PullRequest:
    """One pull request."""

    def __init__(self, repository: str, number: int, token: str, api: str = API):
        self._comments = f"{api.rstrip('/')}/repos/{repository}/issues/{number}/comments"
        self._pull = f"{api.rstrip('/')}/repos/{repository}/pulls/{number}"
        self._comment = f"{api.rstrip('/')}/repos/{repository}/issues/comments"
        self._user = f"{api.rstrip('/')}/user"
        self._name = f"{repository}#{number}"
        self._session = requests.Session()
        self._session.headers.update(
            {
                "Authorization": f"Bearer {token}",
                "Accept": "application/vnd.github+json",
                "X-GitHub-Api-Version": VERSION,
            }
        )
        # Not after a POST: it may have been taken, and would be there twice.
        retry = Retry(total=4, backoff_factor=0.5, status_forcelist=(429, 502, 503, 504), raise_on_status=False)
        self._session.mount("https://", HTTPAdapter(max_retries=retry))

    def keep_one(self, marker: str, text: str, silent: bool) -> str:
        """Writes the comment that begins with `marker`: edits the one that is there, else makes it. `silent`: there is
        nothing to say, so none is made, and an old one says so. Returns what was done. Raises UserError."""
        mine = [item for item in self._all() if str(item["body"]).startswith(marker) and self._is_mine(item)]
        for extra in mine[1:]:  # two runs at once
            self._call("DELETE", f"{self._comment}/{extra['id']}")
        if not mine:
            if silent:
                return "nothing to say"
            self._call("POST", self._comments, {"body": text})
            return "commented"
        if mine[0]["body"] == text:
            return "the comment says so already"
        self._call("PATCH", f"{self._comment}/{mine[0]['id']}", {"body": text})
        return "edited the comment"

    def closed(self) -> bool:
        """Whether it is merged or closed. Raises UserError."""
        return self._call("GET", self._pull)["state"] == "closed"

    def _is_mine(self, item: dict[str, Any]) -> bool:
        """Anybody can write the marker into a comment: whoever owns it could change the verdict afterwards. A workflow's token
        is a bot's, and may not ask who it is; elsewhere it is somebody's own."""
        user: dict[str, Any] = item.get("user") or {}
        return user.get("type") == "Bot" or user.get("login") == self._login

    @cached_property
    def _login(self) -> str:
        try:
            return str(self._call("GET", self._user)["login"])
        except UserError:
            return ""

    def _all(self) -> Iterator[dict[str, Any]]:
        page = 1
        while True:
            found = self._call("GET", f"{self._comments}?per_page={PAGE}&page={page}")
            yield from found
            if len(found) < PAGE:
                return
            page += 1

    def _call(self, method: str, url: str, body: dict[str, Any] | None = None) -> Any:
        try:
            response = self._session.request(method, url, json=body, timeout=TIMEOUT_SECONDS)
        except requests.RequestException as error:
            raise UserError(f"{self._name}: GitHub can't be reached: {type(error).__name__}") from None
        if response.status_code in (401, 403, 404):
            raise UserError(
                f"{self._name}: GitHub answers {response.status_code} to {method}: the token needs the permission "
                "pull-requests: write on this repository (to look: read; a fork's pull request gets none), and the number must be right"
            )
        if not response.ok:
            raise UserError(f"{self._name}: GitHub answers {response.status_code} to {method}: {response.text[:300]}")
        return response.json() if response.content else None
