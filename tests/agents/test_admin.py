"""What staff see of an agent's secrets, and what they can do with them."""

import pytest
from django.test import Client

from accounts.models import AuditEntry, Workspace
from agents.models import Agent, AgentVersion
from tests import make
from tests.admin.pages import form_of, page_of

SECRET = "sealed-and-never-shown"
TOOLS = [
    {
        "type": "webhook",
        "name": "book",
        "url": "https://example.com/",
        "headers": {"Authorization": SECRET},
    }
]


@pytest.fixture
def staff(db: None) -> Client:
    client = Client()
    client.force_login(make.user(is_staff=True, is_superuser=True))
    return client


def test_secrets_are_masked_and_stay_unchanged(staff: Client, ours: Workspace) -> None:
    agent = make.agent(
        ours, tools=TOOLS, llm={"provider": "custom", "api_key": SECRET, "top_p": 0.9}
    )
    page = staff.get(page_of(Agent, agent)).content.decode()
    form = form_of(page)
    history = staff.get(page_of(AgentVersion, agent.versions.get())).content.decode()

    staff.post(page_of(Agent, agent), {**form, "name": "Night shift"})

    agent.refresh_from_db()
    assert [SECRET in text for text in (page, history)] == [False, False]
    assert (agent.name, agent.config()["tools"]) == ("Night shift", TOOLS)
    assert agent.config()["llm"] == {"provider": "custom", "api_key": SECRET, "top_p": 0.9}
    assert AuditEntry.unscoped.get(action="agent.updated").changes["fields"] == [
        "name",
        "recording_enabled",
    ]


def test_changing_a_tool_keeps_its_masked_header(staff: Client, ours: Workspace) -> None:
    agent = make.agent(ours, tools=TOOLS)
    form = form_of(staff.get(page_of(Agent, agent)).content.decode())

    staff.post(
        page_of(Agent, agent),
        {**form, "tools": form["tools"].replace("example.com", "example.org")},
    )

    agent.refresh_from_db()
    assert agent.config()["tools"] == [{**TOOLS[0], "url": "https://example.org/"}]


def test_mask_with_nothing_stored_behind_it_is_refused(staff: Client, ours: Workspace) -> None:
    agent = make.agent(ours, tools=TOOLS)
    form = form_of(staff.get(page_of(Agent, agent)).content.decode())

    page = staff.post(
        page_of(Agent, agent), {**form, "tools": form["tools"].replace('"book"', '"other"')}
    )

    agent.refresh_from_db()
    assert "Nothing is stored behind the mask" in page.content.decode()
    assert agent.config()["tools"] == TOOLS


def test_fallbacks_show_staff_their_provider_and_no_secret(staff: Client, ours: Workspace) -> None:
    fallbacks = [{"provider": "groq", "model": "m", "api_key": SECRET}]
    agent = make.agent(ours, llm={"provider": "custom", "fallbacks": fallbacks})
    page = staff.get(page_of(Agent, agent)).content.decode()

    staff.post(page_of(Agent, agent), {**form_of(page), "first_message_mode": "wait"})

    agent.refresh_from_db()
    assert ("groq" in page, SECRET in page) == (True, False)
    assert agent.config()["llm"] == {"provider": "custom", "fallbacks": fallbacks}
    assert agent.first_message_mode == "wait"
