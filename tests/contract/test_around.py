"""Health, metrics and documentation."""

from datetime import timedelta

import pytest
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import Settings

from accounts.models import Workspace
from ops.checking.metrics import TROUBLES
from telephony.models import Call
from tests import make
from tests.sandbox_server import RunningSandbox


def test_healthz_needs_no_database() -> None:
    response = Client().get("/healthz")

    assert (response.status_code, response.json()) == (200, {"status": "alive"})


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/recordings/token"])
def test_plain_pages_accept_get_only(path: str) -> None:
    response = Client(enforce_csrf_checks=True).post(path)

    assert (response.status_code, response.json()) == (405, {"detail": "Method not allowed"})
    assert response.headers["Allow"] == "GET, HEAD"


@pytest.mark.django_db
def test_readyz_names_what_is_unreachable(settings: Settings) -> None:
    response = Client().get("/readyz")

    checks = {"database": "ok", "broker": "ok", "livekit": "unreachable"}
    assert (response.status_code, response.json()) == (
        503,
        {"detail": "Not ready: livekit", "checks": checks},
    )


@pytest.mark.django_db
def test_readyz_succeeds_when_everything_is_reachable(box: RunningSandbox) -> None:
    response = Client().get("/readyz")

    checks = {"database": "ok", "broker": "ok", "livekit": "ok"}
    assert (response.status_code, response.json()) == (200, {"status": "ready", "checks": checks})


@pytest.mark.django_db
def test_readyz_asks_livekit_with_our_key(box: RunningSandbox, settings: Settings) -> None:
    settings.LIVEKIT_API_SECRET = "another secret, long enough for the algorithm"

    response = Client().get("/readyz")

    assert (response.status_code, response.json()["checks"]["livekit"]) == (503, "unreachable")


def test_metrics_count_unfinished_work(ours: Workspace) -> None:
    make.call(ours, stage="ringing")
    busy = make.call(ours, stage="ended", outcome="busy")
    Call.unscoped.filter(pk=busy.pk).update(dialed_at=busy.created_at + timedelta(seconds=2))
    make.call(ours, stage="ended", outcome="cancelled")
    make.batch(ours, status="running")

    response = Client().get("/metrics")

    assert response["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    families = text_string_to_metric_families(response.content.decode())
    gauges = [family for family in families if family.type == "gauge"]
    assert [
        (sample.name, sample.labels, sample.value) for family in gauges for sample in family.samples
    ][: 6 + len(TROUBLES)] == [
        ("voiceops_calls_open", {"stage": "ringing"}, 1),
        ("voiceops_batches_unfinished", {"status": "running"}, 1),
        ("voiceops_calls_lately", {"outcome": "busy"}, 1),
        *(("voiceops_troubles_lately", {"reason": reason}, 0) for reason in TROUBLES),
        ("voiceops_dial_wait_seconds", {}, 2),
        ("voiceops_inbox_waiting", {}, 0),
        ("voiceops_webhooks_waiting", {}, 0),
    ]


def test_openapi_describes_every_route() -> None:
    response = Client().get("/openapi.json")

    described = response.json()
    assert response["Content-Type"] == "application/json"
    assert described["openapi"].startswith("3.")
    assert {"/auth/login", "/api-keys", "/workspaces/{workspace_id}/members"} <= set(
        described["paths"]
    )
    assert {"/calls/{id}/report", "/livekit/webhook"} <= set(described["paths"])
    assert {"/healthz", "/readyz", "/metrics"} <= set(described["paths"])
    assert {"cookie", "bearer", "apiKey"} <= set(described["components"]["securitySchemes"])


POSTED = ["409", "413", "415", "422", "429", "default"]


@pytest.mark.parametrize(
    ("path", "method", "statuses"),
    [
        ("/agents", "get", ["200", "401", "403", "422", "429", "default"]),
        ("/agents", "post", ["201", "400", "401", "403", *POSTED]),
        (
            "/calls",
            "post",
            ["201", "400", "401", "403", "404", "409", "413", "415", "422", "429", "default"],
        ),
        ("/agents/{id}", "delete", ["200", "400", "401", "403", "404", "422", "429", "default"]),
        (
            "/agents/{id}/publish",
            "post",
            ["200", "400", "401", "403", "404", *POSTED],
        ),
        (
            "/auth/login",
            "post",
            ["200", "400", "401", "403", "409", "413", "415", "422", "429", "default"],
        ),
        ("/readyz", "get", ["200", "405", "503"]),
    ],
)
def test_every_operation_describes_its_responses(
    path: str, method: str, statuses: list[str]
) -> None:
    described = Client().get("/openapi.json").json()

    assert list(described["paths"][path][method]["responses"]) == statuses


@pytest.mark.parametrize("path", ["/openapi.json", "/docs", "/redoc"])
@pytest.mark.parametrize("method", ["OPTIONS", "POST", "TRACE"])
def test_documentation_is_read_only(path: str, method: str) -> None:
    response = Client().generic(method, path)

    assert (response.status_code, response.json()) == (405, {"detail": "Method not allowed"})


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_documentation_loads_nothing_from_other_servers(path: str) -> None:
    response = Client().get(path)

    page = response.content.decode()
    assert (response.status_code, response["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "/openapi.json" in page
    assert "//cdn." not in page
    assert "fonts.googleapis" not in page
