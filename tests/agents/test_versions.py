from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import time_machine
from django.db import connection
from rest_framework.test import APIClient

from accounts.models import Workspace
from agents.models import Agent
from agents.services import published_version, save_draft
from tests import make
from tests.agents.test_agents import DEFAULTS, FULL, MINIMAL, NOW
from voiceops.core.errors import StateForbids


def numbers(body: dict[str, Any]) -> tuple[int, int | None]:
    return body["version"], body["published_version"]


@pytest.fixture
def client(ours: Workspace) -> APIClient:
    return make.client(ours)


@pytest.fixture
def url(client: APIClient) -> str:
    """The URL of an agent that was never published."""
    return f"/agents/{client.post('/agents', MINIMAL).json()['id']}"


def test_version_numbers_follow_publishing(client: APIClient, url: str) -> None:
    steps: list[tuple[str, dict[str, Any], tuple[int, int | None]]] = [
        ("patch", {"name": "A"}, (1, None)),
        ("publish", {}, (1, 1)),
        ("publish", {}, (1, 1)),
        ("patch", {"name": "A"}, (1, 1)),
        ("patch", {"name": "B"}, (2, 1)),
        ("patch", {"name": "C"}, (2, 1)),
        ("publish", {}, (2, 2)),
        ("rollback", {"version": 1}, (1, 1)),
        ("patch", {"name": "D"}, (3, 1)),
        ("publish", {}, (3, 3)),
    ]

    seen = []
    for step, body, _ in steps:
        answer = client.patch(url, body) if step == "patch" else client.post(f"{url}/{step}", body)
        seen.append((answer.status_code, numbers(answer.json())))

    assert seen == [(200, expected) for *_, expected in steps]
    assert [item["version"] for item in client.get(f"{url}/versions").json()["items"]] == [3, 2, 1]


def test_published_version_never_changes(client: APIClient, url: str) -> None:
    with time_machine.travel(NOW, tick=False):
        client.post(f"{url}/publish")

    client.put(url, FULL)

    frozen = {"version": 1, **MINIMAL, **DEFAULTS, "created_at": NOW}
    assert client.get(f"{url}/versions").json() == {
        "items": [frozen],
        "total": 1,
        "page": 1,
        "page_size": 50,
        "total_pages": 1,
    }


def test_rollback_restores_the_draft(client: APIClient, url: str) -> None:
    client.post(f"{url}/publish")
    client.put(url, FULL)
    client.post(f"{url}/publish")

    answer = client.post(f"{url}/rollback", {"version": 1}).json()

    assert {name: answer[name] for name in (*MINIMAL, *DEFAULTS)} == {**MINIMAL, **DEFAULTS}
    assert published_version(Agent.unscoped.get()).number == 1


@pytest.mark.parametrize("version", [0, 2, -1])
def test_rollback_to_an_unknown_version_is_not_found(
    client: APIClient, url: str, version: int
) -> None:
    client.post(f"{url}/publish")

    answer = client.post(f"{url}/rollback", {"version": version})

    assert (answer.status_code, answer.json()) == (404, {"detail": "Agent version not found"})


def test_rollback_without_a_version_fails_validation(client: APIClient, url: str) -> None:
    answer = client.post(f"{url}/rollback", {})

    missing = {"loc": ["body", "version"], "msg": "field required", "type": "value_error.missing"}
    assert (answer.status_code, answer.json()) == (422, {"detail": [missing]})


def test_duplicate_is_an_unpublished_draft(client: APIClient, url: str) -> None:
    client.post(f"{url}/publish")
    client.put(url, FULL)

    answer = client.post(f"{url}/duplicate")

    copy = answer.json()
    assert answer.status_code == 201
    assert {name: copy[name] for name in FULL} == {**FULL, "name": "Reminder (copy)"}
    assert numbers(copy) == (1, None)
    assert client.get(f"/agents/{copy['id']}/versions").json()["total"] == 0


def test_copy_of_a_long_name_fits(ours: Workspace, client: APIClient) -> None:
    agent = make.agent(ours, name="x" * 200)

    answer = client.post(f"/agents/{agent.pk}/duplicate")

    assert answer.json()["name"] == "x" * 193 + " (copy)"


def test_unpublished_agent_has_no_published_version(ours: Workspace) -> None:
    agent = make.agent(ours, published=False)

    with pytest.raises(StateForbids, match=r"^Agent is not published$"):
        published_version(agent)


@pytest.mark.django_db(transaction=True)
def test_concurrent_edits_of_different_fields_are_all_kept() -> None:
    agent = make.agent(make.workspace())
    changes: list[dict[str, Any]] = [
        {"name": "New"},
        {"system_prompt": "New"},
        {"language": "fr"},
        {"tools": [{}]},
    ]

    def edit(change: dict[str, Any]) -> None:
        save_draft(agent=agent, changes=change)
        connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(edit, changes))

    agent.refresh_from_db()
    assert (agent.name, agent.system_prompt, agent.language, agent.tools) == (
        "New",
        "New",
        "fr",
        [{}],
    )
    assert (agent.version, agent.published_version) == (2, 1)
