import asyncio
import json
from typing import Any

import jwt
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from voice.providers.registry import PROVIDERS, needed_providers
from voice.settings import EXAMPLE_KEY, EXAMPLE_SECRET, read_settings
from voice.worker.abilities import describe_worker, report_abilities


def part_of(worker: dict[str, Any], name: str, kind: str) -> dict[str, Any]:
    provider = next(item for item in worker["providers"] if item["name"] == name)
    found: dict[str, Any] = next(part for part in provider["parts"] if part["kind"] == kind)
    return found


def test_it_reports_which_keys_there_are_and_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPGRAM_API_KEY", "a-key-that-is-secret")

    worker = describe_worker(read_settings({"VOICE_MAX_CALLS": "4"}))

    assert [provider["name"] for provider in worker["providers"]] == [*PROVIDERS]
    assert (worker["max_calls"], worker["default_provider"]) == (4, "local")
    ready = {"kind": "stt", "has_package": True, "models": None, "languages": None}
    assert part_of(worker, "deepgram", "stt") == {**ready, "has_keys": True}
    assert part_of(worker, "elevenlabs", "stt") == {**ready, "has_keys": False}
    assert part_of(worker, "local", "stt")["languages"] == ["en"]
    assert "pocketsphinx" in part_of(worker, "local", "stt")["models"]
    assert "secret" not in json.dumps(worker)


def test_a_local_part_without_an_engine_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voice.providers.local_abilities._has", lambda package: False)
    monkeypatch.setattr("voice.providers.local_abilities.has_whisper", lambda: False)

    worker = describe_worker(read_settings({}))

    assert part_of(worker, "local", "stt")["has_package"] is False
    assert part_of(worker, "local", "llm")["has_package"] is True


def test_fallbacks_are_needed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICE_DEFAULT_PROVIDER", "groq")
    agent = {"llm": {"fallbacks": [{"provider": "openai"}]}, "tts": {"provider": "elevenlabs"}}

    assert needed_providers(agent) == [
        ("groq", "llm"),
        ("openai", "llm"),
        ("groq", "stt"),
        ("elevenlabs", "tts"),
    ]


async def test_the_report_is_signed_and_a_refusal_is_a_sentence() -> None:
    got: list[Any] = []

    async def receive(request: web.Request) -> web.Response:
        got.append((request.headers["Authorization"], await request.read()))
        return web.json_response({}, status=200 if len(got) == 1 else 401)

    application = web.Application()
    application.router.add_post("/voice-workers/report", receive)
    async with TestServer(application) as server:
        settings = read_settings({"PUBLIC_URL": str(server.make_url("/"))})
        stored = await asyncio.to_thread(report_abilities, settings)
        refused = await asyncio.to_thread(report_abilities, settings)
    unreachable = await asyncio.to_thread(report_abilities, settings)

    token, body = got[0]
    assert stored is None
    assert refused == f"VoiceOps at {settings.public_url} has another LIVEKIT_API_SECRET"
    assert unreachable is not None
    assert unreachable.startswith(f"VoiceOps at {settings.public_url} cannot be reached: ")
    assert jwt.decode(token, EXAMPLE_SECRET, ["HS256"])["iss"] == EXAMPLE_KEY
    assert json.loads(body) == json.loads(json.dumps(describe_worker(settings)))
