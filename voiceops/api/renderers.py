"""JSON of the API's answers."""

from collections.abc import Mapping
from typing import Any

import orjson
from rest_framework.renderers import JSONRenderer as RestJSONRenderer
from rest_framework.utils.encoders import JSONEncoder

# Instants end in Z, as documented; the keys of a client's own objects may be numbers.
OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS
_encode_other = JSONEncoder().default


class JSONRenderer(RestJSONRenderer):
    """Encodes with orjson, which takes a tenth of the time for a page of a list."""

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        """Return the body; nothing for None."""
        return b"" if data is None else encode_json(data)


def encode_json(data: Any) -> bytes:
    """Return what the API sends for `data`: ids, instants and lazy texts as strings.

    Raises TypeError for what JSON has no form for.
    """
    try:
        return orjson.dumps(data, default=_encode_other, option=OPTIONS)
    except TypeError:  # orjson stops at integers of 64 bits
        body: bytes = RestJSONRenderer().render(data)
        return body
