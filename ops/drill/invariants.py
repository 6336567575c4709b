"""The books: every INVITE the sandbox sent beside every row we wrote, and what must hold between
them.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.conf import settings

from batches.models import Batch, Recipient
from telephony.models import Call

CLOCKS = 0.005  # seconds two clocks of one machine may read apart
FIRST_TIME_BUSY = range(90, 95)

# What becomes of a number by its last two digits (api-contract.md §11).
OUTCOMES: dict[range, str] = {
    range(60): "answered",
    range(60, 70): "no_answer",
    range(70, 75): "busy",
    range(75, 80): "voicemail",
    range(80, 85): "declined",
    range(85, 90): "invalid_number",
    range(90, 98): "answered",
    range(98, 99): "blocked",
    range(99, 100): "answered",
}


# LiveKit's webhooks name a busy line, a refusal and a block alike, and a wrong number like one
# nobody answers (protocols.md §2.3); the SIP status that tells them apart comes with the dial's
# answer alone.
COARSELY = {"busy": "declined", "blocked": "declined", "invalid_number": "no_answer"}


def expected_outcome(number: str) -> str:
    digits = int(number[-2:])
    return next(outcome for span, outcome in OUTCOMES.items() if digits in span)


@dataclass(frozen=True)
class Dial:
    room: str
    number: str
    caller: str
    at: float  # Unix time


@dataclass
class CallLedger:
    """Read it once the batch has come to rest. `broken` lists what must not be, in words; empty is
    well.
    """

    batch: Batch
    people: list[Recipient]
    calls: dict[str, Call]  # by room
    dials: list[Dial]
    rate: float
    uploaded: int  # rows of the list
    broken: list[str] = field(default_factory=list)

    def check(self, *, truth: bool = True) -> None:
        """`truth`: whether outcomes must be those of the numbers' table; not where the fault
        decides them.
        """
        rules = [
            self.no_attempt_is_dialled_twice,
            self.every_dial_has_an_earlier_intent,
            self.no_dial_after_the_fence,
            self.attempts_agree_with_dials,
            self.nobody_is_left_open,
            self.who_was_reached_was_dialled,
            self.no_second_is_too_full,
            self.nobody_is_lost,
            self.nobody_has_two_open_calls,
        ]
        for rule in [*rules, self.outcomes_are_true] if truth else rules:
            self.broken += rule()

    def no_attempt_is_dialled_twice(self) -> Iterator[str]:
        for room, count in Counter(dial.room for dial in self.dials).items():
            if count > 1:
                yield f"{room} was dialled {count} times"

    def every_dial_has_an_earlier_intent(self) -> Iterator[str]:
        for dial in self.dials:
            call = self.calls.get(dial.room)
            if call is None or call.intent_at is None:
                yield f"{dial.room} was dialled without an intent"
            elif call.intent_at.timestamp() > dial.at + CLOCKS:
                yield f"{dial.room} was dialled before its intent was committed"

    def no_dial_after_the_fence(self) -> Iterator[str]:
        leeway = (60 + 80) / settings.SANDBOX_SPEED
        for dial in self.dials:
            call = self.calls.get(dial.room)
            if call and call.not_after and dial.at > call.not_after.timestamp() + leeway:
                yield f"{dial.room} was dialled after its fence"

    def attempts_agree_with_dials(self) -> Iterator[str]:
        counted: dict[UUID | None, int] = defaultdict(int)
        for dial in self.dials:
            if (call := self.calls.get(dial.room)) and call.counts:
                counted[call.recipient_id] += 1
        most = int(self.batch.retry["max_attempts"])
        for person in self.people:
            if person.status == Recipient.Status.REVIEW:
                continue
            if counted[person.pk] != person.attempts or person.attempts > most:
                yield f"{person}: {counted[person.pk]} counted dials, {person.attempts} attempts, at most {most}"

    def nobody_is_left_open(self) -> Iterator[str]:
        left = [person for person in self.people if person.status in Recipient.Status.open()]
        if left:
            yield f"{len(left)} people are still open"

    def who_was_reached_was_dialled(self) -> Iterator[str]:
        dialled = {call.recipient_id for dial in self.dials if (call := self.calls.get(dial.room))}
        for person in self.people:
            if person.status == Recipient.Status.COMPLETED and person.pk not in dialled:
                yield f"{person} is completed and was never dialled"

    def no_second_is_too_full(self) -> Iterator[str]:
        """By when we sent the requests. LiveKit sends its INVITE a moment later, and on a machine
        that is too busy the moments differ: requests a second apart then meet in less. That is
        shown (`fullest_second`), and not our haste.
        """
        most = self.fullest_second(self.sent_at)
        if most > self.rate:
            yield f"{most} requests to dial within one second, {self.rate:g} allowed"

    def nobody_is_lost(self) -> Iterator[str]:
        stored = self.uploaded - self.batch.rejected_count
        if len(self.people) != stored:
            yield f"{stored} people were uploaded, {len(self.people)} are there"

    def nobody_has_two_open_calls(self) -> Iterator[str]:
        """By the times of their calls: an attempt begins after the one before it has ended."""
        ended: dict[UUID | None, float] = {}
        for call in sorted(self.calls.values(), key=lambda call: call.sequence):
            if ended.get(call.recipient_id, 0.0) > call.created_at.timestamp() + CLOCKS:
                yield f"{call.room} was begun while the person's call before it was open"
            ended[call.recipient_id] = call.ended_at.timestamp() if call.ended_at else float("inf")

    def outcomes_are_true(self) -> Iterator[str]:
        """Each is the table's; or, where the dial's answer died with its process, what LiveKit's
        reason allows.
        """
        last = {call.pk: call for call in self.calls.values()}
        for person in self.people:
            expected = {expected_outcome(person.phone_number)}
            call = last.get(person.last_call_id) if person.last_call_id else None
            if call is not None and call.sip_status_code is None:
                expected |= {COARSELY[outcome] for outcome in expected if outcome in COARSELY}
            if person.status in ("completed", "failed") and person.outcome not in expected:
                yield f"{person} ({person.phone_number[-2:]}) ended as {person.outcome} ({person.reason})"

    def fullest_second(self, moment: Callable[[Dial], float | None] | None = None) -> int:
        """The most dials from one number in any window of one second; by their INVITEs, unless told
        otherwise.
        """
        by_number: dict[str, list[float]] = defaultdict(list)
        for dial in self.dials:
            at = moment(dial) if moment else dial.at
            if at is not None:
                by_number[dial.caller].append(at)
        return max((most_within(sorted(times), 1.0) for times in by_number.values()), default=0)

    def sent_at(self, dial: Dial) -> float | None:
        """When we sent the request. None where the sender died before it could write that down.

        Then the row has the moment when the callee was seen in the room, or that of the intent.
        """
        call = self.calls.get(dial.room)
        if call is None or call.dialed_at is None or call.intent_at is None:
            return None
        if call.dialed_at <= call.intent_at or call.dialed_at == call.callee_joined_at:
            return None
        return min(dial.at, call.dialed_at.timestamp())

    def figures(self) -> dict[str, Any]:
        statuses = Counter(person.status for person in self.people)
        rooms = Counter(dial.room for dial in self.dials)
        return {
            "people": len(self.people),
            "dials": len(self.dials),
            "dialled_twice": sum(count > 1 for count in rooms.values()),
            "lost": sum(statuses[name] for name in Recipient.Status.open()),
            "review": statuses["review"],
            "fullest_second": self.fullest_second(),
            "requests_in_fullest_second": self.fullest_second(self.sent_at),
            "broken": len(self.broken),
        }

    def table(self) -> str:
        rows = Counter(
            (person.status, person.outcome or person.reason or "") for person in self.people
        )
        lines = [f"  {'status':12} {'outcome':16} people"]
        return "\n".join(
            lines
            + [f"  {status:12} {outcome:16} {n:6}" for (status, outcome), n in sorted(rows.items())]
        )


def most_within(times: Sequence[float], seconds: float) -> int:
    """The most of the sorted `times` that lie within any half-open window of so many seconds."""
    most = start = 0
    for end, at in enumerate(times):
        while at - times[start] >= seconds:
            start += 1
        most = max(most, end - start + 1)
    return most


def read_ledger(batch_id: str, dials: Iterable[dict[str, Any]], *, uploaded: int) -> CallLedger:
    batch = Batch.unscoped.select_related("phone_number").get(pk=batch_id)
    assert batch.phone_number is not None
    return CallLedger(
        batch=batch,
        people=list(batch.recipients.order_by("row_number")),
        calls={call.room: call for call in Call.unscoped.filter(batch_id=batch.pk)},
        dials=[
            Dial(d["room"], d["number"], d["caller_id"], d["at"])
            for d in dials
            if d["room"].startswith("vo-")
        ],
        uploaded=uploaded,
        rate=batch.calls_per_second or batch.phone_number.calls_per_second,
    )
