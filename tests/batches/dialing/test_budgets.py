"""Budgets of batches: passed by no more than the calls under way, whoever dials."""

import json
import random
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import Workspace
from accounts.roles import Role
from agents.models import Agent
from batches.dialing import reservation
from batches.dialing.batch_budgets import cost_of_batch
from batches.models import Batch
from batches.reporting.reasons import reasons_of
from telephony.models import Call, PhoneNumber, Stage
from tests import make
from voiceops.core.ids import uuid7
from webhooks.collector import collect_events

CENT = 10_000  # in millionths
LLM = {"provider": "openai", "model": "gpt-4.1-mini"}


def quick_number(of: Workspace) -> PhoneNumber:
    """A number whose pace limits nothing here."""
    return make.phone_number(of, calls_per_second=20, max_concurrent_calls=30)


def running(of: Workspace, people: int, **fields: Any) -> Batch:
    batch = make.batch(
        of,
        **{
            "phone_number": quick_number(of),
            "status": Batch.Status.RUNNING,
            "started_at": timezone.now(),
            **fields,
        },
    )
    for _ in range(people):
        make.recipient(batch)
    return batch


def past_call(agent: Agent, micros: int | None, **fields: Any) -> Call:
    """A call of the agent's that was answered an hour ago."""
    at = timezone.now() - timedelta(hours=1)
    times = dict.fromkeys(("dialed_at", "answered_at", "ended_at"), at)
    values = {"stage": Stage.ENDED, "cost_micros": micros, **times, **fields}
    return make.call(agent.workspace, agent=agent, **values)


def claim(batch: Batch) -> list[Call]:
    assert batch.phone_number is not None
    ids = reservation.claim_recipients(batch.phone_number.pk, owner=uuid7(), max_calls=100)
    return list(Call.unscoped.filter(pk__in=ids))


def end(calls: list[Call], micros: int) -> None:
    now = timezone.now()
    Call.unscoped.filter(pk__in=[call.pk for call in calls]).update(
        stage=Stage.ENDED, answered_at=now, ended_at=now, cost_micros=micros
    )


def state_of(batch: Batch) -> tuple[str, str | None]:
    batch.refresh_from_db()
    return batch.status, batch.error


# --- claims


def test_as_many_calls_begin_as_the_budget_will_probably_carry(ours: Workspace) -> None:
    agent = make.agent(ours)
    past_call(agent, 9 * CENT)
    past_call(agent, 11 * CENT)
    batch = running(ours, people=20, agent=agent, max_cost=0.5)

    assert len(claim(batch)) == 5
    assert claim(batch) == []
    assert state_of(batch) == ("running", None)


def test_what_calls_under_way_have_reported_is_no_longer_expected(ours: Workspace) -> None:
    agent = make.agent(ours)
    past_call(agent, 10 * CENT)
    batch = running(ours, people=20, agent=agent, max_cost=0.5)
    calls = claim(batch)
    Call.unscoped.filter(pk=calls[0].pk).update(cost_micros=30 * CENT)
    end(calls[1:3], 2 * CENT)

    # 0.30 and 0.04 are spent, and two calls under way will cost 0.20 together.
    assert claim(batch) == []
    end(calls[3:], 2 * CENT)

    assert len(claim(batch)) == 2  # 0.12 is left, and the second may take what is left of it


def test_a_call_that_ended_just_now_still_counts_before_its_report(ours: Workspace) -> None:
    agent = make.agent(ours)
    past_call(agent, 10 * CENT)
    batch = running(ours, people=5, agent=agent, max_cost=0.1)
    calls = claim(batch)
    end(calls, 0)
    Call.unscoped.filter(pk=calls[0].pk).update(cost_micros=None)

    assert claim(batch) == []

    Call.unscoped.filter(pk=calls[0].pk).update(ended_at=timezone.now() - timedelta(minutes=1))
    assert len(claim(batch)) == 1


def test_without_any_call_the_price_table_says_what_one_costs(ours: Workspace) -> None:
    stt = {"provider": "deepgram", "model": "nova-3"}
    agent = make.agent(ours, llm=LLM, stt=stt)
    batch = running(ours, people=20, agent=agent, max_cost=0.02)

    # A minute of nova-3 is 0.0077, eight turns of the model 0.0021.
    assert len(claim(batch)) == 3


def test_of_a_budget_below_one_call_one_at_a_time_begins(ours: Workspace) -> None:
    agent = make.agent(ours)
    past_call(agent, 50 * CENT)
    batch = running(ours, people=5, agent=agent, max_cost=0.01)

    assert len(claim(batch)) == 1
    assert claim(batch) == []


def test_models_without_a_price_hold_nothing_back(ours: Workspace) -> None:
    batch = running(ours, people=5, max_cost=0.01)

    assert len(claim(batch)) == 5


@pytest.mark.parametrize("seed", range(5))
def test_a_budget_is_never_passed_by_more_than_the_open_calls(ours: Workspace, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    agent = make.agent(ours)
    if seed % 2:
        past_call(agent, chance.randint(1, 20) * CENT)
    batch = running(ours, people=60, agent=agent, max_cost=1)
    under_way: list[Call] = []
    open_when_reached = 0
    for _ in range(15):
        before = cost_of_batch(batch)
        begun = claim(batch)
        assert not begun or before < 100 * CENT
        under_way += begun
        if before < 100 * CENT:
            open_when_reached = len(under_way)
        chance.shuffle(under_way)
        ending = chance.randint(0, len(under_way))
        for call in under_way[:ending]:
            end([call], chance.randint(1, 20) * CENT)
        under_way = under_way[ending:]
    end(under_way, 20 * CENT)
    claim(batch)

    assert cost_of_batch(batch) - 100 * CENT < 20 * CENT * open_when_reached
    assert state_of(batch)[0] == "paused"


@pytest.mark.django_db(transaction=True)
def test_two_dispatchers_at_once_begin_no_more_calls_than_one() -> None:
    ours = make.workspace()
    agent = make.agent(ours)
    past_call(agent, 10 * CENT)
    batch = running(ours, people=40, agent=agent, max_cost=1)
    both = Barrier(2)

    def dispatch() -> int:
        try:
            both.wait(timeout=10)
            return sum(len(claim(batch)) for _ in range(3))
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        begun = [future.result() for future in [pool.submit(dispatch) for _ in range(2)]]

    assert sum(begun) == 10


# --- the pause, and what ends it


def spent(ours: Workspace, **fields: Any) -> Batch:
    """A batch that has spent twice its budget, with two people left."""
    batch = running(ours, people=2, max_cost=0.5, **fields)
    past_call(batch.agent, 100 * CENT, batch_id=batch.pk)
    claim(batch)
    batch.refresh_from_db()
    return batch


def test_a_batch_that_has_spent_its_budget_pauses_itself_and_says_so(ours: Workspace) -> None:
    batch = spent(ours)

    assert state_of(batch) == (
        "paused",
        "The budget is spent: 1.00 USD of 0.50 USD. Raise max_cost to call the others",
    )
    assert not Call.unscoped.open().exists()
    assert reasons_of(batch) == [
        {
            "code": "budget_spent",
            "text": "The batch has paused itself, because its calls have cost as much as its "
            "max_cost.",
            "next_step": "Raise max_cost of the batch, and it resumes by itself.",
            "count": 2,
        }
    ]


def test_a_spent_budget_is_sent_to_webhooks_once(ours: Workspace) -> None:
    make.webhook(ours)
    batch = spent(ours)

    for _ in range(2):
        claim(batch)
        collect_events()

    [body] = ours.webhook_events.filter(type="batch.paused").values_list("body", flat=True)
    data = json.loads(body)["data"]
    assert (data["id"], data["error"]) == (
        str(batch.pk),
        "The budget is spent: 1.00 USD of 0.50 USD. Raise max_cost to call the others",
    )


@pytest.mark.parametrize("limit", [9, {"amount": 9, "currency": "USD"}, None])
def test_a_higher_budget_or_none_resumes_the_batch(ours: Workspace, limit: Any) -> None:
    batch = spent(ours)
    client = make.client(ours, Role.MANAGER)

    answer = client.patch(f"/batches/{batch.pk}", {"max_cost": limit})

    assert answer.status_code == 200
    body = answer.json()
    assert (body["status"], body["error"], body["max_cost"]) == ("running", None, limit)
    assert len(claim(batch)) == 2


def test_a_budget_that_is_not_raised_enough_resumes_nothing(ours: Workspace) -> None:
    batch = spent(ours)
    client = make.client(ours, Role.MANAGER)

    assert client.patch(f"/batches/{batch.pk}", {"max_cost": 1}).json()["status"] == "paused"
    resumed = client.post(f"/batches/{batch.pk}/resume")

    assert (resumed.status_code, resumed.json()) == (
        400,
        {"detail": "The batch has spent its budget"},
    )
    assert state_of(batch)[0] == "paused"


def test_a_batch_that_an_operator_paused_stays_so_whatever_its_budget(ours: Workspace) -> None:
    batch = spent(ours)
    client = make.client(ours, Role.MANAGER)
    client.post(f"/batches/{batch.pk}/pause")

    client.patch(f"/batches/{batch.pk}", {"max_cost": 9})

    assert state_of(batch) == ("paused", None)


def test_a_spent_batch_is_not_started_again(ours: Workspace) -> None:
    batch = running(ours, people=1, max_cost=0.5, status=Batch.Status.READY)
    past_call(batch.agent, 60 * CENT, batch_id=batch.pk)

    started = make.client(ours, Role.MANAGER).post(f"/batches/{batch.pk}/start")

    assert (started.status_code, started.json()) == (
        400,
        {"detail": "The batch has spent its budget"},
    )
    assert state_of(batch)[0] == "ready"


def test_a_batch_that_probes_pauses_at_its_budget_too(ours: Workspace) -> None:
    batch = spent(
        ours, status=Batch.Status.PAUSED, error="The trunk is gone.", probe_at=timezone.now()
    )

    assert state_of(batch)[1] == (
        "The budget is spent: 1.00 USD of 0.50 USD. Raise max_cost to call the others"
    )
    assert batch.probe_at is None


# --- bodies


@pytest.mark.parametrize(
    ("limit", "loc", "msg", "type"),
    [
        ("50", [], "value is not a valid float", "type_error.float"),
        (True, [], "value is not a valid float", "type_error.float"),
        (
            0,
            [],
            "ensure this value is greater than or equal to 0.0001",
            "value_error.number.not_ge",
        ),
        ({}, ["amount"], "field required", "value_error.missing"),
        (
            {"amount": 5, "currency": "EUR"},
            ["currency"],
            "costs are counted in USD",
            "value_error",
        ),
        ({"amount": 5, "of": 1}, ["of"], "extra fields not permitted", "value_error.extra"),
    ],
)
def test_a_budget_that_is_none_is_refused_with_its_place(
    ours: Workspace, limit: Any, loc: list[str], msg: str, type: str
) -> None:
    batch = make.batch(ours)

    answer = make.client(ours, Role.MANAGER).patch(f"/batches/{batch.pk}", {"max_cost": limit})

    assert (answer.status_code, answer.json()) == (
        422,
        {"detail": [{"loc": ["body", "max_cost", *loc], "msg": msg, "type": type}]},
    )


def test_progress_has_the_cost_so_far(ours: Workspace) -> None:
    batch = spent(ours)

    progress = make.client(ours, Role.MEMBER).get(f"/batches/{batch.pk}/progress").json()

    assert progress["cost"] == {"amount": 1.0, "currency": "USD"}
