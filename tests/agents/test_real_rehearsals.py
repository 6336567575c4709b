"""Rehearsals by the voice worker itself, where it is installed (`make test-worker`)."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Workspace
from accounts.roles import Role
from agents.models import Agent, Rehearsal
from agents.rehearsing import rehearsals, voice_program
from telephony.models import Turn
from tests import make

AT = timezone.now() - timedelta(days=1)
pytestmark = pytest.mark.skipif(
    not voice_program.VOICE_PYTHON.exists(),
    reason="No voice worker is installed here: make test-worker",
)
RULES = [
    {"hears": "friday", "says": "Friday it is, goodbye.", "tool": "end_call"},
    {"hears": "day", "says": "Which day suits you?"},
]


@pytest.fixture
def agent(ours: Workspace) -> Agent:
    llm = {"provider": "local", "rules": RULES}
    tools = [{"type": "end_call", "name": "end_call"}]
    return make.agent(ours, published=False, llm=llm, tools=tools)


def write(agent: Agent, expect: dict[str, str]) -> None:
    steps = ["I need another day", {"says": "On Friday", "expect": expect}]
    script = {"label": "moves", "tags": ["smoke"], "caller": steps}
    make.client(agent.workspace, Role.MANAGER).put(
        f"/agents/{agent.pk}/scripts", {"scripts": [script]}
    )


def test_a_draft_that_fails_its_scripts_is_not_published(agent: Agent) -> None:
    client = make.client(agent.workspace, Role.MANAGER)
    Workspace.unscoped.update(publish_requires=["smoke"])
    write(agent, {"not_tool": "end_call"})
    rehearsals.order_rehearsal(agent=agent)

    rehearsals.run_waiting_rehearsals()

    failed = Rehearsal.unscoped.get()
    assert (failed.status, failed.error) == ("failed", None)
    assert failed.results[0]["failures"] == ["the agent used end_call"]
    assert [turn["text"] for turn in failed.results[0]["turns"] if turn["role"] == "agent"] == [
        "Hello!",
        "Which day suits you?",
        "Friday it is, goodbye.",
    ]
    assert client.post(f"/agents/{agent.pk}/publish").json() == {"detail": "Rehearsal failed"}


def test_a_draft_that_passes_is_published(agent: Agent) -> None:
    client = make.client(agent.workspace, Role.MANAGER)
    Workspace.unscoped.update(publish_requires=["smoke"])
    write(agent, {"tool": "end_call", "agent_says": "/friday/"})
    rehearsals.order_rehearsal(agent=agent)

    rehearsals.run_waiting_rehearsals()

    assert Rehearsal.unscoped.get().status == "passed"
    assert client.post(f"/agents/{agent.pk}/publish").status_code == 200


def test_the_callee_of_a_call_is_heard_again_by_the_draft(agent: Agent) -> None:
    call = make.call(agent.workspace, stage="ended", end_reason="callee_hangup", dialed_at=AT)
    spoken = [("agent", "Hello!"), ("callee", "On Friday"), ("agent", "Which Friday?")]
    for seconds, (role, text) in enumerate(spoken):
        at = AT + timedelta(seconds=seconds)
        turn = {"role": role, "text": text, "started_at": at, "external_id": str(seconds)}
        Turn.unscoped.create(workspace=agent.workspace, call=call, **turn)
    rehearsals.order_replay(agent=agent, call_ids=[call.pk])

    rehearsals.run_waiting_rehearsals()

    replayed = Rehearsal.unscoped.get()
    assert (replayed.status, replayed.error) == ("passed", None)
    [result] = replayed.results
    assert result["replay"]["differences"] == ["words", "tools", "end_reason"]
    assert [
        (exchange["then"]["says"], exchange["now"]["says"])
        for exchange in result["replay"]["exchanges"]
    ] == [
        (["Hello!"], ["Hello!"]),
        (["Which Friday?"], ["Friday it is, goodbye."]),
        ([], []),
    ]
