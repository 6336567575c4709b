"""Scripts that need a model: kept with the agent, and what comes of them where there is none."""

from typing import Any

import pytest

from accounts.models import Workspace
from accounts.roles import Role
from agents.models import Agent
from agents.rehearsing import rehearsals, voice_program
from tests import make
from tests.agents.scripts import SCRIPT
from tests.console.browsers import reader, text_of

SIMULATED = {
    "label": "in a hurry",
    "tags": ["smoke"],
    "instructions": "You are Maria.\n",
    "max_turns": 5,
    "max_seconds": 30,
    "repeat": 5,
    "pass": 4,
    "judge": ["it was polite"],
}
CONTENT = {
    "simulator": {"provider": "openai", "model": "small"},
    "scripts": [SIMULATED, {**SCRIPT, "tags": []}],
}
SENTENCE = "`instructions` needs a model that is not of rules"
PLAYED: dict[str, Any] = {
    "label": "moves",
    "tags": [],
    "passed": True,
    "failures": [],
    "not_run": None,
    "runs": 1,
    "passed_runs": 1,
    "end_reason": "agent_hangup",
    "seconds": 0.1,
    "heard": [],
    "replay": None,
    "events": [],
}
REPEATED = {**PLAYED, "label": "in a hurry", "tags": ["smoke"], "runs": 4, "passed_runs": 4}
NOT_RUN = {**PLAYED, "label": "in a hurry", "passed": False, "not_run": SENTENCE, "end_reason": ""}


@pytest.fixture
def came_of(monkeypatch: pytest.MonkeyPatch, agent: Agent) -> Any:
    """Rehearse, with these results of the program, and return the rehearsal as the API has it."""
    make.scripts(agent, content=CONTENT)

    def rehearse(*results: dict[str, Any]) -> Any:
        found = list(results)
        monkeypatch.setattr(voice_program, "rehearse_in_child", lambda *args, **options: found)
        rehearsal = rehearsals.order_rehearsal(agent=agent)
        rehearsals.run_waiting_rehearsals()
        client = make.client(agent.workspace, Role.MEMBER)
        return client.get(f"/agents/{agent.pk}/rehearsals/{rehearsal.pk}").json()

    return rehearse


def publish(agent: Agent) -> tuple[int, str | None]:
    answer = make.client(agent.workspace, Role.MANAGER).post(f"/agents/{agent.pk}/publish")
    return answer.status_code, answer.json().get("detail")


def test_they_are_kept_as_they_were_written(ours: Workspace, agent: Agent) -> None:
    client = make.client(ours, Role.MANAGER)

    kept = client.put(f"/agents/{agent.pk}/scripts", CONTENT)
    wrong = {**SIMULATED, "repeat": 2, "pass": 3}
    refused = client.put(f"/agents/{agent.pk}/scripts", {"scripts": [wrong]})

    assert (kept.status_code, kept.json()) == (200, CONTENT)
    assert refused.json() == {
        "detail": [
            {
                "loc": ["body", "scripts", 0, "pass"],
                "msg": "at most 2, as often as it is played",
                "type": "value_error",
            }
        ]
    }


def test_one_that_was_not_run_decides_nothing_and_is_not_rehearsed(
    ours: Workspace, agent: Agent, came_of: Any
) -> None:
    Workspace.unscoped.filter(pk=ours.pk).update(publish_requires=["smoke"])

    both = came_of(NOT_RUN, PLAYED)
    waits = publish(agent)
    alone = came_of(NOT_RUN)
    repeated = came_of(REPEATED, PLAYED)

    assert (both["status"], both["error"], both["passed"], both["failed"]) == ("passed", None, 1, 0)
    assert both["results"][0]["not_run"] == SENTENCE
    assert not {"not_run", "runs", "passed_runs"} & both["results"][1].keys()
    assert waits == (400, "Rehearsal required")
    assert (alone["status"], alone["error"]) == ("error", SENTENCE)
    assert (repeated["results"][0]["runs"], repeated["results"][0]["passed_runs"]) == (4, 4)
    assert publish(agent) == (200, None)


def test_the_page_of_the_agent_has_the_sentence(
    ours: Workspace, agent: Agent, came_of: Any
) -> None:
    came_of(NOT_RUN, PLAYED)

    page = text_of(reader(make.member(ours, Role.MANAGER)).get(f"/console/agents/{agent.pk}"))

    assert f"in a hurry Not rehearsed {SENTENCE}" in page


def test_a_model_is_given_time(agent: Agent) -> None:
    by_rules = {"scripts": [SCRIPT]}

    assert voice_program._timeout_seconds(by_rules, "text") == 120.0
    assert voice_program._timeout_seconds(CONTENT, "text") == 900.0
