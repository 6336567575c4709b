"""Publishing that waits until the draft has passed its rehearsals."""

from typing import Any

import pytest

from accounts.models import Workspace
from accounts.roles import Role
from agents.models import Agent
from agents.rehearsing import rehearsals
from tests import make
from tests.agents.scripts import CONTENT, SCRIPT


def run_all() -> None:
    rehearsals.run_waiting_rehearsals()


@pytest.fixture
def gated(ours: Workspace, agent: Agent) -> Agent:
    Workspace.unscoped.filter(pk=ours.pk).update(publish_requires=["smoke"])
    make.scripts(agent, content=CONTENT)
    return agent


def publish(agent: Agent) -> tuple[int, str | None]:
    answer = make.client(agent.workspace, Role.MANAGER).post(f"/agents/{agent.pk}/publish")
    return answer.status_code, answer.json().get("detail")


def rehearse(agent: Agent) -> None:
    agent.refresh_from_db()
    rehearsals.order_rehearsal(agent=agent)
    run_all()


def test_a_draft_is_published_when_it_has_passed(gated: Agent, program: Any) -> None:
    refused = publish(gated)
    program(passed=False)
    rehearse(gated)
    failed = publish(gated)
    program()
    rehearse(gated)

    assert refused == (400, "Rehearsal required")
    assert failed == (400, "Rehearsal failed")
    assert publish(gated) == (200, None)
    assert publish(gated) == (200, None)  # nothing has changed


def test_a_changed_draft_or_script_is_rehearsed_again(gated: Agent, program: Any) -> None:
    program()
    rehearse(gated)
    client = make.client(gated.workspace, Role.MANAGER)

    client.patch(f"/agents/{gated.pk}", {"system_prompt": "Be brief."})
    changed = publish(gated)
    rehearse(gated)
    client.put(f"/agents/{gated.pk}/scripts", {"scripts": [{**SCRIPT, "never": "money"}]})

    assert changed == (400, "Rehearsal required")
    assert publish(gated) == (400, "Rehearsal required")


def test_a_tag_that_no_script_has_is_not_rehearsed(gated: Agent, program: Any) -> None:
    Workspace.unscoped.update(publish_requires=["smoke", "legal"])
    program()
    rehearse(gated)

    assert publish(gated) == (400, "Rehearsal required")


def test_only_scripts_with_the_tag_must_pass(gated: Agent, program: Any) -> None:
    make.client(gated.workspace, Role.MANAGER).put(
        f"/agents/{gated.pk}/scripts",
        {"scripts": [SCRIPT, {**SCRIPT, "label": "new", "tags": ["later"]}]},
    )
    program()
    gated.refresh_from_db()
    rehearsals.order_rehearsal(agent=gated, names=["smoke"])
    run_all()

    assert publish(gated) == (200, None)


def test_going_back_to_a_version_needs_no_rehearsal(ours: Workspace) -> None:
    agent = make.agent(ours)
    Workspace.unscoped.update(publish_requires=["smoke"])
    client = make.client(ours, Role.MANAGER)

    answer = client.post(f"/agents/{agent.pk}/rollback", {"version": 1})

    assert answer.status_code == 200


def test_an_admin_sets_what_publishing_requires(ours: Workspace) -> None:
    client = make.client(ours, Role.ADMIN)

    answer = client.patch(f"/workspaces/{ours.pk}", {"publish_requires": ["smoke"]})

    assert answer.json()["publish_requires"] == ["smoke"]
