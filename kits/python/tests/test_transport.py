"""Retries, keys and errors, over real connections to a server that fails as it is told."""

import json
import time

import pytest

from tests.examples_of_answers import example_of
from tests.scripted_server import Answer, scripted_server
from voiceops import (
    AsyncVoiceOps,
    Conflict,
    ConnectionFailed,
    NotFound,
    TooManyRequests,
    ValidationFailed,
    VoiceOps,
    VoiceOpsError,
)

DETAIL = b'{"detail": "Deleted"}'


def test_a_busy_server_is_asked_again_after_the_time_it_names() -> None:
    busy = Answer(503, b"{}", {"Retry-After": "1"})
    with scripted_server(busy, Answer(body=DETAIL)) as server, VoiceOps(server.url) as voiceops:
        began_at = time.monotonic()

        deleted = voiceops.batches.delete("b1")

        assert deleted.detail == "Deleted"
        assert time.monotonic() - began_at >= 1
        assert [each.method for each in server.asked] == ["DELETE", "DELETE"]


def test_a_post_whose_answer_was_lost_is_repeated_with_the_same_key() -> None:
    with scripted_server(Answer(0), Answer(body=DETAIL)) as server:
        with VoiceOps(server.url, api_key="vo_key") as voiceops:
            voiceops.auth.password_reset(email="ada@example.com")

        first, second = server.asked
        assert first.headers["Idempotency-Key"] == second.headers["Idempotency-Key"]
        assert first.headers["Authorization"] == "Bearer vo_key"
        assert first.body == second.body == b'{"email": "ada@example.com"}'


def test_a_key_of_ones_own_is_sent() -> None:
    with scripted_server(Answer(body=DETAIL)) as server, VoiceOps(server.url) as voiceops:
        voiceops.auth.password_reset(email="ada@example.com", idempotency_key="mine")

        assert server.asked[0].headers["Idempotency-Key"] == "mine"


def test_the_answer_of_a_first_request_that_still_runs_is_waited_for() -> None:
    running = Answer(
        409, b'{"detail": "Request in progress"}', {"Error-Code": "request_in_progress"}
    )
    with scripted_server(Answer(0), running, Answer(body=DETAIL)) as server:
        with VoiceOps(server.url) as voiceops:
            voiceops.auth.password_reset(email="ada@example.com")

        assert len(server.asked) == 3


def test_a_refusal_is_not_repeated_and_has_sentence_code_and_status() -> None:
    body = b'{"detail": "Batch not found"}'
    refusal = Answer(404, body, {"Error-Code": "batch_not_found", "X-Request-ID": "r1"})
    with scripted_server(refusal) as server, VoiceOps(server.url) as voiceops:
        with pytest.raises(NotFound) as caught:
            voiceops.batches.get("b/1")

        error = caught.value
        assert (error.status, error.code, error.detail, error.request_id, error.fields) == (
            404,
            "batch_not_found",
            "Batch not found",
            "r1",
            [],
        )
        assert str(error) == "GET /batches/b/1: 404 Batch not found"
        assert server.asked[0].path == "/batches/b%2F1"


def test_wrong_fields_are_listed() -> None:
    field = {"loc": ["body", "tools", 0, "name"], "msg": "field required", "type": "value_error"}
    answer = Answer(422, json.dumps({"detail": [field]}).encode())
    with scripted_server(answer) as server, VoiceOps(server.url) as voiceops:
        with pytest.raises(ValidationFailed) as caught:
            voiceops.agents.create(name="Reminder", system_prompt="Remind")

        assert caught.value.fields == [field]
        assert caught.value.detail == "body.tools.0.name: field required"


def test_a_proxys_own_error_page_becomes_an_error_too() -> None:
    with scripted_server(Answer(502, b"<html>")) as server:
        with VoiceOps(server.url, retries=0) as voiceops, pytest.raises(VoiceOpsError) as caught:
            voiceops.batches.get("b1")

        assert str(caught.value) == "GET /batches/b1: 502 Bad Gateway"


def test_a_wait_that_is_too_long_is_left_to_the_caller() -> None:
    answer = Answer(429, b'{"detail": "Too many requests"}', {"Retry-After": "3600"})
    with scripted_server(answer) as server, VoiceOps(server.url) as voiceops:
        with pytest.raises(TooManyRequests) as caught:
            voiceops.batches.get("b1")

        assert caught.value.retry_after == "3600"


def test_a_server_that_is_away_is_named() -> None:
    with scripted_server() as server:
        url = server.url

    with VoiceOps(url, retries=1) as voiceops, pytest.raises(ConnectionFailed, match=url):
        voiceops.batches.get("b1")


def test_an_address_that_is_none_is_refused_at_once() -> None:
    with pytest.raises(VoiceOpsError, match="must begin with https:// or http://: 'voiceops'"):
        VoiceOps("voiceops")


def test_what_a_newer_server_adds_is_read_and_kept() -> None:
    progress = {**example_of("/batches/{id}/progress"), "status": "levitating", "altitude": 3}
    progress["counts"]["floating"] = 1
    answer = Answer(body=json.dumps(progress).encode())
    with scripted_server(answer) as server, VoiceOps(server.url) as voiceops:
        read = voiceops.batches.progress("b1")

        assert read.status == "levitating"
        assert json.loads(read.to_json()) == progress


async def test_the_client_for_asyncio_retries_and_refuses_alike() -> None:
    busy = Answer(503, b"{}", {"Retry-After": "0"})
    duplicate = Answer(409, b'{"detail": "Email already registered"}')
    with scripted_server(busy, Answer(0), Answer(body=DETAIL), duplicate) as server:
        async with AsyncVoiceOps(server.url) as voiceops:
            await voiceops.auth.password_reset(email="ada@example.com")
            with pytest.raises(Conflict, match="Email already registered"):
                await voiceops.auth.register(email="ada@example.com", password="p" * 12)

        keys = [each.headers["Idempotency-Key"] for each in server.asked]
        assert len(set(keys[:3])) == 1
        assert keys[3] != keys[0]
