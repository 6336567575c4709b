"""Budgets of a workspace's day: across its numbers, until its next day begins."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Workspace
from accounts.roles import Role
from batches.dialing import reservation
from batches.models import Batch
from batches.reporting.reasons import reasons_of
from telephony.dialing.budgets import day_of
from telephony.dialing.capacity import adopt_queued
from telephony.models import Call, Direction, PhoneNumber, Stage
from tests import make
from voiceops.core.ids import uuid7

CENT = 10_000  # in millionths


def quick_number(of: Workspace) -> PhoneNumber:
    """A number whose pace limits nothing here."""
    return make.phone_number(of, calls_per_second=20, max_concurrent_calls=30)


def ended(of: Workspace, micros: int | None, **fields: Any) -> Call:
    """A call that was answered and ended just now, unless the test says otherwise."""
    now = timezone.now()
    times = dict.fromkeys(("dialed_at", "answered_at", "ended_at"), now)
    return make.call(of, **{"stage": Stage.ENDED, "cost_micros": micros, **times, **fields})


def limit(workspace: Workspace, amount: Any, **fields: Any) -> None:
    Workspace.unscoped.filter(pk=workspace.pk).update(max_cost_per_day=amount, **fields)
    workspace.refresh_from_db()


def running(of: Workspace, people: int, **fields: Any) -> Batch:
    batch = make.batch(
        of, **{"phone_number": quick_number(of), "status": Batch.Status.RUNNING, **fields}
    )
    for _ in range(people):
        make.recipient(batch)
    return batch


def claim(batch: Batch) -> int:
    assert batch.phone_number is not None
    return len(reservation.claim_recipients(batch.phone_number.pk, owner=uuid7(), max_calls=100))


def test_calls_of_all_numbers_and_kinds_count(ours: Workspace, theirs: Workspace) -> None:
    agent = make.agent(ours)
    ended(ours, 10 * CENT, agent=agent)
    ended(ours, 20 * CENT, direction=Direction.INBOUND)
    ended(theirs, 500 * CENT)
    limit(ours, 0.8)
    one, two = running(ours, 9, agent=agent), running(ours, 9, agent=agent)

    assert (claim(one), claim(two)) == (5, 0)  # 0.50 is left, and the agent's calls cost 0.10


def test_a_workspace_that_has_spent_its_day_waits_and_says_so(ours: Workspace) -> None:
    limit(ours, 0.5, timezone="Europe/Berlin")
    ended(ours, 60 * CENT)
    batch = running(ours, 2)

    begun = [claim(batch), claim(batch)]

    batch = Batch.unscoped.select_related("workspace").get(pk=batch.pk)
    assert (begun, batch.status) == ([0, 0], "running")
    assert batch.workspace.budget_spent_until == day_of(ours, timezone.now())[1]
    assert not reservation.batches_with_work(timezone.now()).exists()
    assert reasons_of(batch) == [
        {
            "code": "daily_budget_spent",
            "text": "The workspace has spent its budget of the day: calls go on when its next day "
            "begins.",
            "next_step": "Wait for the next day, or raise max_cost_per_day of the workspace.",
            "count": 2,
        }
    ]


def test_calls_go_on_when_the_next_day_begins(ours: Workspace) -> None:
    yesterday = day_of(ours, timezone.now())[0] - timedelta(minutes=1)
    limit(ours, 0.5, budget_spent_until=day_of(ours, timezone.now())[0])
    ended(ours, 60 * CENT, ended_at=yesterday)
    batch = running(ours, 2)

    assert claim(batch) == 2


@pytest.mark.parametrize("amount", [5, {"amount": 5, "currency": "USD"}, None])
def test_a_higher_budget_lets_what_waited_be_called(ours: Workspace, amount: Any) -> None:
    limit(ours, 0.5)
    ended(ours, 60 * CENT)
    batch = running(ours, 2)
    before = claim(batch)

    answer = make.client(ours, Role.ADMIN).patch(
        f"/workspaces/{ours.pk}", {"max_cost_per_day": amount}
    )

    assert (answer.status_code, answer.json()["max_cost_per_day"]) == (200, amount)
    assert (before, claim(batch)) == (0, 2)


def test_single_calls_are_refused_when_the_day_is_spent(ours: Workspace) -> None:
    limit(ours, 0.5)
    ended(ours, 60 * CENT)
    order = {
        "agent_id": str(make.agent(ours).pk),
        "to": "+12025550186",
        "from_number_id": str(quick_number(ours).pk),
    }

    answer = make.client(ours, Role.MANAGER).post("/calls", order)

    assert (answer.status_code, answer.json()) == (
        400,
        {"detail": "The workspace has spent its budget of the day"},
    )


def test_ordered_calls_wait_for_those_under_way(ours: Workspace) -> None:
    agent = make.agent(ours)
    ended(ours, 10 * CENT, agent=agent)
    limit(ours, 0.3)
    number = quick_number(ours)
    for _ in range(4):
        make.call(ours, agent=agent, number=number)

    assert [len(adopt_queued(uuid7(), 100)) for _ in range(2)] == [2, 0]


def test_a_day_begins_by_the_clock_of_the_workspace(ours: Workspace) -> None:
    limit(ours, 1, timezone="America/New_York")

    # Clocks go forward on 8 March 2026.
    assert day_of(ours, datetime(2026, 3, 8, 20, tzinfo=UTC)) == (
        datetime(2026, 3, 8, 5, tzinfo=UTC),
        datetime(2026, 3, 9, 4, tzinfo=UTC),
    )
