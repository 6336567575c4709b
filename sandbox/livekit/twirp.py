"""Twirp over aiohttp: protobuf or JSON in, the same out, errors as JSON whatever came in."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import orjson
from aiohttp import web
from google.protobuf.json_format import MessageToDict, ParseDict, ParseError
from google.protobuf.message import DecodeError, Message

from sandbox.livekit.access_tokens import Grants

# Twirp's specification, "Error Codes"; the ones LiveKit is seen to send are confirmed in
# protocols.md 1.2.
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
# What LiveKit's conversion of psrpc errors puts in front (protocols.md 1.2).
RPC_ERROR_PREFIX = "twirp error unknown: "


class TwirpError(Exception):
    def __init__(self, code: str, msg: str, meta: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{code}: {msg}")
        self.code, self.msg, self.meta = code, msg, dict(meta or {})

    def response(self) -> web.Response:
        body: dict[str, Any] = {"code": self.code, "msg": self.msg}
        if self.meta:
            body["meta"] = self.meta
        return web.Response(
            status=HTTP_STATUS[self.code], body=orjson.dumps(body), content_type="application/json"
        )


def rpc_error(code: str, msg: str, meta: Mapping[str, str] | None = None) -> TwirpError:
    """An error that came over LiveKit's internal RPC: its message carries the prefix."""
    return TwirpError(code, RPC_ERROR_PREFIX + msg, meta)


PERMISSIONS_DENIED = TwirpError("unauthenticated", "permissions denied")


class NoAnswerError(Exception):
    """Close the connection without a word."""


class Serve(Protocol):
    """A method's body. `web.Request` only for those who must look at the connection itself."""

    def __call__(self, request: Any, grants: Grants) -> Awaitable[Message]: ...


@dataclass(frozen=True)
class Method:
    """`allow` judges the token against the decoded request; `serve` does the work."""

    request: Callable[[], Message]
    allow: Callable[[Grants, Any], bool]
    serve: Serve


def decode(body: bytes, content_type: str, message: Message) -> Message:
    """Raises TwirpError."""
    if content_type == "application/protobuf":
        try:
            message.ParseFromString(body)
        except DecodeError:
            raise TwirpError("malformed", "the protobuf request could not be decoded") from None
        return message
    if content_type == "application/json":
        try:
            fields = orjson.loads(body or b"{}")
            if isinstance(fields, dict):
                return ParseDict(fields, message, ignore_unknown_fields=True)
        except (ParseError, orjson.JSONDecodeError, AttributeError, TypeError):
            pass
        raise TwirpError("malformed", "the json request could not be decoded")
    raise TwirpError("bad_route", f'unexpected Content-Type: "{content_type}"')


def encode(message: Message, content_type: str) -> web.Response:
    if content_type == "application/json":
        # twirp's server defaults: proto field names, zero values written out
        body = orjson.dumps(
            MessageToDict(
                message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
            )
        )
        return web.Response(body=body, content_type="application/json")
    return web.Response(body=message.SerializeToString(), content_type="application/protobuf")


def bad_route(request: web.Request) -> TwirpError:
    """What twirp's generated server says to a path or verb it does not know."""
    if request.method != "POST":
        msg = f'unsupported method "{request.method}" (only POST is allowed)'
    else:
        msg = f'no handler for path "{request.path}"'
    return TwirpError("bad_route", msg, {"twirp_invalid_route": f"{request.method} {request.path}"})


async def run_method(request: web.Request, method: Method, grants: Grants) -> web.Response:
    """Run one call: decode, judge the token, serve, encode. Raises TwirpError."""
    content_type = request.content_type
    message = decode(await request.read(), content_type, method.request())
    if not method.allow(grants, message):
        raise PERMISSIONS_DENIED
    return encode(await method.serve(message, grants), content_type)
