"""What every response carries: security headers, and an id that finds its entry in the log."""

import json
import logging

import pytest
from django.test import Client
from pytest_django import Settings
from rest_framework.test import APIClient

from accounts.auth.authentication import client_ip
from accounts.models import Workspace
from tests import make
from voiceops.api.request_context import trust_forwarded_headers
from voiceops.observability import structured_logging

PATHS = [
    "/healthz",
    "/nowhere",
    "/auth/me",
    "/docs",
    "/redoc",
    "/openapi.json",
    "/admin/",
    "/admin/login/",
]
STATIC = "/static/admin/css/base.css"


@pytest.mark.django_db
@pytest.mark.parametrize(
    "path", [*PATHS, STATIC, "/static/nothing", "/admin/nothing/", "/recordings/nothing"]
)
@pytest.mark.parametrize("host", ["testserver", "evil.example.com"])
def test_every_response_has_security_headers(path: str, host: str, settings: Settings) -> None:
    settings.SECURE_HSTS_SECONDS = 31_536_000
    settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = settings.SECURE_HSTS_PRELOAD = True

    response = Client().get(path, secure=True, headers={"Host": host})

    policy = response["Content-Security-Policy"]
    assert (response["X-Content-Type-Options"], response["X-Frame-Options"]) == ("nosniff", "DENY")
    assert (response["Referrer-Policy"], response["Cross-Origin-Opener-Policy"]) == (
        "same-origin",
        "same-origin",
    )
    assert response["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains; preload"
    assert policy.startswith("frame-ancestors 'none'; object-src 'none'; base-uri 'none'; ")
    assert "default-src 'none'" in policy or "script-src 'self'" in policy
    assert len(response["X-Request-ID"]) == 32
    assert "Access-Control-Allow-Origin" not in response
    assert host == "testserver" or (response.status_code, response.json()) == (
        400,
        {"detail": "Bad request"},
    )
    response.close()


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/docs", "/redoc", "/admin/login/"])
def test_pages_have_no_inline_scripts(path: str) -> None:
    page = Client().get(path).content.decode()

    assert "<script>" not in page
    assert "onclick=" not in page


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/admin/", "/static/x.css", "/docs", "/healthz"])
def test_trace_is_refused_everywhere(path: str) -> None:
    response = Client().generic("TRACE", path)

    assert (response.status_code, response.json()) == (405, {"detail": "Method not allowed"})


@pytest.mark.django_db
def test_closed_pages_are_not_found(settings: Settings) -> None:
    settings.CLOSED_PAGES = ["admin", "docs", "metrics"]

    answers = [Client().get(path) for path in ("/admin/", "/admin/login/", "/docs", "/metrics")]

    assert [(answer.status_code, answer.json()) for answer in answers] == [
        (404, {"detail": "Not found"})
    ] * 4
    assert Client().get("/redoc").status_code == 200


def test_a_valid_request_id_is_kept() -> None:
    kept = Client().get("/healthz", headers={"X-Request-ID": "proxy-7.0000001"})
    forged = Client().get("/healthz", headers={"X-Request-ID": "a\r\nSet-Cookie: x=1"})

    assert kept["X-Request-ID"] == "proxy-7.0000001"
    assert len(forged["X-Request-ID"]) == 32


def seen(
    peer: str, settings: Settings, *, proxies: list[str], **headers: str
) -> tuple[str | None, bool]:
    """Return the client's address and whether the request counts as secure."""
    settings.TRUSTED_PROXIES = proxies
    request = Client().get("/healthz").wsgi_request
    request.META.update({"REMOTE_ADDR": peer, **headers})
    trust_forwarded_headers(request.META)
    return client_ip(request), request.is_secure()


@pytest.mark.parametrize(
    ("peer", "proxies", "believed"),
    [
        ("203.0.113.9", [], ("203.0.113.9", False)),
        ("127.0.0.1", [], ("127.0.0.1", True)),
        ("10.0.0.2", ["10.0.0.0/8"], ("198.51.100.7", True)),
        ("203.0.113.9", ["10.0.0.0/8"], ("203.0.113.9", False)),
    ],
)
def test_forwarded_headers_are_accepted_from_trusted_proxies_only(
    peer: str, proxies: list[str], believed: tuple[str, bool], settings: Settings
) -> None:
    chain = "192.0.2.1, 198.51.100.7, 10.0.0.3"

    assert (
        seen(
            peer,
            settings,
            proxies=proxies,
            HTTP_X_FORWARDED_FOR=chain,
            HTTP_X_FORWARDED_PROTO="https",
        )
        == believed
    )


def test_a_body_has_the_limit_of_its_route(ours: Workspace, settings: Settings) -> None:
    client = make.client(ours)
    long = json.dumps({"name": "x" * settings.MAX_JSON_BYTES, "role": "member"})

    response = client.generic("POST", "/api-keys", long, content_type="application/json")
    listed = client.generic("POST", "/batches", long, content_type="application/json")

    assert (response.status_code, response.json()) == (413, {"detail": "Request body too large"})
    assert listed.status_code == 422


@pytest.mark.django_db
def test_a_log_line_names_the_principal_and_omits_the_query(
    ours: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "voiceops.requests")
    lines: list[str] = []
    handler = logging.StreamHandler()
    handler.setFormatter(structured_logging.JsonFormatter())
    # The lines are collected instead of written.
    handler.emit = lambda record: lines.append(handler.format(record))  # type: ignore[method-assign]
    logging.getLogger("voiceops.requests").addHandler(handler)
    key, secret = make.api_key(ours)

    response = APIClient(headers={"X-API-Key": secret}).get(
        "/calls?to=%2B12025550186&api_key=vo_secret"
    )

    logging.getLogger("voiceops.requests").removeHandler(handler)
    [line] = [json.loads(text) for text in lines]
    assert {
        name: line[name] for name in ("request_id", "actor", "workspace", "message", "status")
    } == {
        "request_id": response["X-Request-ID"],
        "actor": f"key:{key.pk}",
        "workspace": str(ours.pk),
        "message": "GET /calls 200",
        "status": "200",
    }


@pytest.mark.parametrize(
    "path", ["/livekit/webhook", "/calls/01a216e6-ef32-7159-83c3-e6f971255899/report"]
)
def test_machines_may_use_plain_http(db: None, settings: Settings, path: str) -> None:
    """They would not follow a redirect, and their event would be lost. Signatures protect them."""
    settings.SECURE_SSL_REDIRECT = True

    refused = Client().post(path, b"{}", content_type="application/json")

    assert refused.status_code == 401


def test_browsers_are_redirected_to_https(settings: Settings) -> None:
    settings.SECURE_SSL_REDIRECT = True

    assert Client().get("/docs").status_code == 301
