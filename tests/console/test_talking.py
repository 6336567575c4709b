"""Talking with an agent from the browser."""

import jwt
import pytest
from pytest_django import Settings

from accounts.models import AuditEntry, Workspace
from accounts.roles import Role
from agents.models import Agent
from console.views.talking import livekit_sources
from telephony.models import Call
from tests import make
from tests.console.browsers import reader, text_of
from tests.sandbox_server import RunningSandbox


def test_page_may_connect_to_livekit_and_to_nothing_else(
    ours: Workspace, settings: Settings
) -> None:
    settings.USES_SANDBOX, settings.LIVEKIT_URL = False, "https://livekit.clinic.example:7443"
    agent = make.agent(ours)
    browser = reader(make.member(ours, Role.MANAGER))

    page = browser.get(f"/console/agents/{agent.pk}/talk")
    other = browser.get(f"/console/agents/{agent.pk}")

    allowed = (
        "connect-src 'self' wss://livekit.clinic.example:7443 https://livekit.clinic.example:7443"
    )
    assert page["Content-Security-Policy"].endswith(f"; {allowed}")
    assert "connect-src" not in other["Content-Security-Policy"]
    assert "Start talking" in text_of(page)
    assert "vendor/livekit/livekit-client.umd.js" in page.content.decode()


@pytest.mark.parametrize(
    ("url", "sources"),
    [
        ("http://127.0.0.1:7880", ["ws://127.0.0.1:7880", "http://127.0.0.1:7880"]),
        (
            "wss://clinic.livekit.cloud",
            [
                *("wss://clinic.livekit.cloud", "https://clinic.livekit.cloud"),
                *("wss://*.livekit.cloud", "https://*.livekit.cloud"),
            ],
        ),
    ],
)
def test_sources_are_livekits(url: str, sources: list[str]) -> None:
    assert livekit_sources(url) == sources


def test_the_token_opens_one_room_for_whoever_ordered_the_call(
    ours: Workspace, box: RunningSandbox
) -> None:
    agent = make.agent(ours)
    user = make.member(ours, Role.MANAGER)

    answer = reader(user).post(f"/console/agents/{agent.pk}/talk", {"variable-first_name": "Ada"})

    call = Call.unscoped.get()
    opened = answer.json()
    claims = jwt.decode(opened.pop("token"), options={"verify_signature": False})
    assert opened == {
        "url": box.url.replace("http", "ws"),
        "call_url": f"/console/calls/{call.pk}",
    }
    assert (claims["sub"], claims["video"]["room"]) == (f"callee-{call.pk}", call.room)
    assert call.variables == {"first_name": "Ada"}
    assert answer["Cache-Control"] == "no-store"
    assert AuditEntry.unscoped.get(action="call.opened_in_browser").actor_id == user.pk


def test_a_refusal_is_a_sentence(ours: Workspace) -> None:
    agent = make.agent(ours)
    Agent.unscoped.filter(pk=agent.pk).update(published_version=None)
    browser = reader(make.member(ours, Role.MANAGER))

    answer = browser.post(f"/console/agents/{agent.pk}/talk")

    assert answer.status_code == 422
    assert answer.json() == {"problem": "Agent is not published."}


def test_the_sandbox_says_that_it_carries_no_sound(ours: Workspace) -> None:
    browser = reader(make.member(ours, Role.MANAGER))

    text = text_of(browser.get(f"/console/agents/{make.agent(ours).pk}/talk"))

    assert "whose calls carry no sound" in text
    assert "Start talking" not in text
