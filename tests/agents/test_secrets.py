"""Secrets of agents: returned by the API as they were written, and never stored in plain text."""

import base64
import os
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection
from pytest_django import Settings
from rest_framework.test import APIClient

from accounts.models import Workspace
from accounts.roles import Role
from agents import secrets
from agents.models import Agent, AgentVersion
from tests import make
from voiceops.core import crypto

SECRET = "Bearer s3cret-of-the-shop"
HEADERS = {"Authorization": SECRET, "X-Empty": ""}
TOOLS: list[dict[str, Any]] = [
    {"type": "end_call", "name": "hang_up"},
    {"type": "webhook", "name": "book", "url": "https://example.com/book", "headers": HEADERS},
    {"type": "webhook", "name": "open", "url": "https://example.com/open", "headers": {}},
]
LLM = {
    "provider": "custom",
    "model": "m",
    "temperature": 0.2,
    "api_key": SECRET,
    "top_p": 0.9,
    "stop": [SECRET],
}
BODY = {"name": "Shop", "system_prompt": "Sell.", "tools": TOOLS, "llm": LLM}
migration = import_module("agents.migrations.0002_seal_secrets")


@pytest.fixture
def client(ours: Workspace) -> APIClient:
    return make.client(ours, Role.MANAGER)


@pytest.fixture
def url(client: APIClient) -> str:
    """The URL of an agent with secrets, published as version 1."""
    url = f"/agents/{client.post('/agents', BODY).json()['id']}"
    client.post(f"{url}/publish")
    return url


def stored() -> str:
    """The contents of both tables."""
    with connection.cursor() as cursor:
        rows = ""
        for table in ("agents_agent", "agents_agentversion"):
            cursor.execute(f"SELECT * FROM {table}")  # noqa: S608 - named above
            rows += str(cursor.fetchall())
    return rows


@pytest.mark.parametrize("role", [Role.MEMBER, Role.MANAGER])
def test_every_member_reads_secrets_as_written(ours: Workspace, url: str, role: Role) -> None:
    body = make.client(ours, role).get(url).json()

    assert (body["tools"], body["llm"]) == (TOOLS, LLM)
    assert SECRET not in stored()


def test_body_can_be_read_and_put_back_unchanged(client: APIClient, url: str) -> None:
    body = client.get(url).json()
    read_only = ("id", "version", "published_version", "created_at", "updated_at")

    answer = client.put(url, {name: value for name, value in body.items() if name not in read_only})

    assert answer.json() == body


def test_changed_header_makes_a_new_draft(client: APIClient, url: str) -> None:
    tools = [{**TOOLS[1], "headers": {"Authorization": "Bearer another"}}]

    answer = client.patch(url, {"tools": tools}).json()

    assert (answer["tools"], answer["version"], answer["published_version"]) == (tools, 2, 1)
    assert client.get(f"{url}/versions").json()["items"][0]["tools"] == TOOLS
    assert "another" not in stored()


def test_versions_rollbacks_and_copies_keep_secrets(client: APIClient, url: str) -> None:
    client.patch(url, {"tools": [], "llm": {}})
    client.post(f"{url}/publish")

    back = client.post(f"{url}/rollback", {"version": 1}).json()
    copy = client.post(f"{url}/duplicate").json()

    assert (back["tools"], back["llm"], back["version"]) == (TOOLS, LLM, 1)
    assert (copy["tools"], copy["llm"]) == (TOOLS, LLM)
    assert client.get(f"/agents/{copy['id']}").json() == copy
    assert SECRET not in stored()
    tokens = [
        *Agent.unscoped.values_list("sealed", flat=True),
        *AgentVersion.unscoped.values_list("sealed", flat=True),
    ]
    assert len(set(tokens)) == 4  # one is empty because version 2 has no secret
    assert tokens.count("") == 1


def test_agent_without_secrets_stores_none(ours: Workspace) -> None:
    agent = make.agent(ours, llm={"provider": "openai", "model": "gpt-4.1"}, tools=[TOOLS[0]])

    assert (agent.sealed, agent.config()["tools"]) == ("", [TOOLS[0]])


def test_secrets_copied_to_another_row_cannot_be_read(ours: Workspace, url: str) -> None:
    other = make.agent(make.workspace())
    Agent.unscoped.filter(pk=other.pk).update(sealed=ours.agents.get().sealed)
    other.refresh_from_db()

    with pytest.raises(crypto.DecryptError):
        other.config()


def test_key_rotation_covers_agents_and_versions(
    client: APIClient, url: str, settings: Settings
) -> None:
    new = base64.urlsafe_b64encode(os.urandom(32)).decode()
    settings.FIELD_ENCRYPTION_KEYS = [new, *settings.FIELD_ENCRYPTION_KEYS]

    call_command("rotate_keys")

    settings.FIELD_ENCRYPTION_KEYS = [new]
    assert client.get(url).json()["tools"] == TOOLS
    assert client.get(f"{url}/versions").json()["items"][0]["llm"] == LLM


def test_migration_encrypts_secrets_and_can_be_reversed(ours: Workspace) -> None:
    draft = {**make.agent(ours, published=False).config(), **BODY}
    agent = Agent.unscoped.create(workspace=ours, **draft)
    version = AgentVersion.unscoped.create(workspace=ours, agent=agent, number=1, config=draft)
    rows = (agent, version)

    migration.seal(apps, None)
    migration.seal(apps, None)  # again, as after an interrupted run

    [row.refresh_from_db() for row in rows]
    assert SECRET not in stored()
    assert (agent.config(), version.config_with_secrets()) == (draft, draft)

    migration.unseal(apps, None)

    [row.refresh_from_db() for row in rows]
    assert (agent.sealed, agent.tools, agent.llm) == ("", TOOLS, LLM)
    assert (version.sealed, version.config) == ("", draft)


def test_credential_never_moves_to_another_tool() -> None:
    plain, secret = secrets.split_secrets({"tools": TOOLS, "llm": {}, "stt": {}, "tts": {}})
    later = [plain["tools"][1], plain["tools"][0], {**plain["tools"][2], "headers": {"X": "later"}}]

    joined = secrets.merge_secrets({**plain, "tools": later}, secret)

    assert joined["tools"] == later  # as written by a release without encryption
