from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from rest_framework.exceptions import ParseError
from rest_framework.negotiation import BaseContentNegotiation, DefaultContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.parsers import JSONParser as RestJSONParser

MAX_BODY_BYTES = 1024 * 1024  # of a body (reliability.md E1)
# An upload's limits' worth that is read and thrown away: the client gets an answer and no broken
# pipe.
MAX_DISCARDED_UPLOADS = 4
READ_CHUNK_BYTES = 65_536
MAX_JSON_DEPTH = 32  # containers in one another (reliability.md E1)


class JSONParser(RestJSONParser):
    """Strict JSON: no NaN, no lone surrogates, no NUL (which PostgreSQL cannot store), no nesting
    bombs. Else 400.

    Raises RequestDataTooBig (413) for a body that is longer than `longest()`.
    """

    def max_bytes(self) -> int:
        return MAX_BODY_BYTES

    def parse(
        self,
        stream: Any,
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        request = (parser_context or {}).get(
            "request"
        )  # none where a plain view has read the body itself
        length = int(request.META.get("CONTENT_LENGTH") or 0) if request is not None else 0
        if length > self.max_bytes():
            for _ in range(
                0, min(length, MAX_DISCARDED_UPLOADS * settings.MAX_UPLOAD_BYTES), READ_CHUNK_BYTES
            ):
                stream.read(READ_CHUNK_BYTES)
            raise RequestDataTooBig
        return parse_json(stream.read())


def parse_json(body: bytes) -> Any:
    """Raises ParseError."""
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ParseError from error
    if not _is_sound(data, suspicious=b"\\u0000" in body):
        raise ParseError
    return data


class AlwaysJSON(BaseContentNegotiation):
    """The API answers JSON whatever `Accept` says, so that no error is ever a 406 in another dress."""

    def select_parser(self, request: Any, parsers: Any) -> BaseParser:
        return DefaultContentNegotiation().select_parser(request, parsers)  # type: ignore[return-value]  # None is 415

    def select_renderer(
        self, request: Any, renderers: Any, format_suffix: str | None = None
    ) -> Any:
        return renderers[0], renderers[0].media_type


def _is_sound(data: Any, *, suspicious: bool) -> bool:
    """Level by level, without recursion. Texts are looked at only when the body spells a NUL
    somewhere.
    """
    outer = [data]
    for _ in range(MAX_JSON_DEPTH):
        inner = [value for container in outer for value in _children(container)]
        if suspicious and any(_has_nul(value) for value in (*outer, *inner)):
            return False
        outer = [value for value in inner if type(value) in (dict, list)]
        if not outer:
            return True
    return False


def _children(value: Any) -> Iterable[Any]:
    if type(value) is dict:
        return value.values()
    return value if type(value) is list else ()


def _has_nul(value: Any) -> bool:
    if type(value) is dict:
        return any("\x00" in name for name in value)
    return type(value) is str and "\x00" in value
