"""The REST API, used as any client would use it: over HTTP, as a logged-in person."""

import http
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests

from voiceops.core.errors import DomainError

ANSWER_SECONDS = 30.0
UPLOAD_SECONDS = 300.0
RESTART_SECONDS = (
    30.0  # as long as this a server may be away, being started again, before a watcher gives up
)
EVERYTHING = "?page_size=200"


class ApiError(DomainError):
    """The server refused. `status` is its answer's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Api:
    """Raises ApiError when the server refuses, requests.ConnectionError when it is not there."""

    def __init__(self, url: str, *, email: str, password: str) -> None:
        self.url = url
        self.credentials = {"email": email, "password": password}
        self.http = requests.Session()
        self.http.trust_env = False  # a proxy of the environment does not lead to this machine
        self.http.headers["X-Forwarded-Proto"] = (
            "https"  # as the proxy in front would say, if DEBUG is off
        )

    def register(self, *, name: str, workspace_name: str) -> None:
        """Make the user and a workspace of theirs; someone who has both already just logs in."""
        try:
            answer = self.post(
                "/auth/register",
                {**self.credentials, "name": name, "workspace_name": workspace_name},
            )
        except ApiError as error:
            if error.status != http.HTTPStatus.CONFLICT:
                raise
            answer = self.post("/auth/login", self.credentials)
        self._carry(answer)

    def log_in(self) -> None:
        self._carry(self.post("/auth/login", self.credentials))

    def get(self, path: str) -> Any:
        return self._ask("GET", path).json()

    def find(self, path: str, **wanted: str) -> Any | None:
        """The first of the newest items of a list whose fields are as `wanted`."""
        items = self.get(path + EVERYTHING)["items"]
        return next(
            (item for item in items if all(item[name] == value for name, value in wanted.items())),
            None,
        )

    def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        return self._ask("POST", path, json=body or {}).json()

    def patch(self, path: str, body: dict[str, Any]) -> Any:
        return self._ask("PATCH", path, json=body).json()

    def upload(self, path: str, file: Path, fields: dict[str, str]) -> Any:
        with file.open("rb") as content:
            part = {"file": (file.name, content)}
            return self._ask("POST", path, data=fields, files=part, timeout=UPLOAD_SECONDS).json()

    def download(self, path: str, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(self._ask("GET", path, timeout=UPLOAD_SECONDS).content)

    def get_patiently(self, path: str, *, unless: Callable[[], bool]) -> Any:
        """Like get, through a restart of the server and past the access token's end."""
        deadline = time.monotonic() + RESTART_SECONDS
        while True:
            try:
                return self._get_logged_in(path)
            except requests.RequestException:
                if unless() or time.monotonic() > deadline:
                    raise
                time.sleep(0.5)

    def _get_logged_in(self, path: str) -> Any:
        try:
            return self.get(path)
        except ApiError as error:
            if error.status != http.HTTPStatus.UNAUTHORIZED:
                raise
        self.log_in()
        return self.get(path)

    def _carry(self, answer: dict[str, Any]) -> None:
        self.http.headers["Authorization"] = f"Bearer {answer['access_token']}"
        # The header is enough, and a request with cookies would need an Origin.
        self.http.cookies.clear()

    def _ask(
        self, method: str, path: str, *, timeout: float = ANSWER_SECONDS, **content: Any
    ) -> requests.Response:
        response = self.http.request(
            method, self.url + path, timeout=timeout, allow_redirects=False, **content
        )
        if response.status_code >= http.HTTPStatus.MULTIPLE_CHOICES:
            raise ApiError(
                response.status_code, f"{method} {path}: {response.status_code} {_detail(response)}"
            )
        return response


def _detail(response: requests.Response) -> str:
    try:
        detail = response.json()["detail"]
    except (ValueError, KeyError, TypeError):
        return response.reason
    if isinstance(detail, list):
        return "; ".join(
            f"{'.'.join(str(step) for step in one['loc'])}: {one['msg']}" for one in detail
        )
    return str(detail)
