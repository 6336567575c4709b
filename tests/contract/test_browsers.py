"""What browsers of other origins may do, and compressed answers."""

import gzip

import pytest
from django.test import Client
from pytest_django import Settings

from accounts.models import Workspace
from tests import make

ORIGIN = "https://console.example.com"
PREFLIGHT = {
    "Origin": ORIGIN,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "content-type,x-api-key,idempotency-key",
}


@pytest.fixture(autouse=True)
def trusted(settings: Settings) -> None:
    settings.CORS_ALLOWED_ORIGINS = [ORIGIN]


def test_preflight_of_a_trusted_origin_is_answered() -> None:
    response = Client().options("/calls", headers=PREFLIGHT)

    assert response.status_code == 200
    assert response["Access-Control-Allow-Origin"] == ORIGIN
    assert response["Access-Control-Allow-Credentials"] == "true"
    allowed = response["Access-Control-Allow-Headers"].split(", ")
    assert {"content-type", "x-api-key", "idempotency-key", "x-workspace-id"} <= set(allowed)
    assert "PATCH" in response["Access-Control-Allow-Methods"]


def test_answers_and_refusals_can_be_read_by_a_trusted_origin(ours: Workspace) -> None:
    answers = [
        make.client(ours).get("/calls", headers={"Origin": ORIGIN}),
        Client().get("/calls", headers={"Origin": ORIGIN}),
        Client().get("/nothing", headers={"Origin": ORIGIN}),
    ]

    assert [answer.status_code for answer in answers] == [200, 401, 404]
    assert {answer["Access-Control-Allow-Origin"] for answer in answers} == {ORIGIN}
    readable = answers[0]["Access-Control-Expose-Headers"].split(", ")
    assert {"Idempotent-Replay", "Error-Code", "X-RateLimit-Remaining"} <= set(readable)


def test_other_origins_and_the_admin_get_no_permission(ours: Workspace) -> None:
    stranger = {**PREFLIGHT, "Origin": "https://evil.example"}

    answers = [
        Client().options("/calls", headers=stranger),
        make.client(ours).get("/calls", headers={"Origin": "https://evil.example"}),
        Client().options("/admin/", headers=PREFLIGHT),
    ]

    assert not any("Access-Control-Allow-Origin" in answer.headers for answer in answers)


def test_long_answers_are_compressed_for_those_who_accept_it(ours: Workspace) -> None:
    for _ in range(3):
        make.call(ours)
    client = make.client(ours)

    plain = client.get("/calls")
    packed = client.get("/calls", headers={"Accept-Encoding": "gzip"})

    assert "Content-Encoding" not in plain.headers
    assert packed["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.content) == plain.content


def test_event_streams_are_not_held_back_by_compression(ours: Workspace) -> None:
    batch = make.batch(ours, status="completed")

    response = make.client(ours).get(
        f"/batches/{batch.pk}/progress",
        headers={"Accept": "text/event-stream", "Accept-Encoding": "gzip"},
    )

    assert "Content-Encoding" not in response.headers
    assert b"".join(response).startswith(b"retry: ")
