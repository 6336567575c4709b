"""Bodies sent in chunks, as Node, Go and curl do."""

import io
from collections.abc import Iterable
from typing import Any

import pytest
from django.core.handlers.wsgi import WSGIRequest
from django.test import RequestFactory

from voiceops.api.chunked_body import ChunkedBodyMiddleware
from voiceops.wsgi import application


def what_django_reads(body: bytes, **environ: Any) -> bytes:
    seen: list[bytes] = []

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        seen.append(WSGIRequest(environ).body)
        return []

    made: dict[str, Any] = (
        RequestFactory().post("/api-keys", content_type="application/json").environ
    )
    ChunkedBodyMiddleware(application, max_bytes=100_000)(
        {**made, "wsgi.input": io.BytesIO(body), **environ}, None
    )
    return seen[0]


@pytest.mark.parametrize("body", [b"{}", b""])
def test_a_body_without_a_length_is_read(body: bytes) -> None:
    chunked = {
        "HTTP_TRANSFER_ENCODING": "chunked",
        "wsgi.input_terminated": True,
        "CONTENT_LENGTH": "",
    }

    assert what_django_reads(body, **chunked) == body


def test_a_body_with_a_length_is_read_up_to_it() -> None:
    assert what_django_reads(b"{}...", CONTENT_LENGTH="2") == b"{}"


def test_an_endless_body_is_read_little_further_than_the_limit() -> None:
    chunked = {
        "HTTP_TRANSFER_ENCODING": "chunked",
        "wsgi.input_terminated": True,
        "CONTENT_LENGTH": "",
    }

    assert len(what_django_reads(b"x" * 10_000_000, **chunked)) == 131_072


def test_the_server_accepts_chunked_bodies() -> None:
    assert isinstance(application, ChunkedBodyMiddleware)
