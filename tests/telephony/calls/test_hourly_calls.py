"""Counts by the hour: exact at any time, whatever happens to the calls of hours that are over."""

import math
import random
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from accounts.models import Workspace
from batches.services.batches import delete_batch
from telephony.domain.call_states import mark_answered, mark_hung_up
from telephony.domain.late_evidence import accept_late_answer
from telephony.models import Call, HourlyCalls, Outcome
from telephony.reporting.hourly_calls import (
    CRITERIA,
    HOUR,
    count_calls,
    find_calls,
    start_of_hour,
)
from telephony.reporting.latency import latency_by_version
from telephony.services import hourly_counts
from telephony.services.erasure import erase_calls
from telephony.services.hourly_counts import count_hours, recount_everything
from telephony.services.usage import record_usage
from tests import make

HISTORY_HOURS = 5
OUTCOMES = [Outcome.ANSWERED, Outcome.VOICEMAIL, Outcome.BUSY, Outcome.NO_ANSWER, None]


def hours_ago(hours: float) -> datetime:
    """An instant in the hour that began so many hours before the present one."""
    return start_of_hour(timezone.now()) - hours * HOUR + timedelta(minutes=17)


def ended_call(of: Workspace, at: datetime, outcome: str | None, **fields: Any) -> Call:
    talk = {"answered_at": at, "ended_at": at + timedelta(seconds=31.7)}
    return make.call_at(
        of,
        at,
        outcome=outcome,
        stage="ended" if outcome else "ringing",
        dialed_at=at,
        sip_status_code=200 if outcome == Outcome.ANSWERED else 486,
        **(talk if outcome in (Outcome.ANSWERED, Outcome.VOICEMAIL) else {}),
        **fields,
    )


def read_calls(criterion: str, since: datetime, until: datetime, of: Workspace) -> Counter[Any]:
    """Count and add up the talk of the calls themselves, one by one."""
    keys: dict[str, Callable[[Call], Any]] = {
        "hour": lambda call: start_of_hour(call.created_at),
        "day": lambda call: start_of_hour(call.created_at).replace(hour=0),
        "workspace": lambda call: call.workspace_id,
        "agent": lambda call: call.agent_id,
        "agent_version": lambda call: call.agent_version_id,
        "batch": lambda call: call.batch_id,
        "number": lambda call: call.from_number,
        "outcome": lambda call: call.outcome,
        "sip_status": lambda call: call.sip_status_code,
    }
    figures: Counter[Any] = Counter()
    for call in of.calls.filter(created_at__gte=since, created_at__lt=until):
        if call.batch_id is not None and call.dialed_at is None:
            continue
        key = keys[criterion](call)
        talk = round((call.duration_seconds or 0) * 1000)
        cost = call.cost_micros or 0
        figures.update({(key, "calls"): 1, (key, "talk"): talk, (key, "cost"): cost})
        figures.update({(key, "priced"): int(call.cost_micros is not None)})
    return +figures


def read_counts(criterion: str, since: datetime, until: datetime, of: Workspace) -> Counter[Any]:
    figures: Counter[Any] = Counter()
    counts = count_calls(criterion, since=since, until=until, workspace=of)
    for (key,), counted in counts.items():
        figures[key, "calls"] = counted.calls
        figures[key, "talk"] = round(counted.talk.total_seconds() * 1000)
        figures[key, "cost"] = counted.cost_micros
        figures[key, "priced"] = counted.priced_calls
    return +figures


def read_latency(since: datetime, until: datetime, of: Workspace) -> dict[Any, Any]:
    """Find the middle and the 95 % of the calls themselves, to 50 ms."""
    found: dict[Any, dict[str, list[float]]] = {}
    for call in of.calls.listed().filter(created_at__gte=since, created_at__lt=until):
        for figure, value in (call.latency or {}).items():
            if value is not None:
                of_version = found.setdefault(call.agent_version_id, {})
                of_version.setdefault(figure, []).append(math.floor(value * 20 + 0.5) / 20)

    def percentile(values: list[float], share: float) -> float | None:
        return sorted(values)[math.ceil(len(values) * share) - 1] if values else None

    shares = {"answer_to_audio": 0.5, "p50": 0.5, "p95": 0.95}
    return {
        version: {name: percentile(lists.get(name, []), share) for name, share in shares.items()}
        for version, lists in found.items()
    }


class History:
    """What happens to the calls of the last hours, in random order."""

    def __init__(self, of: Workspace, seed: int) -> None:
        self.of, self.random = of, random.Random(seed)  # noqa: S311 no secret
        self.agents = [make.agent(of), make.agent(of)]
        self.batches = [make.batch(of), make.batch(of)]

    def step(self) -> None:
        steps = [self.make_calls, self.make_calls, self.answer, self.hang_up, self.price]
        steps += [self.correct_outcome, self.send, self.erase, self.delete_batch, self.count]
        self.random.choice(steps)()

    def some_call(self, **filters: Any) -> Call | None:
        calls = list(self.of.calls.filter(**filters).order_by("pk"))
        return self.random.choice(calls) if calls else None

    def make_calls(self) -> None:
        for _ in range(3):
            at = timezone.now() - self.random.random() * HISTORY_HOURS * HOUR
            batch_id = self.random.choice([None, *(batch.pk for batch in self.batches)])
            agent, outcome = self.random.choice(self.agents), self.random.choice(OUTCOMES)
            number = f"+4420718387{self.random.randrange(3):02}"
            made = ended_call(self.of, at, outcome, agent=agent, batch_id=batch_id)
            Call.unscoped.filter(pk=made.pk).update(to_number=number)
            if outcome is None and batch_id:
                Call.unscoped.filter(pk=made.pk).update(dialed_at=None, stage="reserved")

    def send(self) -> None:
        if found := self.some_call(dialed_at=None):
            Call.unscoped.filter(pk=found.pk).update(dialed_at=timezone.now(), stage="ringing")

    def answer(self) -> None:
        if found := self.some_call(stage="ringing"):
            mark_answered(found, at=timezone.now(), source="agent")

    def hang_up(self) -> None:
        if found := self.some_call(stage="in_progress"):
            mark_hung_up(found, at=timezone.now(), reason="hangup", by="callee")

    def price(self) -> None:
        if found := self.some_call(stage="ended"):
            tokens = self.random.randrange(1000)
            item = {"kind": "llm", "provider": "openai", "model": "gpt-4o", "input_tokens": tokens}
            latency = {"p50": self.random.random(), "p95": 1.2}
            record_usage(found, {"items": [item], "latency": latency}, timezone.now())

    def correct_outcome(self) -> None:
        if found := self.some_call(stage="ended", answered_at=None):
            accept_late_answer(found, at=timezone.now(), source="agent")

    def erase(self) -> None:
        ended = self.some_call(stage="ended")
        if ended and ended.to_number.startswith("+"):
            open_calls = self.of.calls.open().filter(to_number=ended.to_number)
            open_calls.update(stage="ended", outcome=Outcome.CANCELLED, ended_at=timezone.now())
            list(erase_calls(self.of, ended.to_number))

    def delete_batch(self) -> None:
        if len(self.batches) > 1:
            delete_batch(batch=self.batches.pop())

    def count(self) -> None:
        if self.random.random() < 0.5:
            count_hours()
        else:
            list(recount_everything())


@pytest.mark.parametrize("seed", range(4))
def test_counts_equal_the_calls_after_any_history(
    ours: Workspace, theirs: Workspace, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Several steps where otherwise one would count everything.
    monkeypatch.setattr(hourly_counts, "MAX_CALLS_PER_STEP", 5)
    history = History(ours, seed)
    history.make_calls()
    count_hours()
    ended_call(theirs, hours_ago(2), Outcome.ANSWERED)

    for _ in range(25):
        history.step()
        since = timezone.now() - history.random.random() * (HISTORY_HOURS + 1) * HOUR
        until = since + history.random.random() * (HISTORY_HOURS + 1) * HOUR
        for criterion in CRITERIA:
            span = (criterion, since, until, ours)
            assert read_counts(*span) == read_calls(*span)
        found = find_calls(since=since, until=until, workspace=ours)
        assert latency_by_version(found) == read_latency(since, until, ours)


def test_a_counted_hour_is_read_from_its_counts(ours: Workspace) -> None:
    ended_call(ours, hours_ago(2), Outcome.ANSWERED)
    ended_call(ours, hours_ago(0), Outcome.BUSY)
    count_hours()
    # Past the way in which calls change, so that only the counts know of it.
    HourlyCalls.unscoped.update(calls=40)

    counts = count_calls("outcome", since=hours_ago(3), until=timezone.now(), workspace=ours)

    assert {key: counted.calls for key, counted in counts.items()}[Outcome.ANSWERED,] == 40


def test_a_call_that_changes_after_its_hour_is_counted_again(ours: Workspace) -> None:
    changed = ended_call(ours, hours_ago(3), None)
    count_hours()

    mark_answered(changed, at=timezone.now(), source="agent")
    mark_hung_up(changed, at=timezone.now(), reason="hangup", by="callee")
    marked = Call.unscoped.filter(recount_at__isnull=False).count()
    before = list(HourlyCalls.unscoped.values_list("outcome", "calls"))
    count_hours()

    assert (marked, before) == (1, [(None, 1)])
    assert not Call.unscoped.filter(recount_at__isnull=False).exists()
    assert list(HourlyCalls.unscoped.values_list("outcome", "calls")) == [(Outcome.ANSWERED, 1)]


def test_a_call_of_the_present_hour_is_not_marked(ours: Workspace) -> None:
    present = make.call(ours, stage="ringing")

    mark_answered(present, at=timezone.now(), source="agent")

    assert Call.unscoped.get(pk=present.pk).recount_at is None


def test_figures_of_every_workspace_are_added_up(ours: Workspace, theirs: Workspace) -> None:
    for workspace in (ours, theirs):
        ended_call(workspace, hours_ago(2), Outcome.ANSWERED)
    ended_call(theirs, hours_ago(0), Outcome.BUSY)
    count_hours()

    counts = count_calls("hour", "outcome", since=hours_ago(4), until=timezone.now() + HOUR)

    assert {key: (counted.calls, counted.talk) for key, counted in counts.items()} == {
        (start_of_hour(hours_ago(2)), "answered"): (2, timedelta(seconds=63.4)),
        (start_of_hour(hours_ago(0)), "busy"): (1, timedelta()),
    }


def test_where_many_hours_have_changed_the_calls_are_read(
    ours: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("telephony.reporting.hourly_calls.MAX_CHANGED_HOURS", 1)
    calls = [ended_call(ours, hours_ago(hours), Outcome.BUSY) for hours in (4, 3, 2)]
    count_hours()
    Call.unscoped.filter(pk__in=[call.pk for call in calls]).update(outcome=Outcome.NO_ANSWER)

    counts = count_calls("outcome", since=hours_ago(6), until=timezone.now(), workspace=ours)

    assert {key: counted.calls for key, counted in counts.items()} == {("no_answer",): 3}


def test_the_command_counts_what_is_over_and_everything_again(
    ours: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    ended_call(ours, hours_ago(3), Outcome.BUSY)
    call_command("count_calls")
    HourlyCalls.unscoped.update(calls=40)

    call_command("count_calls", "--again")

    line = "The calls of all hours that are over are counted, in 1 rows\n"
    assert capsys.readouterr().out == line * 2
    assert HourlyCalls.unscoped.get().calls == 1


def test_an_hour_at_the_beginning_of_the_calendar_has_no_calls(ours: Workspace) -> None:
    count_hours()

    assert not count_calls(
        "outcome", since=datetime(1, 1, 1, tzinfo=UTC), until=datetime.max.replace(tzinfo=UTC)
    )
