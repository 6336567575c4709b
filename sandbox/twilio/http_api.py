"""Twilio's HTTP API: Basic authentication, form bodies, error bodies, and faults on demand."""

import asyncio
import base64
import hmac
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, fields
from typing import Any

import orjson
from aiohttp import web

from sandbox.twilio.errors import TwilioError, not_found


@dataclass(frozen=True)
class Response:
    """The result of a handler; without `body` the response is empty."""

    status: int
    body: Any = None


def ok(body: Any) -> Response:
    return Response(200, body)


def created(body: Any) -> Response:
    return Response(201, body)


def no_content() -> Response:
    return Response(204)


Handler = Callable[[web.Request, dict[str, str]], Awaitable[Response]]
FAULT_TIMES = ("before", "after")
FAULT_FIELD_TYPES: dict[str, Any] = {
    **dict.fromkeys(("method", "path", "when", "message"), str),
    **dict.fromkeys(("status", "code", "times"), int),
    "hang_seconds": int | float,
}


@dataclass
class Fault:
    """A fault of the next `times` requests with this method whose path contains `path`.

    With `when` "before" the request is not processed; with "after" it is, and the answer is the
    fault. `hang_seconds` (wall clock) pass first. `status` 0 closes the connection without an
    answer.
    """

    method: str
    path: str
    when: str = "before"
    status: int = 0
    code: int = 0
    message: str = "An internal server error has occurred"
    times: int = 1
    hang_seconds: float = 0.0


def parse_fault(body: Any) -> Fault:
    """Parse one of PUT twilio's faults.

    Raises ValueError with a sentence that names the problem.
    """
    required = {"method", "path"}
    known = {f.name for f in fields(Fault)}
    if not isinstance(body, dict) or not required <= set(body) or not set(body) <= known:
        optional = ", ".join(sorted(known - required))
        raise ValueError(f"a fault has method and path, and may have {optional}")
    for name, value in body.items():
        kind = FAULT_FIELD_TYPES[name]
        if (
            isinstance(value, bool)
            or not isinstance(value, kind)
            or (kind is not str and value < 0)
        ):
            raise ValueError(
                f"{name} must be {'a text' if kind is str else 'a number, 0 or greater'}"
            )
    fault = Fault(**body)
    if fault.when not in FAULT_TIMES:
        raise ValueError("when must be before or after")
    if fault.status and not 100 <= fault.status <= 599:
        raise ValueError("status must be 0, or from 100 to 599")
    return fault


@dataclass
class TwilioApi:
    """Twilio's routes for one account, and the faults that apply to them."""

    sid: str
    token: str
    faults: list[Fault] = field(default_factory=list)
    routes: list[web.RouteDef] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._expected_authorization = (
            "Basic " + base64.b64encode(f"{self.sid}:{self.token}".encode()).decode()
        )

    def add(self, method: str, path: str, handler: Handler) -> None:
        """Add a route whose handler gets the request and its decoded form."""

        async def serve(request: web.Request) -> web.StreamResponse:
            try:
                return await self._serve(request, handler)
            except TwilioError as error:
                return error.response()

        self.routes.append(web.route(method, path, serve))

    def all_routes(self) -> Iterable[web.RouteDef]:
        """Return the added routes, followed by one that answers 404 to all other paths."""
        # Last, because aiohttp uses the first route that matches.
        for root in ("2010-04-01", "v1"):
            self.routes.append(web.route("*", f"/{root}/{{rest:.*}}", self._unknown))
        return self.routes

    async def _unknown(self, request: web.Request) -> web.Response:
        try:
            self._authenticate(request)
        except TwilioError as error:
            return error.response()
        return not_found(request.path).response()

    def _authenticate(self, request: web.Request) -> None:
        given = request.headers.get("Authorization", "")
        account = request.match_info.get("account", self.sid)
        if (
            not hmac.compare_digest(given.encode(), self._expected_authorization.encode())
            or account != self.sid
        ):
            raise TwilioError(401, 20003, "Authenticate")

    async def _serve(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self._authenticate(request)
        # Twilio rejects wrong credentials before anything else, so they do not use up a fault.
        fault = self._next_fault(request)
        if fault is not None and fault.when == "before":
            return await _apply_fault(request, fault)
        form = {
            name: value for name, value in (await request.post()).items() if isinstance(value, str)
        }
        answer = await handler(request, form)
        if fault is not None:
            return await _apply_fault(request, fault)
        if answer.body is None:
            return web.Response(status=answer.status)
        return web.Response(
            status=answer.status, body=orjson.dumps(answer.body), content_type="application/json"
        )

    def _next_fault(self, request: web.Request) -> Fault | None:
        for fault in self.faults:
            if fault.times > 0 and fault.method == request.method and fault.path in request.path:
                fault.times -= 1
                return fault
        return None


async def _apply_fault(request: web.Request, fault: Fault) -> web.StreamResponse:
    await asyncio.sleep(fault.hang_seconds)
    if fault.status:
        raise TwilioError(fault.status, fault.code or 20000 + fault.status, fault.message)
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
