"""How a call went, in the agent's own words: who may set it, and what is refused."""

from typing import Any

import pytest

from accounts.models import AuditEntry, Workspace
from accounts.roles import Role
from agents.models import Agent
from telephony.models import Call, Outcome
from tests import make
from tests.telephony.calls.livekit import report, reported
from tests.telephony.calls.reported_calls import talking, timeline

WORDS = [
    {"name": "interested", "label": "Interested", "consequence": {"type": "finish"}},
    {"name": "refused", "label": "Refused", "consequence": {"type": "rest", "days": 60}},
]


@pytest.fixture
def agent(ours: Workspace) -> Agent:
    return make.agent(ours, dispositions=WORDS)


def said(call: Call) -> tuple[str | None, str | None]:
    call.refresh_from_db()
    return call.disposition, call.disposition_by


def test_an_operator_sets_the_disposition_of_a_call(ours: Workspace, agent: Agent) -> None:
    call = talking(ours, agent=agent)
    client = make.client(ours, Role.MANAGER)

    response = client.post(
        f"/calls/{call.pk}/disposition", {"name": "Interested", "note": "wants a demo"}
    )

    assert response.status_code == 200
    assert response.json() == client.get(f"/calls/{call.pk}").json()
    assert response.json()["disposition"] == "interested"
    assert response.json()["disposition_by"] == "operator"
    assert timeline(call) == [("disposition", "Disposition: interested (by operator)")]
    assert call.events.get().data == {
        "name": "interested",
        "by": "operator",
        "note": "wants a demo",
    }
    assert AuditEntry.unscoped.get(action="call.disposition_set").changes == {
        "disposition": "interested"
    }


def test_a_word_the_agent_does_not_have_is_refused_with_those_it_has(
    ours: Workspace, agent: Agent
) -> None:
    call = talking(ours, agent=agent)

    response = make.client(ours).post(f"/calls/{call.pk}/disposition", {"name": "sold"})

    assert (response.status_code, response.json()) == (
        400,
        {"detail": "The call's agent has no disposition 'sold'; it has: interested, refused"},
    )


@pytest.mark.parametrize(
    "event",
    [
        ("disposition", {"name": "refused"}),
        ("tool_call", {"name": "set_disposition", "arguments": {"name": "refused"}}),
    ],
)
def test_the_agent_sets_it_by_a_report_or_a_tool(
    ours: Workspace, agent: Agent, event: tuple[str, dict[str, Any]]
) -> None:
    call = talking(ours, agent=agent)
    type, fields = event
    body = reported(type, **fields)

    assert report(call, body).status_code == 200
    report(call, body)

    assert said(call) == ("refused", "agent")
    assert [kind for kind, _ in timeline(call)].count("disposition") == 1


def test_the_analysis_sets_it_where_nobody_else_has(ours: Workspace, agent: Agent) -> None:
    call = talking(ours, agent=agent)

    report(call, reported("analysis", fields={"disposition": "interested"}))
    by_analysis = said(call)
    report(call, reported("disposition", name="refused"))
    by_agent = said(call)
    report(call, reported("analysis", fields={"disposition": "interested"}))

    assert (by_analysis, by_agent) == (("interested", "analysis"), ("refused", "agent"))
    assert said(call) == ("refused", "agent")


def test_an_operators_word_stands_and_an_unknown_one_is_only_recorded(
    ours: Workspace, agent: Agent
) -> None:
    call = talking(ours, agent=agent)
    report(call, reported("disposition", name="sold"))
    assert said(call) == (None, None)
    make.client(ours).post(f"/calls/{call.pk}/disposition", {"name": "interested"})

    report(call, reported("disposition", name="refused", note="hung up"))

    assert said(call) == ("interested", "operator")
    assert sorted(text for _, text in timeline(call)) == [
        "Disposition: interested (by operator)",
        "The agent reported a disposition that was not accepted: refused",
        "The agent reported a disposition that was not accepted: sold",
    ]


def test_a_screener_that_puts_nobody_through_is_an_outcome_of_its_own(ours: Workspace) -> None:
    call = talking(ours)
    spoken = reported("turn", role="callee", text="Record your name and the reason for calling")

    response = report(
        call,
        reported("detected", kind="screened"),
        spoken,
        reported("callee_left", reason="callee_hangup"),
    )

    call.refresh_from_db()
    assert (response.status_code, call.outcome, call.detected) == (200, "screened", "screened")
    assert call.turns.get().started_at is not None


def test_a_screener_that_puts_the_call_through_is_an_answer(ours: Workspace) -> None:
    call = talking(ours)
    screened = reported("detected", kind="screened")

    report(call, screened)
    report(call, reported("detected", kind="human"))
    report(call, screened)
    report(call, reported("callee_left", reason="callee_hangup"))

    call.refresh_from_db()
    assert (call.outcome, call.detected) == (Outcome.ANSWERED, "human")


def test_a_human_reported_after_the_end_of_a_screened_call_is_an_answer(ours: Workspace) -> None:
    call = talking(ours)
    report(call, reported("detected", kind="screened"))
    report(call, reported("callee_left", reason="callee_hangup"))

    report(call, reported("detected", kind="human"))

    call.refresh_from_db()
    assert (call.outcome, call.detected) == (Outcome.ANSWERED, "human")
