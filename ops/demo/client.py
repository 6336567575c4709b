"""A client of the REST API that works as any other client does: over HTTP, as a logged-in user."""

import http
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests

from voiceops.core.errors import DomainError

DEMO_TIMEOUT_SECONDS = 30.0
FILE_TIMEOUT_SECONDS = 300.0
# How long the server may be away, being restarted, before `get_with_retry` gives up.
CONNECT_RETRY_SECONDS = 30.0
RETRY_PAUSE_SECONDS = 0.5
LARGEST_PAGE = "?page_size=200"


class ApiError(DomainError):
    """The server refused a request. `status` is the status of its response."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Api:
    """Every method raises ApiError when the server refuses, and requests.ConnectionError when it
    cannot be reached.
    """

    def __init__(self, url: str, *, email: str, password: str) -> None:
        self.url = url
        self.credentials = {"email": email, "password": password}
        self.http = requests.Session()
        # A proxy from the environment would not lead to this machine.
        self.http.trust_env = False
        # With DEBUG=0 the server expects a TLS proxy in front of it.
        self.http.headers["X-Forwarded-Proto"] = "https"

    def register(self, *, name: str, workspace_name: str) -> None:
        """Create the user and a workspace, or log in when the user exists. Raises ApiError."""
        body = {**self.credentials, "name": name, "workspace_name": workspace_name}
        try:
            tokens = self.post("/auth/register", body)
        except ApiError as error:
            if error.status != http.HTTPStatus.CONFLICT:
                raise
            tokens = self.post("/auth/login", self.credentials)
        self._use_tokens(tokens)

    def log_in(self) -> None:
        self._use_tokens(self.post("/auth/login", self.credentials))

    def get(self, path: str) -> Any:
        return self._request("GET", path).json()

    def find(self, path: str, **fields: str) -> Any | None:
        """The first item of a list's newest 200 that has these values, or None."""
        items = self.get(path + LARGEST_PAGE)["items"]
        matching = (
            item for item in items if all(item[name] == value for name, value in fields.items())
        )
        return next(matching, None)

    def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        return self._request("POST", path, json=body or {}).json()

    def patch(self, path: str, body: dict[str, Any]) -> Any:
        return self._request("PATCH", path, json=body).json()

    def upload(self, path: str, file: Path, fields: dict[str, str]) -> Any:
        with file.open("rb") as content:
            parts = {"file": (file.name, content)}
            response = self._request(
                "POST", path, data=fields, files=parts, timeout=FILE_TIMEOUT_SECONDS
            )
        return response.json()

    def download(self, path: str, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(self._request("GET", path, timeout=FILE_TIMEOUT_SECONDS).content)

    def get_with_retry(self, path: str, *, give_up: Callable[[], bool]) -> Any:
        """Like get, but survives a restart of the server and the end of the access token.

        Raises what the last try raised, after 30 seconds or as soon as `give_up` returns True.
        """
        deadline = time.monotonic() + CONNECT_RETRY_SECONDS
        while True:
            try:
                return self._get_logged_in(path)
            except requests.RequestException:
                if give_up() or time.monotonic() > deadline:
                    raise
                time.sleep(RETRY_PAUSE_SECONDS)

    def _get_logged_in(self, path: str) -> Any:
        # An access token lasts 15 minutes, which a batch may well outlast.
        try:
            return self.get(path)
        except ApiError as error:
            if error.status != http.HTTPStatus.UNAUTHORIZED:
                raise
        self.log_in()
        return self.get(path)

    def _use_tokens(self, tokens: dict[str, Any]) -> None:
        self.http.headers["Authorization"] = f"Bearer {tokens['access_token']}"
        # The header is enough, and a request with cookies would need an Origin.
        self.http.cookies.clear()

    def _request(
        self, method: str, path: str, *, timeout: float = DEMO_TIMEOUT_SECONDS, **content: Any
    ) -> requests.Response:
        response = self.http.request(
            method, self.url + path, timeout=timeout, allow_redirects=False, **content
        )
        status = response.status_code
        if status >= http.HTTPStatus.MULTIPLE_CHOICES:
            raise ApiError(status, f"{method} {path}: {status} {_detail_of(response)}")
        return response


def _detail_of(response: requests.Response) -> str:
    """The `detail` of a refusal as one line, whatever its shape."""
    try:
        detail = response.json()["detail"]
    except (ValueError, KeyError, TypeError):
        return response.reason
    if not isinstance(detail, list):
        return str(detail)
    lines = []
    for error in detail:
        location = ".".join(str(step) for step in error["loc"])
        lines.append(f"{location}: {error['msg']}")
    return "; ".join(lines)
