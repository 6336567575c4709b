"""What voice workers report, and the warnings that agents get from it."""

import base64
import hashlib
import json
import time
from datetime import timedelta
from typing import Any

import jwt
import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Workspace
from accounts.roles import Role
from agents.models import Agent, VoiceWorker
from agents.voice_workers import (
    FRESH_REPORT_AGE,
    KEPT_REPORT_AGE,
    find_speech_warnings,
    list_voice_workers,
)
from ops.checking.voice_checks import check_voice_workers
from tests import make
from tests.console.browsers import reader, text_of

URL = "/voice-workers/report"
REPORT = {
    "name": "voice-1:8081",
    "agent_name": "voiceops",
    "version": "1.8.9",
    "max_calls": 10,
    "default_provider": "local",
    "providers": [make.provider("local"), make.provider("elevenlabs", has_keys=False)],
}
SILENT = {"llm": {}, "stt": {}, "tts": {"provider": "elevenlabs"}, "language": "en-US"}
NO_KEY = "No voice worker here speaks elevenlabs (tts): its key is missing"


def report(body: Any, *, secret: str = "", hashed: bytes | None = None, **claims: Any) -> Any:
    """Send a report, signed as the worker signs it."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    digest = base64.b64encode(hashlib.sha256(data if hashed is None else hashed).digest())
    values = {
        "iss": settings.LIVEKIT_API_KEY,
        "exp": time.time() + 60,
        "sha256": digest.decode(),
        **claims,
    }
    token = jwt.encode(values, secret or settings.LIVEKIT_API_SECRET, "HS256")
    return Client().post(URL, data, content_type="application/json", HTTP_AUTHORIZATION=token)


def warnings(config: dict[str, Any], *providers: dict[str, Any]) -> list[str]:
    worker = VoiceWorker(default_provider="local", providers=list(providers))
    return find_speech_warnings({"language": "en-US", **config}, [worker])


@pytest.mark.django_db
def test_the_latest_report_of_each_worker_is_kept() -> None:
    first = report(REPORT)
    again = report({**REPORT, "max_calls": 4, "of_a_later_release": True})
    other = report({**REPORT, "name": "voice-2:8081"})

    assert [(each.status_code, each.json()) for each in (first, again, other)] == [
        (200, {"detail": "Received"})
    ] * 3
    assert [(each.name, each.max_calls) for each in list_voice_workers()] == [
        ("voice-1:8081", 4),
        ("voice-2:8081", 10),
    ]
    assert list_voice_workers()[0].providers == REPORT["providers"]


@pytest.mark.django_db
def test_only_who_has_the_key_of_livekit_reports() -> None:
    forged = [
        report(REPORT, secret="x" * 40),
        report(REPORT, hashed=b"another body"),
        report(REPORT, exp=time.time() - 3600),
        report(REPORT, iss="somebody"),
        Client().post(URL, json.dumps(REPORT), content_type="application/json"),
    ]

    assert {answer.status_code for answer in forged} == {401}
    assert not VoiceWorker.objects.exists()


@pytest.mark.django_db
def test_a_bad_report_is_refused_with_its_place() -> None:
    wrong = report({**REPORT, "max_calls": "many", "providers": [{"name": "local", "parts": 1}]})

    assert wrong.status_code == 422
    assert [error["loc"] for error in wrong.json()["detail"]] == [
        ["body", "max_calls"],
        ["body", "providers", 0, "parts"],
    ]
    assert report(b"{").json() == {"detail": "Malformed request body"}
    assert report(b"x" * 200_000).status_code == 413
    assert not VoiceWorker.objects.exists()


@pytest.mark.django_db
def test_workers_that_are_silent_count_until_another_is_heard_and_are_forgotten() -> None:
    now = timezone.now()
    make.voice_worker(name="gone", reported_at=now - KEPT_REPORT_AGE - timedelta(hours=1))
    make.voice_worker(name="resting", reported_at=now - FRESH_REPORT_AGE - timedelta(hours=1))
    make.voice_worker(name="elsewhere", agent_name="other")

    before = [worker.name for worker in list_voice_workers()]
    report(REPORT)

    assert before == ["gone", "resting"]
    assert [worker.name for worker in list_voice_workers()] == ["voice-1:8081"]
    assert not VoiceWorker.objects.filter(name="gone").exists()


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, []),
        ({"tts": {"provider": "whispers"}}, ["whispers (tts): it is not known there"]),
        ({"llm": {"provider": "ears"}}, ["ears (llm): it has no such part"]),
        ({"tts": {"provider": "keyless"}}, ["keyless (tts): its key is missing"]),
        ({"stt": {"provider": "bare"}}, ["bare (stt): its package is not installed"]),
        ({"stt": {"provider": "ears", "model": "whisper"}}, ["ears (stt) with the model whisper"]),
        ({"stt": {"provider": "ears", "model": "small"}, "language": "en-GB"}, []),
        ({"stt": {"provider": "ears"}, "language": "de-DE"}, ["ears (stt) in de-DE"]),
        (
            {"llm": {"fallbacks": [{"provider": "local"}, {"provider": "keyless"}]}},
            ["keyless (llm): its key is missing"],
        ),
    ],
)
def test_each_part_that_is_not_spoken_is_a_sentence(
    config: dict[str, Any], expected: list[str]
) -> None:
    ears = make.provider("ears", models=["small"], languages=["en"])
    ears["parts"] = [part for part in ears["parts"] if part["kind"] == "stt"]
    found = warnings(
        config,
        make.provider("local"),
        make.provider("keyless", has_keys=False),
        make.provider("bare", has_package=False, has_keys=False),
        ears,
    )

    assert found == [f"No voice worker here speaks {text}" for text in expected]


def test_the_worker_that_comes_nearest_is_quoted_and_one_must_speak_everything() -> None:
    local, keyless = make.provider("local"), make.provider("elevenlabs", has_keys=False)
    ears = VoiceWorker(default_provider="ears", providers=[make.provider("ears")])
    mouth = VoiceWorker(default_provider="local", providers=[local, keyless])
    split = {"stt": {"provider": "ears"}, "tts": {"provider": "local"}}

    assert find_speech_warnings(SILENT, [ears, mouth]) == [NO_KEY]
    assert find_speech_warnings(split, [ears, mouth]) == [
        "No voice worker here speaks all of ears (stt), local (tts)"
    ]
    assert find_speech_warnings(SILENT, []) == []


def test_publishing_warns_and_publishes(ours: Workspace) -> None:
    agent = make.agent(ours, published=False, tts={"provider": "elevenlabs"})
    manager = make.client(ours, Role.MANAGER)
    unknown = manager.get(f"/agents/{agent.pk}/warnings").json()
    report(REPORT)

    published = manager.post(f"/agents/{agent.pk}/publish")
    rolled_back = manager.post(f"/agents/{agent.pk}/rollback", {"version": 1})
    warned = make.client(ours, Role.MEMBER).get(f"/agents/{agent.pk}/warnings").json()
    manager.patch(f"/agents/{agent.pk}", {"tts": {"provider": "local"}})
    mended = manager.post(f"/agents/{agent.pk}/publish").json()

    assert unknown == {"warnings": []}
    assert warned == {"warnings": [NO_KEY]}
    assert published.status_code == 200
    assert published.json()["warnings"] == rolled_back.json()["warnings"] == [NO_KEY]
    assert "warnings" not in mended
    assert (mended["version"], mended["published_version"]) == (2, 2)


def test_the_page_and_the_dialog_of_an_agent_warn(ours: Workspace) -> None:
    agent = make.agent(ours, published=False, tts={"provider": "elevenlabs"})
    report(REPORT)

    page = text_of(reader(make.member(ours, Role.MANAGER)).get(f"/console/agents/{agent.pk}"))

    assert page.count(f"{NO_KEY}.") == 2


def test_published_versions_that_no_worker_can_play_are_listed(
    ours: Workspace, theirs: Workspace
) -> None:
    spoken = make.agent(ours, name="Spoken")
    agents = [make.agent(ours, name=name, tts={"provider": "elevenlabs"}) for name in "AB"]
    make.agent(ours, published=False, tts={"provider": "elevenlabs"})
    make.agent(theirs, tts={"provider": "elevenlabs"})
    client = make.client(ours, Role.MEMBER)
    unknown = client.get("/agents/published-warnings").json()
    report(REPORT)
    manager = make.client(ours, Role.MANAGER)
    for agent in (spoken, *agents):  # drafts, which no call uses
        tts = {"provider": "local" if agent is agents[0] else "whispers"}
        manager.patch(f"/agents/{agent.pk}", {"tts": tts})

    with CaptureQueriesContext(connection) as of_two:
        listed = client.get("/agents/published-warnings").json()
    with CaptureQueriesContext(connection) as of_one:
        chosen = client.get(f"/agents/published-warnings?agent_id={agents[0].pk}").json()

    rows = [
        {"agent_id": str(agent.pk), "name": agent.name, "version": 1, "warnings": [NO_KEY]}
        for agent in agents
    ]
    rest = {"page": 1, "page_size": 50, "total_pages": 1}
    assert unknown == {"items": [], "total": 0, **rest, "total_pages": 0}
    assert listed == {"items": rows[::-1], "total": 2, **rest}
    assert chosen == {"items": rows[:1], "total": 1, **rest}
    assert len(of_two) == len(of_one)


def test_pages_warn_of_the_published_version_beside_the_draft(ours: Workspace) -> None:
    agent = make.agent(ours, tts={"provider": "elevenlabs"})
    report(REPORT)
    make.client(ours, Role.MANAGER).patch(f"/agents/{agent.pk}", {"tts": {"provider": "whispers"}})
    browser = reader(make.member(ours, Role.MEMBER))
    staff = Client()
    staff.force_login(make.user(is_staff=True, is_superuser=True))
    draft = "No voice worker here speaks whispers (tts): it is not known there"

    page = text_of(browser.get(f"/console/agents/{agent.pk}"))
    home = text_of(browser.get("/"))
    panel = text_of(staff.get(f"/admin/agents/agent/{agent.pk}/change/"))
    overview = text_of(staff.get("/admin/"))

    for text in (page, panel):
        assert f"Version 1, which talks on calls : {NO_KEY}" in text
        assert f"The draft : {draft}" in text
    assert f"Reception (Version 1): {NO_KEY}." in home
    assert f": Reception : version 1, which talks on calls: {NO_KEY}" in overview


def test_the_doctor_names_workers_and_agents_that_they_cannot_play(ours: Workspace) -> None:
    assert list(check_voice_workers()) == []
    make.agent(ours, name="Reception", tts={"provider": "elevenlabs"})
    report(REPORT)

    assert [str(finding) for finding in check_voice_workers()] == [
        "ok      voice       voice-1:8081 (0 s ago) speaks local",
        f"warning voice       {NO_KEY}, which Reception needs. Fix: set the keys where the worker "
        "runs: python -m voice doctor names them",
    ]


def test_staff_who_publish_are_warned(ours: Workspace) -> None:
    staff = Client()
    staff.force_login(make.user(is_staff=True, is_superuser=True))
    agent = make.agent(ours, published=False, tts={"provider": "elevenlabs"})
    report(REPORT)
    order = {"action": "publish", "_selected_action": [str(agent.pk)]}

    page = staff.post("/admin/agents/agent/", order, follow=True)

    assert NO_KEY in page.content.decode()
    assert Agent.unscoped.get(pk=agent.pk).published_version == 1
