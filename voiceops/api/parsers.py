from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.core.validators import ProhibitNullCharactersValidator
from rest_framework.exceptions import ErrorDetail, ParseError, ValidationError
from rest_framework.negotiation import BaseContentNegotiation, DefaultContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.parsers import JSONParser as RestJSONParser

from voiceops.api.field_errors import FieldErrors

# A body that is too large is read and discarded, up to this many times the limit of uploads: the
# client then gets a response instead of a broken pipe.
MAX_DISCARDED_UPLOADS = 4
READ_CHUNK_BYTES = 65_536
# In the words in which forms and queries are refused for it.
HAS_NUL = ErrorDetail(str(ProhibitNullCharactersValidator.message), code="value_error")


class JSONParser(RestJSONParser):
    """Strict JSON: no NaN, lone surrogates, deep nesting, or NUL, which PostgreSQL cannot store."""

    def max_bytes(self) -> int:
        """Return the longest body that is accepted."""
        return int(settings.MAX_JSON_BYTES)

    def parse(
        self,
        stream: Any,
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Raises ParseError (400), ValidationError (422), and RequestDataTooBig (413) for more than
        `max_bytes()`.
        """
        # There is no request where a plain view has read the body itself.
        request = (parser_context or {}).get("request")
        length = int(request.META.get("CONTENT_LENGTH") or 0) if request is not None else 0
        if length > self.max_bytes():
            max_discarded = MAX_DISCARDED_UPLOADS * settings.MAX_UPLOAD_BYTES
            for _ in range(0, min(length, max_discarded), READ_CHUNK_BYTES):
                stream.read(READ_CHUNK_BYTES)
            raise RequestDataTooBig
        return self.parse_body(stream.read())

    def parse_body(self, body: bytes) -> Any:
        """Parse a body within the limit. Raises ParseError, ValidationError (422)."""
        return parse_json(body)


class AlwaysJSON(BaseContentNegotiation):
    """Responds with JSON whatever `Accept` asks for, so that no error becomes a 406."""

    def select_parser(self, request: Any, parsers: Any) -> BaseParser:
        # No parser fits: the framework answers None with 415, which the stubs do not know.
        return DefaultContentNegotiation().select_parser(request, parsers)  # type: ignore[return-value]

    def select_renderer(
        self, request: Any, renderers: Any, format_suffix: str | None = None
    ) -> Any:
        return renderers[0], renderers[0].media_type


def parse_json(body: bytes) -> Any:
    """Parse strict JSON, in time and memory linear in its length: an object of seven bytes takes
    some 200 in memory, which is the worst factor. Raises ParseError, and ValidationError for NULs.
    """
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ParseError from error
    _require_depth(data)
    # Scanning all texts is slow, so it happens only when the body spells a NUL.
    if b"\\u0000" in body and (errors := _find_nuls(data)):
        raise ValidationError(errors)
    return data


def _require_depth(data: Any) -> None:
    """Works without recursion. Raises ParseError for more than MAX_JSON_DEPTH levels."""
    level = [data]
    for _ in range(settings.MAX_JSON_DEPTH):
        children = [child for container in level for child in _children(container)]
        level = [child for child in children if type(child) in (dict, list)]
        if not level:
            return
    raise ParseError


def _children(value: Any) -> Iterable[Any]:
    if type(value) is dict:
        return value.values()
    return value if type(value) is list else ()


def _find_nuls(value: Any) -> Any:
    """Return the errors of all texts with a NUL, nested as `ValidationError` has them.

    An object is to blame for its names. Nothing where there are none.
    """
    if type(value) is str:
        return [HAS_NUL] if "\x00" in value else []
    if type(value) not in (dict, list):
        return []
    errors = FieldErrors()
    for name, inner in value.items() if type(value) is dict else enumerate(value):
        if type(name) is str and "\x00" in name:
            errors.add("non_field_errors", [HAS_NUL])
        elif found := _find_nuls(inner):
            errors.add(name, found)
    return errors.as_detail()
