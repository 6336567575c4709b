"""The console's only way to data: the API, called in this process.

A page calls a documented path as its reader's browser could, with the same cookie. Role, tenancy,
validation, rate limits, audit log and messages are therefore the API's own, and a page can neither
read nor change what its reader may not.
"""

from collections.abc import Mapping
from io import BytesIO
from typing import Any, NoReturn
from urllib.parse import urlencode

import orjson
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.urls import resolve
from django.utils import translation
from django.utils.datastructures import MultiValueDict
from rest_framework.response import Response

from accounts.auth.principal import Principal
from console.wording.languages import API_LANGUAGE

# What of the reader's request the API sees. Credentials come from the cookie alone.
KEPT_HEADERS = (
    "HTTP_COOKIE",
    "HTTP_HOST",
    "HTTP_ORIGIN",
    "HTTP_RANGE",
    "HTTP_SEC_FETCH_SITE",
    "HTTP_X_FORWARDED_PROTO",
    "REMOTE_ADDR",
    "SERVER_NAME",
    "SERVER_PORT",
    "SERVER_PROTOCOL",
    "wsgi.url_scheme",
)
JSON = "application/json"
FORM = "multipart/form-data"


class Refused(Exception):
    """The API answered with an error; `detail` is its sentence, or its list of field errors."""

    def __init__(self, status: int, detail: Any, retry_after: str | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.retry_after = retry_after


class Api:
    """The API as the reader of a page may use it, in one workspace."""

    def __init__(self, request: HttpRequest, workspace_id: str | None = None) -> None:
        self.request = request
        self.workspace_id = workspace_id
        # Who reads the page, once that is known: its calls need not ask again.
        self.principal: Principal | None = None

    def get(self, path: str, **query: Any) -> Any:
        """Return the body of a GET. Raises Refused."""
        return _body_of(self.open(path, **query))

    def post(self, path: str, body: Any = None) -> Any:
        """Return the body of a POST. Raises Refused."""
        return self.send("POST", path, body)

    def patch(self, path: str, body: Any) -> Any:
        """Return the body of a PATCH. Raises Refused."""
        return self.send("PATCH", path, body)

    def delete(self, path: str) -> Any:
        """Return the body of a DELETE. Raises Refused."""
        return self.send("DELETE", path, None)

    def send(self, method: str, path: str, body: Any) -> Any:
        """Return the body of the answer. Raises Refused."""
        return _body_of(self.send_json(method, path, body))

    def send_json(self, method: str, path: str, body: Any) -> HttpResponse:
        """Return the whole answer, for one that sets cookies. Raises Refused."""
        content = b"" if body is None else orjson.dumps(body)
        return _answer_of(self._call(self._request(method, path, content, JSON)))

    def send_list(self, path: str, fields: Mapping[str, Any], file: Any) -> Any:
        """Return the body of a POST of a form with an uploaded file, or None. Raises Refused."""
        request = self._request("POST", path, b"form", FORM)
        # The console has parsed the form under the API's own limits, so it is not parsed again.
        values = QueryDict(mutable=True)
        values.update({name: value for name, value in fields.items() if value not in (None, "")})
        request._read_started = True  # type: ignore[attr-defined]
        request._post = values  # type: ignore[attr-defined]
        request._files = MultiValueDict({"file": [file]} if file else {})  # type: ignore[attr-defined]
        return _body_of(_answer_of(self._call(request)))

    def open(self, path: str, **query: Any) -> HttpResponse:
        """Return the answer to a GET, which may be a stream. Raises Refused."""
        query = {name: value for name, value in query.items() if value not in (None, "")}
        return _answer_of(self._call(self.request_for("GET", f"{path}?{urlencode(query)}")))

    def request_for(self, method: str, path: str) -> WSGIRequest:
        """Return a request without a body, as the API would get it."""
        return self._request(method, path, b"", JSON)

    def _request(self, method: str, path: str, content: bytes, kind: str) -> WSGIRequest:
        path_info, _, query = path.partition("?")
        meta = self.request.META
        environ = {name: meta[name] for name in KEPT_HEADERS if name in meta}
        if self.workspace_id is not None:
            environ["HTTP_X_WORKSPACE_ID"] = self.workspace_id
        return WSGIRequest(
            {
                **environ,
                "REQUEST_METHOD": method,
                "SCRIPT_NAME": "",
                "PATH_INFO": path_info,
                "QUERY_STRING": query,
                "CONTENT_TYPE": kind,
                "CONTENT_LENGTH": str(len(content)),
                "wsgi.input": BytesIO(content),
            }
        )

    def _call(self, request: WSGIRequest) -> HttpResponseBase:
        if self.principal is not None:
            # What the framework takes for the answer of its authentication.
            request._force_auth_user = self.principal.user  # type: ignore[attr-defined]
            request._force_auth_token = self.principal  # type: ignore[attr-defined]
        view, args, kwargs = resolve(request.path_info)
        # The API's sentences are documented, whatever language the page has.
        with translation.override(API_LANGUAGE):
            response: HttpResponseBase = view(request, *args, **kwargs)
            if isinstance(response, Response) and not response.is_rendered:
                response.render()
        return response


def _answer_of(response: HttpResponseBase) -> HttpResponse:
    if response.status_code >= 400:
        _refuse(response)
    # The stubs tell streams apart; pages only pass them on.
    return response  # type: ignore[return-value]


def _refuse(response: HttpResponseBase) -> NoReturn:
    detail = orjson.loads(response.content)["detail"]  # type: ignore[attr-defined]
    raise Refused(response.status_code, detail, response.get("Retry-After"))


def _body_of(response: HttpResponse) -> Any:
    return orjson.loads(response.content)
