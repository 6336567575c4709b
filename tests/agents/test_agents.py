from typing import Any

import pytest
import time_machine

from accounts.models import AuditEntry, Workspace
from accounts.roles import Role
from agents.models import Agent
from tests import make

NOW = "2026-11-23T12:00:00Z"
NOT_FOUND = {"detail": "Agent not found"}
MINIMAL = {"name": "Reception", "system_prompt": "Be kind."}
DEFAULTS: dict[str, Any] = {
    "first_message": "",
    "language": "en-US",
    "llm": {},
    "stt": {},
    "tts": {},
    "tools": [],
    "variables": [],
    "voicemail": {"action": "hang_up"},
    "max_call_duration_seconds": 600,
    "silence_timeout_seconds": 30,
    "ringing_timeout_seconds": 30,
    "recording_enabled": True,
    "analysis": {},
    "dispositions": [],
    "first_message_mode": "speak",
    "turn_taking": {},
    "interruptions": {},
    "silence": {},
    "screening": {},
    "background": {},
}
FULL: dict[str, Any] = {
    "name": "Reminder",
    "system_prompt": "Remind {{first_name}} of {{day}}.\n",
    "first_message": "Hello {{first_name}}!",
    "language": "de-CH",
    "llm": {"provider": "openai", "model": "gpt-4.1", "temperature": 0.3, "top_p": 0.9},
    "stt": {"provider": "deepgram", "model": "nova-3", "keyterms": ["VoiceOps"]},
    "tts": {"provider": "cartesia", "model": "sonic", "voice": "ada", "speed": 1.1},
    "tools": [
        {
            "type": "webhook",
            "name": "book",
            "description": "Book a slot",
            "parameters": {"type": "object", "properties": {"day": {"type": "string"}}},
            "url": "https://example.com/book",
            "headers": {"X-Shop": "7"},
            "timeout_seconds": 5,
        },
        {"type": "end_call", "name": "hang_up"},
    ],
    "variables": [{"name": "first_name", "required": True}, {"name": "day", "default": "tomorrow"}],
    "voicemail": {"action": "leave_message", "message": "Please call back."},
    "max_call_duration_seconds": 300,
    "silence_timeout_seconds": 15,
    "ringing_timeout_seconds": 45,
    "recording_enabled": False,
    "analysis": {"summary": True, "fields": [{"name": "mood", "type": "string"}]},
    "dispositions": [
        {"name": "later", "label": "Later", "consequence": {"type": "retry", "delay_minutes": 30}}
    ],
    "first_message_mode": "wait",
    "turn_taking": {"detection": "model", "max_delay": 2},
    "interruptions": {"enabled": False},
    "silence": {"remind_after_seconds": 5, "reminders": 2, "text": "Hello?"},
    "screening": {"identity": "VoiceOps", "purpose": "{{day}}"},
    "background": {"sound": "office_ambience", "volume": 0.2},
}


def agent_body(agent: Agent, **changes: Any) -> dict[str, Any]:
    """The API's body of an agent with default settings."""
    body = {"id": str(agent.pk), **MINIMAL, **DEFAULTS, "version": 1, "published_version": None}
    return {**body, "created_at": NOW, "updated_at": NOW, **changes}


@time_machine.travel(NOW, tick=False)
def test_create_fills_in_the_defaults(ours: Workspace) -> None:
    response = make.client(ours, Role.MANAGER).post("/agents", MINIMAL)

    assert response.status_code == 201
    assert response.json() == agent_body(ours.agents.get())


@time_machine.travel(NOW, tick=False)
def test_create_stores_every_field(ours: Workspace) -> None:
    client = make.client(ours, Role.MANAGER)

    created = client.post("/agents", FULL)

    agent = ours.agents.get()
    assert (created.status_code, created.json()) == (201, agent_body(agent, **FULL))
    assert client.get(f"/agents/{agent.pk}").json() == created.json()


def test_create_names_every_missing_field(ours: Workspace) -> None:
    body = {"tools": [{"type": "dtmf"}, {"name": "x"}], "variables": [{"required": True}]}

    response = make.client(ours).post("/agents", body)

    places: list[list[str | int]] = [
        ["name"],
        ["system_prompt"],
        ["tools", 0, "name"],
        ["tools", 1, "type"],
        ["variables", 0, "name"],
    ]
    missing = {"msg": "field required", "type": "value_error.missing"}
    assert response.status_code == 422
    assert response.json() == {"detail": [{"loc": ["body", *place], **missing} for place in places]}


@pytest.mark.parametrize(
    ("changes", "loc", "msg", "kind"),
    [
        ({"name": 7}, ["name"], "str type expected", "type_error.str"),
        (
            {"system_prompt": " \n"},
            ["system_prompt"],
            "ensure this value has at least 1 characters",
            "value_error.any_str.min_length",
        ),
        (
            {"ringing_timeout_seconds": 14},
            ["ringing_timeout_seconds"],
            "ensure this value is greater than or equal to 15",
            "value_error.number.not_ge",
        ),
        (
            {"ringing_timeout_seconds": 61},
            ["ringing_timeout_seconds"],
            "ensure this value is less than or equal to 60",
            "value_error.number.not_le",
        ),
        (
            {"recording_enabled": "yes"},
            ["recording_enabled"],
            "value could not be parsed to a boolean",
            "type_error.bool",
        ),
        ({"llm": []}, ["llm"], "value is not a valid dict", "type_error.dict"),
        (
            {"llm": {"temperature": "hot"}},
            ["llm", "temperature"],
            "value is not a valid float",
            "type_error.float",
        ),
        ({"tools": {}}, ["tools"], "value is not a valid list", "type_error.list"),
        (
            {"tools": [{"type": "fax", "name": "x"}]},
            ["tools", 0, "type"],
            "value is not a valid enumeration member; "
            "permitted: 'webhook', 'end_call', 'transfer_call', 'dtmf', 'mcp', 'opt_out'",
            "type_error.enum",
        ),
        (
            {"tools": [{"type": "dtmf", "name": "x", "colour": 1}]},
            ["tools", 0, "colour"],
            "extra fields not permitted",
            "value_error.extra",
        ),
        (
            {"tools": [{"type": "webhook", "name": "x", "url": "ftp://example.com"}]},
            ["tools", 0, "url"],
            "invalid or missing URL scheme",
            "value_error.url.scheme",
        ),
        (
            {"variables": [{"name": "a"}, {"name": "a"}]},
            ["variables", 1, "name"],
            "this name is given twice",
            "value_error",
        ),
        (
            {"variables": [{"name": "a}}"}]},
            ["variables", 0, "name"],
            "a variable's name has no braces",
            "value_error",
        ),
        (
            {"voicemail": None},
            ["voicemail"],
            "none is not an allowed value",
            "type_error.none.not_allowed",
        ),
        (
            {"language": "English (US)"},
            ["language"],
            "invalid language, expected a BCP 47 tag such as en-US",
            "value_error",
        ),
        (
            {"analysis": {"fields": ["mood"]}},
            ["analysis", "fields", 0],
            "value is not a valid dict",
            "type_error.dict",
        ),
        ({"colour": "red"}, ["colour"], "extra fields not permitted", "value_error.extra"),
    ],
)
def test_invalid_field_is_refused(
    ours: Workspace, changes: dict[str, Any], loc: list[Any], msg: str, kind: str
) -> None:
    response = make.client(ours).post("/agents", {**MINIMAL, **changes})

    assert response.status_code == 422
    assert response.json() == {"detail": [{"loc": ["body", *loc], "msg": msg, "type": kind}]}
    assert not ours.agents.exists()


def test_member_can_read_but_not_write(ours: Workspace) -> None:
    agent = make.agent(ours)
    client = make.client(ours, Role.MEMBER)

    answers = [
        client.post("/agents", {}),
        client.put(f"/agents/{agent.pk}", {}),
        client.patch(f"/agents/{agent.pk}", {}),
        client.delete(f"/agents/{agent.pk}"),
        client.post(f"/agents/{agent.pk}/publish"),
        client.post(f"/agents/{agent.pk}/rollback", {}),
        client.post(f"/agents/{agent.pk}/duplicate"),
    ]

    assert {(a.status_code, a.json()["detail"]) for a in answers} == {
        (403, "Insufficient permissions")
    }
    assert client.get(f"/agents/{agent.pk}").status_code == 200


@time_machine.travel(NOW, tick=False)
def test_patch_changes_given_fields_and_replaces_nested_objects(ours: Workspace) -> None:
    agent = ours.agents.create(**FULL)

    response = make.client(ours).patch(
        f"/agents/{agent.pk}", {"name": "New", "llm": {"model": "other"}}
    )

    assert response.status_code == 200
    assert response.json() == agent_body(
        agent, **{**FULL, "name": "New", "llm": {"model": "other"}}
    )


@time_machine.travel(NOW, tick=False)
def test_put_resets_missing_fields_to_their_defaults(ours: Workspace) -> None:
    agent = ours.agents.create(**FULL)

    response = make.client(ours).put(f"/agents/{agent.pk}", MINIMAL)

    assert response.status_code == 200
    assert response.json() == agent_body(agent)


def test_body_that_was_read_can_be_sent_back(ours: Workspace) -> None:
    client = make.client(ours)
    before = client.post("/agents", FULL).json()

    after = client.put(f"/agents/{before['id']}", before)

    assert (after.status_code, after.json()) == (200, before)


@pytest.mark.parametrize("agent_id", ["x", "1", "01a20acb-0954-75ed-8cc6-4f54aab43b0b"])
def test_unknown_agent_is_not_found(ours: Workspace, agent_id: str) -> None:
    response = make.client(ours).get(f"/agents/{agent_id}")

    assert (response.status_code, response.json()) == (404, NOT_FOUND)


@pytest.mark.parametrize("rows", [1, 3])
def test_list_needs_the_same_queries_for_any_number_of_agents(
    ours: Workspace, theirs: Workspace, rows: int, django_assert_num_queries: Any
) -> None:
    made = [make.agent(ours) for _ in range(rows)]
    make.agent(theirs)
    client = make.client(ours)
    client.get("/agents")

    with django_assert_num_queries(2):  # key, page with its total
        body = client.get("/agents").json()

    assert [item["id"] for item in body["items"]] == [str(agent.pk) for agent in reversed(made)]
    assert (body["total"], body["total_pages"]) == (rows, 1)


def test_list_can_be_searched_and_sorted_by_name(ours: Workspace) -> None:
    for name in ("Beta agent", "Alpha agent", "Other"):
        make.agent(ours, name=name)

    body = make.client(ours).get("/agents?search=AGENT&sort=name").json()

    assert [item["name"] for item in body["items"]] == ["Alpha agent", "Beta agent"]


def test_every_change_is_audited(ours: Workspace) -> None:
    client = make.client(ours, Role.MANAGER)
    agent_id = client.post("/agents", MINIMAL).json()["id"]

    client.post(f"/agents/{agent_id}/publish")
    client.patch(f"/agents/{agent_id}", {"name": "New"})
    client.post(f"/agents/{agent_id}/rollback", {"version": 1})
    client.delete(f"/agents/{agent_id}")

    entries = AuditEntry.unscoped.filter(object_id=agent_id).order_by("pk")
    assert [(entry.action, entry.changes) for entry in entries] == [
        ("agent.created", {"name": "Reception"}),
        ("agent.published", {"version": 1}),
        ("agent.updated", {"fields": ["name"]}),
        ("agent.rolled_back", {"version": 1}),
        ("agent.deleted", {"name": "Reception"}),
    ]
    assert {(entry.workspace_id, entry.actor_type) for entry in entries} == {(ours.pk, "api_key")}


def test_webhook_tool_without_url_and_message_without_words_are_refused(ours: Workspace) -> None:
    body = {
        **FULL,
        "tools": [{"type": "webhook", "name": "book"}],
        "voicemail": {"action": "leave_message", "message": " "},
    }

    response = make.client(ours).post("/agents", body)

    assert response.status_code == 422
    assert [(error["loc"], error["msg"]) for error in response.json()["detail"]] == [
        (["body", "tools", 0, "url"], "field required"),
        (["body", "voicemail", "message"], "leave_message needs a message"),
    ]
