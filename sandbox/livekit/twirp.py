"""Twirp over aiohttp: requests in protobuf or JSON, responses in the same, errors in JSON."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import orjson
from aiohttp import web
from google.protobuf.json_format import MessageToDict, ParseDict, ParseError
from google.protobuf.message import DecodeError, Message

from sandbox.livekit.access_tokens import Grants

# Twirp's specification, "Error Codes". docs/reference/protocols.md §1.2 confirms those that LiveKit
# has been seen to send.
HTTP_STATUS = {
    "canceled": 408,
    "unknown": 500,
    "invalid_argument": 400,
    "malformed": 400,
    "deadline_exceeded": 408,
    "not_found": 404,
    "bad_route": 404,
    "already_exists": 409,
    "permission_denied": 403,
    "unauthenticated": 401,
    "resource_exhausted": 429,
    "failed_precondition": 412,
    "aborted": 409,
    "out_of_range": 400,
    "unimplemented": 501,
    "internal": 500,
    "unavailable": 503,
    "dataloss": 500,
}


class TwirpError(Exception):
    """An error of a Twirp method, which becomes a JSON response."""

    def __init__(self, code: str, msg: str, meta: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{code}: {msg}")
        self.code = code
        self.msg = msg
        self.meta = dict(meta or {})

    def response(self) -> web.Response:
        body: dict[str, Any] = {"code": self.code, "msg": self.msg}
        if self.meta:
            body["meta"] = self.meta
        return web.Response(
            status=HTTP_STATUS[self.code], body=orjson.dumps(body), content_type="application/json"
        )


PERMISSIONS_DENIED = TwirpError("unauthenticated", "permissions denied")


class NoAnswerError(Exception):
    """Raised to close the connection without an answer."""


class NoRespondersError(Exception):
    """Raised to leave the request without an answer for as long as the client waits."""


class Serve(Protocol):
    """The function behind a method: decoded request and grants in, message out."""

    def __call__(self, request: Any, grants: Grants) -> Awaitable[Message]: ...


@dataclass(frozen=True)
class Method:
    """A Twirp method. `allow` checks the grants for the decoded request; `serve` runs it."""

    request: Callable[[], Message]
    allow: Callable[[Grants, Any], bool]
    serve: Serve


def decode(body: bytes, content_type: str, message: Message) -> Message:
    """Decode a request body into `message` and return it.

    Raises TwirpError when the body is malformed or of another content type.
    """
    if content_type == "application/protobuf":
        try:
            message.ParseFromString(body)
        except DecodeError:
            raise TwirpError("malformed", "the protobuf request could not be decoded") from None
        return message
    if content_type == "application/json":
        return _decode_json(body, message)
    raise TwirpError("bad_route", f'unexpected Content-Type: "{content_type}"')


def _decode_json(body: bytes, message: Message) -> Message:
    try:
        fields = orjson.loads(body or b"{}")
        if isinstance(fields, dict):
            return ParseDict(fields, message, ignore_unknown_fields=True)
    # ParseDict raises the last two for values whose types no field can have.
    except (ParseError, orjson.JSONDecodeError, AttributeError, TypeError):
        pass
    raise TwirpError("malformed", "the json request could not be decoded")


def encode(message: Message, content_type: str) -> web.Response:
    """Encode a response in the content type of its request."""
    if content_type == "application/json":
        # Twirp's server writes proto field names, and zero values too.
        fields = MessageToDict(
            message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
        )
        return web.Response(body=orjson.dumps(fields), content_type="application/json")
    return web.Response(body=message.SerializeToString(), content_type="application/protobuf")


def bad_route(request: web.Request) -> TwirpError:
    """Return the error of Twirp's generated server for an unknown path or HTTP method."""
    if request.method != "POST":
        msg = f'unsupported method "{request.method}" (only POST is allowed)'
    else:
        msg = f'no handler for path "{request.path}"'
    return TwirpError("bad_route", msg, {"twirp_invalid_route": f"{request.method} {request.path}"})


async def run_method(request: web.Request, method: Method, grants: Grants) -> web.Response:
    """Decode the request, check the grants, run the method and encode its response.

    Raises TwirpError when the request is malformed, the grants do not allow it or the method fails.
    """
    # The grants may depend on the request: on the room it names, for example.
    content_type = request.content_type
    message = decode(await request.read(), content_type, method.request())
    if not method.allow(grants, message):
        raise PERMISSIONS_DENIED
    return encode(await method.serve(message, grants), content_type)
