"""The OpenAPI description, rendered once per process.

It depends on nothing in a request, so neither queries nor headers may make the server render it
again, nor store another copy.
"""

import hashlib
import threading
from functools import cache
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import cache_control
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import condition, require_safe
from django.views.decorators.vary import vary_on_headers
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer2

MAX_AGE_SECONDS = 600  # then clients ask whether their copy is still the current one
_rendering = threading.Lock()


def render_description() -> bytes:
    """Return the description as JSON. Rendering takes seconds, so that one thread does it."""
    with _rendering:
        return _render_once()


@cache
def _render_once() -> bytes:
    generator: Any = SchemaGenerator  # not typed
    schema = generator().get_schema(request=None, public=True)
    rendered: bytes = OpenApiJsonRenderer2().render(schema)
    return rendered


def description_etag(request: HttpRequest) -> str:
    """Return the ETag of the description, which names its version by its content."""
    return f'"{_digest_once()}"'


@cache
def _digest_once() -> str:
    return hashlib.sha256(render_description()).hexdigest()[:32]


# A POST is answered with 405, and must not fail earlier for a missing CSRF token.
@csrf_exempt
@require_safe
@vary_on_headers("Accept-Encoding")
@cache_control(max_age=MAX_AGE_SECONDS)
@condition(etag_func=description_etag)
def describe_api(request: HttpRequest) -> HttpResponse:
    """The OpenAPI description of every route; 304 for a client that has it already."""
    return HttpResponse(render_description(), content_type="application/json")
