"""How an agent behaves on the telephone: settings that came after its first release."""

import json
from typing import Any

import pytest
from django.db import connection
from rest_framework.test import APIClient

from accounts.models import Workspace
from accounts.roles import Role
from agents.models import LATER_FIELDS, Agent, AgentVersion
from telephony.domain.agent_metadata import metadata_of
from tests import make
from tests.agents.test_agents import MINIMAL

CREDENTIAL = "Bearer of-the-calendar"
MASK = "********"
CALENDAR = {
    "type": "mcp",
    "name": "calendar",
    "url": "https://example.com/mcp",
    "headers": {"X-Shop": "7"},
    "secret_headers": {"Authorization": CREDENTIAL},
}
SETTINGS: dict[str, Any] = {
    "first_message_mode": "generate",
    "turn_taking": {"detection": "silence", "min_delay": 0.4, "max_delay": 3.0},
    "interruptions": {"enabled": True, "min_words": 2, "min_seconds": 0.3},
    "silence": {"remind_after_seconds": 8.0, "reminders": 2, "text": "Hello, {{name}}? "},
    "screening": {"identity": "Dr. Bell", "purpose": "Dates", "give_up_after_seconds": 9.0},
    "background": {"sound": "crowded_room", "volume": 1.0},
    "voicemail": {"action": "hang_up", "wait_for_end_seconds": 12.0, "detection": "along"},
    "llm": {
        "provider": "openai",
        "fallbacks": [{"provider": "groq", "model": "m", "temperature": 0.1, "top_p": 0.2}],
    },
    "stt": {"keyterms": ["VoiceOps"], "fallbacks": [{"provider": "aws"}]},
    "tts": {
        "pronunciation": [{"word": "Dr.", "say": "doctor"}],
        "fallbacks": [{"provider": "aws", "voice": "Joanna", "speed": 1.2}],
    },
    "tools": [
        {
            "type": "transfer_call",
            "name": "reception",
            "destinations": [{"name": "desk", "number": "+12025550123"}],
            "method": "join",
            "say_while_running": "One moment. ",
        },
        {"type": "opt_out", "name": "never_again"},
    ],
}


@pytest.fixture
def client(ours: Workspace) -> APIClient:
    return make.client(ours, Role.MANAGER)


def stored(table: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table}")  # noqa: S608 - named below
        return str(cursor.fetchall())


def test_every_setting_is_answered_and_reaches_the_voice_agent_as_written(
    ours: Workspace, client: APIClient
) -> None:
    created = client.post("/agents", {**MINIMAL, **SETTINGS})
    client.post(f"/agents/{created.json()['id']}/publish")
    version = AgentVersion.unscoped.get()

    metadata = json.loads(metadata_of(make.call(ours), version.config_with_secrets()))

    assert created.status_code == 201
    assert {name: created.json()[name] for name in SETTINGS} == SETTINGS
    assert {name: metadata["agent"][name] for name in SETTINGS} == SETTINGS


def test_agents_and_versions_of_an_earlier_release_behave_as_before(
    ours: Workspace, client: APIClient
) -> None:
    agent = make.agent(ours)
    version = agent.versions.get()
    AgentVersion.unscoped.filter(pk=version.pk).update(
        config={name: value for name, value in version.config.items() if name not in LATER_FIELDS}
    )
    Agent.unscoped.filter(pk=agent.pk).update(**dict.fromkeys(LATER_FIELDS))

    draft = client.get(f"/agents/{agent.pk}").json()
    published = client.get(f"/agents/{agent.pk}/versions").json()["items"][0]

    assert {name: draft[name] for name in LATER_FIELDS} == LATER_FIELDS
    assert {name: published[name] for name in LATER_FIELDS} == LATER_FIELDS


def test_rollback_to_a_version_of_an_earlier_release_takes_the_settings_back(
    ours: Workspace, client: APIClient
) -> None:
    agent = make.agent(ours)
    version = agent.versions.get()
    AgentVersion.unscoped.filter(pk=version.pk).update(
        config={name: value for name, value in version.config.items() if name not in LATER_FIELDS}
    )
    client.patch(f"/agents/{agent.pk}", {"first_message_mode": "wait", "silence": {"text": "?"}})

    back = client.post(f"/agents/{agent.pk}/rollback", {"version": 1}).json()

    assert {name: back[name] for name in LATER_FIELDS} == LATER_FIELDS


TURNS = "min_delay (3) is longer than max_delay (2.5)"
REMINDER = "silence_timeout_seconds (30) ends the call before the first reminder"
LONG = "ensure this value is less than or equal to"


@pytest.mark.parametrize(
    ("changes", "loc", "msg"),
    [
        ({"turn_taking": {"min_delay": 3}}, ["turn_taking", "min_delay"], TURNS),
        ({"turn_taking": {"max_delay": 31}}, ["turn_taking", "max_delay"], f"{LONG} 30"),
        (
            {"silence": {"remind_after_seconds": 30}},
            ["silence", "remind_after_seconds"],
            REMINDER,
        ),
        ({"interruptions": {"words": 1}}, ["interruptions", "words"], "extra fields not permitted"),
        ({"background": {"volume": 1.1}}, ["background", "volume"], f"{LONG} 1"),
        ({"screening": None}, ["screening"], "none is not an allowed value"),
        (
            {"llm": {"fallbacks": [{"model": "m"}]}},
            ["llm", "fallbacks", 0, "provider"],
            "field required",
        ),
        (
            {"stt": {"fallbacks": [{"provider": "aws", "fallbacks": []}]}},
            ["stt", "fallbacks", 0, "fallbacks"],
            "a fallback has no fallbacks of its own",
        ),
        ({"stt": {"keyterms": "VoiceOps"}}, ["stt", "keyterms"], "value is not a valid list"),
        (
            {"tts": {"pronunciation": [{"word": "a"}]}},
            ["tts", "pronunciation", 0, "say"],
            "field required",
        ),
        ({"tools": [{"type": "mcp", "name": "x"}]}, ["tools", 0, "url"], "field required"),
        (
            {"tools": [{"type": "opt_out", "name": "x", "destinations": []}]},
            ["tools", 0, "destinations"],
            "only transfer_call has destinations",
        ),
        (
            {"tools": [{"type": "webhook", "name": "x", "url": "https://a.b", "method": "join"}]},
            ["tools", 0, "method"],
            "only transfer_call has method",
        ),
        (
            {"tools": [{"type": "transfer_call", "name": "x", "method": "join"}]},
            ["tools", 0, "destinations"],
            "join needs destinations",
        ),
        (
            {"tools": [{**CALENDAR, "url": "https://169.254.169.254/mcp"}]},
            ["tools", 0, "url"],
            "the address must be public",
        ),
        (
            {"tools": [{"type": "dtmf", "name": "x", "secret_headers": {}}]},
            ["tools", 0, "secret_headers"],
            "only webhook and mcp have secret headers",
        ),
        (
            {"tools": [{**CALENDAR, "secret_headers": {"A B": "x"}}]},
            ["tools", 0, "secret_headers", "A B"],
            "this is no name of an HTTP header",
        ),
        (
            {"tools": [{**CALENDAR, "secret_headers": {"A": "x\r\nB: y"}}]},
            ["tools", 0, "secret_headers", "A"],
            "a header has no control characters",
        ),
        (
            {"tools": [{"type": "transfer_call", "name": "x", "destinations": [{"name": "a"}]}]},
            ["tools", 0, "destinations", 0, "number"],
            "field required",
        ),
    ],
)
def test_impossible_setting_is_refused_with_a_sentence(
    client: APIClient, changes: dict[str, Any], loc: list[Any], msg: str
) -> None:
    answer = client.post("/agents", {**MINIMAL, **changes})

    errors = [(error["loc"], error["msg"]) for error in answer.json()["detail"]]
    assert (answer.status_code, errors) == (422, [(["body", *loc], msg)])


def test_destination_that_is_no_number_is_refused(client: APIClient) -> None:
    destination = {"name": "desk", "number": "desk"}
    tool = {"type": "transfer_call", "name": "x", "destinations": [destination]}

    answer = client.post("/agents", {**MINIMAL, "tools": [tool]})

    assert (answer.status_code, answer.json()) == (400, {"detail": "Invalid phone number"})


def test_secret_header_is_masked_in_every_answer_and_kept_when_sent_back(
    ours: Workspace, client: APIClient
) -> None:
    masked = {**CALENDAR, "secret_headers": {"Authorization": MASK}}
    created = client.post("/agents", {**MINIMAL, "tools": [CALENDAR]}).json()
    url = f"/agents/{created['id']}"
    client.post(f"{url}/publish")

    put = client.put(url, {**created, "name": "New", "published_version": None}).json()

    agent = ours.agents.get()
    answers = [created, client.get(url).json(), put, client.get(f"{url}/versions").json()]
    copy = client.post(f"{url}/duplicate").json()
    assert (created["tools"], put["tools"], copy["tools"]) == ([masked], [masked], [masked])
    assert CREDENTIAL not in json.dumps(answers)
    assert agent.config()["tools"] == [CALENDAR]
    assert ours.agents.get(pk=copy["id"]).config()["tools"] == [CALENDAR]
    assert agent.versions.get().config_with_secrets()["tools"] == [CALENDAR]
    for table in ("agents_agent", "agents_agentversion"):
        assert "of-the-calendar" not in stored(table)


@pytest.mark.parametrize(
    "change",
    [{"name": "other"}, {"url": "https://thief.example/mcp"}, {"url": "http://example.com/mcp"}],
)
def test_masked_credential_is_never_sent_to_another_server_or_tool(
    ours: Workspace, client: APIClient, change: dict[str, Any]
) -> None:
    agent = make.agent(ours, tools=[CALENDAR])
    tool = {**CALENDAR, "secret_headers": {"Authorization": MASK}, **change}

    answer = client.patch(f"/agents/{agent.pk}", {"tools": [tool]})

    sentence = (
        f"The secret header Authorization of the tool {tool['name']} is not stored for this "
        "server; write its value"
    )
    assert (answer.status_code, answer.json()) == (400, {"detail": sentence})
    agent.refresh_from_db()
    assert agent.config()["tools"] == [CALENDAR]


def test_mask_in_a_new_agent_is_refused(client: APIClient) -> None:
    tool = {**CALENDAR, "secret_headers": {"Authorization": MASK}}

    answer = client.post("/agents", {**MINIMAL, "tools": [tool]})

    assert (answer.status_code, answer.headers["Error-Code"]) == (400, "secret_header_missing")


def test_options_of_fallbacks_are_encrypted(ours: Workspace) -> None:
    llm = {"provider": "a", "fallbacks": [{"provider": "b", "api_key": "of-the-fallback"}]}

    agent = make.agent(ours, llm=llm)

    assert agent.config()["llm"] == llm
    assert "of-the-fallback" not in stored("agents_agent")
