"""How a batch is followed when streams end, are not passed on, or the server is away."""

import json

import pytest

from tests.examples_of_answers import example_of
from tests.scripted_server import Answer, scripted_server
from voiceops import AsyncVoiceOps, NotFound, VoiceOps

STREAM = {"Content-Type": "text/event-stream; charset=utf-8"}


def progress(status: str) -> bytes:
    return json.dumps({**example_of("/batches/{id}/progress"), "status": status}).encode()


def events(*statuses: str) -> Answer:
    body = b"retry: 2000\n" + b"".join(b"data: " + progress(each) + b"\n\n" for each in statuses)
    return Answer(body=body, headers=STREAM)


def test_the_progress_is_streamed_until_the_batch_has_ended() -> None:
    with scripted_server(events("running", "completed")) as server:
        with VoiceOps(server.url) as voiceops:
            statuses = [each.status for each in voiceops.batches.watch("b1")]

        assert statuses == ["running", "completed"]
        assert server.asked[0].headers["Accept"].startswith("text/event-stream")


def test_a_stream_that_ends_early_is_opened_again() -> None:
    half = Answer(body=b"data: " + progress("running")[:20], headers=STREAM)
    answers = events("running"), Answer(0), half, events("completed")
    with scripted_server(*answers) as server, VoiceOps(server.url) as voiceops:
        statuses = [each.status for each in voiceops.batches.watch("b1", poll_seconds=0)]

        assert statuses == ["running", "completed"]


def test_where_no_stream_is_passed_on_the_batch_is_asked_for_again_and_again() -> None:
    answers = [Answer(body=progress(each)) for each in ("running", "paused", "stopped")]
    with scripted_server(*answers) as server, VoiceOps(server.url) as voiceops:
        statuses = [each.status for each in voiceops.batches.watch("b1", poll_seconds=0)]

        assert statuses == ["running", "paused", "stopped"]


def test_a_batch_that_does_not_exist_ends_the_watch() -> None:
    answer = Answer(404, b'{"detail": "Batch not found"}')
    with scripted_server(answer) as server, VoiceOps(server.url) as voiceops:
        watch = voiceops.batches.watch("b1")

        with pytest.raises(NotFound, match="Batch not found"):
            next(watch)


async def test_the_client_for_asyncio_follows_alike() -> None:
    answers = events("running"), Answer(0), Answer(body=progress("paused")), events("completed")
    with scripted_server(*answers) as server:
        async with AsyncVoiceOps(server.url) as voiceops:
            watch = voiceops.batches.watch("b1", poll_seconds=0)
            statuses = [each.status async for each in watch]

        assert statuses == ["running", "paused", "completed"]
