"""Usage, cost and latency of a call, from its agent's reports to its readers."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Workspace
from accounts.roles import Role
from telephony.models import Call
from tests import make
from tests.telephony.calls.livekit import report, reported
from tests.telephony.calls.reported_calls import talking, timeline
from voiceops.core import prices
from webhooks.events import call_event_pages_since

LLM = {"kind": "llm", "provider": "openai", "model": "gpt-4.1"}
ITEMS = [
    {**LLM, "input_tokens": 1000, "output_tokens": 100},
    {"kind": "tts", "provider": "somebody", "model": "loud", "characters": 80},
]
PRICED = [{**ITEMS[0], "cost": 0.0028}, {**ITEMS[1], "cost": None}]
FIGURES = {"answer_to_audio": 0.58, "p50": 0.9, "p95": 1.7}


def figures_of(call: Call) -> dict[str, Any]:
    body = make.client(call.workspace, Role.MEMBER).get(f"/calls/{call.pk}").json()
    return {name: body[name] for name in ("usage", "cost", "latency")}


def test_reported_usage_is_displayed_with_its_cost(ours: Workspace) -> None:
    call = talking(ours)

    response = report(call, reported("usage", items=ITEMS, latency=FIGURES))

    assert response.status_code == 200
    assert figures_of(call) == {
        "usage": PRICED,
        "cost": {"amount": 0.0028, "currency": "USD"},
        "latency": FIGURES,
    }
    assert timeline(call)[-1] == (
        "usage",
        "The agent reported its usage: 0.0028 USD, without somebody loud, which has no price",
    )
    assert call.events.get(type="usage").data == {"items": ITEMS, "latency": FIGURES}


def test_call_without_reports_has_none_of_it(ours: Workspace) -> None:
    call = talking(ours)

    report(call, reported("usage", tokens=5))

    assert figures_of(call) == {"usage": None, "cost": None, "latency": None}
    assert timeline(call)[-1] == ("usage", "The agent reported its usage")


def test_usage_without_any_price_has_no_cost(ours: Workspace) -> None:
    call = talking(ours)

    report(call, reported("usage", items=[ITEMS[1]]))

    assert figures_of(call)["cost"] is None


def test_the_carriers_minutes_are_counted_by_the_number_called(
    ours: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = prices.price_table()
    minutes = {prefix: {"minutes": price} for prefix, price in [("*", 9.0), ("+1", 0.6)]}
    carriers = {**table.prices, ("carrier", "sip.example.com"): minutes}
    monkeypatch.setattr(prices, "price_table", lambda: table._replace(prices=carriers))
    call = talking(ours, number=make.phone_number(ours, sip_address="sip.example.com:5061"))
    answered_at = timezone.now() - timedelta(seconds=30)
    Call.unscoped.filter(pk=call.pk).update(answered_at=answered_at, intent_at=answered_at)

    report(call, reported("usage", items=ITEMS[:1], at=answered_at + timedelta(seconds=20)))

    item = {"kind": "carrier", "provider": "sip.example.com", "model": "+1", "seconds": 20.0}
    assert figures_of(call) == {
        "usage": [PRICED[0], {**item, "cost": 0.2}],
        "cost": {"amount": 0.2028, "currency": "USD"},
        "latency": None,
    }


def test_last_usage_counts_and_a_repeated_report_changes_nothing(ours: Workspace) -> None:
    call = talking(ours)
    first = reported("usage", items=[{**LLM, "input_tokens": 1}])

    report(call, first)
    report(call, reported("usage", items=ITEMS))
    report(call, first)

    assert figures_of(call)["usage"] == PRICED


def test_usage_that_arrives_after_the_end_still_counts(ours: Workspace) -> None:
    call = talking(ours)
    report(call, reported("ended", reason="agent_hangup"))

    response = report(call, reported("usage", items=ITEMS))

    assert response.json() == {"detail": "Call has ended"}
    assert figures_of(call)["cost"] == {"amount": 0.0028, "currency": "USD"}


def test_latency_of_turns_is_summed_up_for_an_agent_that_does_not(ours: Workspace) -> None:
    call = talking(ours)
    turns = [
        reported("turn", role="agent", text="Hello", latency={"total": seconds})
        for seconds in (0.5, 2.0, 1.0)
    ]

    report(call, *turns[:2], reported("turn", role="callee", text="Yes", latency={"stt": 9}))
    report(call, turns[2])

    assert figures_of(call)["latency"] == {"answer_to_audio": None, "p50": 1.0, "p95": 2.0}


def test_transcript_shows_the_parts_of_a_turns_latency(ours: Workspace) -> None:
    call = talking(ours)
    parts = {"end_of_turn": 0.4, "stt": 0.1, "llm": 0.3, "tts": 0.2, "total": 1.0}
    times = {"started_at": "2026-11-23T12:00:00Z", "ended_at": "2026-11-23T12:00:03Z"}

    report(
        call,
        reported("turn", role="agent", text="Hello", latency=parts, language="en", **times),
        reported("turn", role="callee", text="Yes", started_at="2026-11-23T12:00:04Z"),
    )

    answer = make.client(ours, Role.MEMBER).get(f"/calls/{call.pk}/transcript").json()
    spoken = {"role": "agent", "text": "Hello", "interrupted": False, **times}
    assert answer == {
        "turns": [
            {**spoken, "language": "en", "latency": parts},
            {
                "role": "callee",
                "text": "Yes",
                "started_at": "2026-11-23T12:00:04Z",
                "interrupted": False,
            },
        ]
    }


def test_webhook_of_the_end_carries_usage_cost_and_latency(ours: Workspace) -> None:
    call = talking(ours)
    report(call, reported("usage", items=ITEMS, latency=FIGURES))
    report(call, reported("ended", reason="agent_hangup"))

    pages = list(call_event_pages_since([ours.pk], call.created_at))

    [ended] = [event.data for page in pages for event in page.events if event.type == "call.ended"]
    assert (ended["usage"], ended["latency"]) == (PRICED, FIGURES)
    assert ended["cost"] == {"amount": 0.0028, "currency": "USD"}


@pytest.mark.parametrize("body", [{"items": [{"kind": "llm"}]}, {"latency": {"p99": 1}}])
def test_malformed_usage_is_refused(ours: Workspace, body: dict[str, Any]) -> None:
    call = talking(ours)

    response = report(call, reported("usage", **body))

    assert response.status_code == 422
    assert figures_of(call) == {"usage": None, "cost": None, "latency": None}
