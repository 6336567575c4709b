"""What must be true after every drill: each INVITE the sandbox sent is compared with each row we
wrote (`docs/reference/reliability.md` §2.7).
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings

from batches.models import Batch, Recipient
from batches.reporting.progress import STATUSES, counts_of
from telephony.domain.latest_ends import DURATION_MARGIN, latest_unanswered_end, maximum_end
from telephony.models import Call

# Until a sweep on a busy machine notices that a call is past its latest end. A LiveKit that cannot
# be asked delays unanswered calls by at most as long as the drills' outages last.
OBSERVATION_TIME = timedelta(seconds=20)
CLOCK_TOLERANCE_SECONDS = 0.005  # between two clocks of one machine
# How long after a token's expiry LiveKit may still send the INVITE, in seconds of the simulation:
# its leeway for expired tokens, and the time a request may wait inside of it.
FENCE_LEEWAY_SECONDS = 60 + 80

# What the sandbox makes of a number by its last two digits (docs/reference/api-contract.md §11).
OUTCOME_OF_ENDING: dict[range, str] = {
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
# Only the response to the dial contains the SIP status. LiveKit's webhooks give the same reason for
# a busy line, a refusal and a block, and for a wrong number the same as for no answer
# (docs/reference/protocols.md §2.3).
OUTCOME_BY_WEBHOOK = {
    "busy": "declined",
    "blocked": "declined",
    "invalid_number": "no_answer",
}


def expected_outcome(number: str) -> str:
    digits = int(number[-2:])
    return next(outcome for span, outcome in OUTCOME_OF_ENDING.items() if digits in span)


@dataclass(frozen=True)
class Dial:
    """One INVITE, as the sandbox recorded it."""

    room: str
    number: str
    caller_id: str
    at: float  # Unix time
    answered_at: float | None = None  # the same; of the callee, whether we learnt of it or not


@dataclass
class CallLedger:
    """The rows of one batch beside its dials. Read it once the batch has ended."""

    batch: Batch
    recipients: list[Recipient]
    calls: dict[str, Call]  # by room
    dials: list[Dial]
    calls_per_second: float
    uploaded_rows: int
    counts: dict[str, int]  # what everybody is shown
    violations: list[str] = field(default_factory=list)  # in words

    def check_all(self, *, check_outcomes: bool = True) -> None:
        """Collect the violations of every invariant.

        `check_outcomes` is False where the fault itself decides how calls end.
        """
        checks: list[Callable[[], Iterator[str]]] = [
            self.check_attempts_are_dialed_once,
            self.check_intents_precede_dials,
            self.check_dials_precede_fences,
            self.check_attempts_match_dials,
            self.check_no_recipient_is_open,
            self.check_completed_were_dialed,
            self.check_pace,
            self.check_no_recipient_is_lost,
            self.check_counts_match_recipients,
            self.check_calls_do_not_overlap,
            self.check_answered_are_not_dialed_again,
            self.check_calls_end_in_time,
        ]
        if check_outcomes:
            checks.append(self.check_outcomes_match_numbers)
        for check in checks:
            self.violations += check()

    def check_attempts_are_dialed_once(self) -> Iterator[str]:
        for room, count in Counter(dial.room for dial in self.dials).items():
            if count > 1:
                yield f"{room} was dialed {count} times"

    def check_intents_precede_dials(self) -> Iterator[str]:
        for dial in self.dials:
            call = self.calls.get(dial.room)
            if call is None or call.intent_at is None:
                yield f"{dial.room} was dialed without an intent"
            elif call.intent_at.timestamp() > dial.at + CLOCK_TOLERANCE_SECONDS:
                yield f"{dial.room} was dialed before its intent was committed"

    def check_dials_precede_fences(self) -> Iterator[str]:
        leeway = FENCE_LEEWAY_SECONDS / settings.SANDBOX_SPEED
        for dial in self.dials:
            call = self.calls.get(dial.room)
            if call and call.not_after and dial.at > call.not_after.timestamp() + leeway:
                yield f"{dial.room} was dialed after its fence"

    def check_attempts_match_dials(self) -> Iterator[str]:
        counted: dict[UUID | None, int] = defaultdict(int)
        for dial in self.dials:
            call = self.calls.get(dial.room)
            if call and call.counts:
                counted[call.recipient_id] += 1
        limit = int(self.batch.retry["max_attempts"])
        for recipient in self.recipients:
            if recipient.status == Recipient.Status.REVIEW:
                continue
            dials, attempts = counted[recipient.pk], recipient.attempts
            if dials != attempts or attempts > limit:
                yield f"{recipient}: {dials} counted dials, {attempts} attempts, at most {limit}"

    def check_no_recipient_is_open(self) -> Iterator[str]:
        open_recipients = [
            recipient
            for recipient in self.recipients
            if recipient.status in Recipient.Status.open()
        ]
        if open_recipients:
            yield f"{len(open_recipients)} recipients are still open"

    def check_completed_were_dialed(self) -> Iterator[str]:
        dialed = {call.recipient_id for dial in self.dials if (call := self.calls.get(dial.room))}
        for recipient in self.recipients:
            if recipient.status == Recipient.Status.COMPLETED and recipient.pk not in dialed:
                yield f"{recipient} is completed and was never dialed"

    def check_pace(self) -> Iterator[str]:
        """Count the moments at which we sent the requests, not those of the INVITEs.

        LiveKit sends an INVITE a moment after the request. On a busy machine that moment varies, so
        that requests one second apart may become INVITEs within less. The figure `fullest_second`
        shows that, but it is not our pace.
        """
        most = self.fullest_second(self.sent_at)
        if most > self.calls_per_second:
            yield f"{most} requests to dial within one second, {self.calls_per_second:g} allowed"

    def check_no_recipient_is_lost(self) -> Iterator[str]:
        expected = self.uploaded_rows - self.batch.rejected_count
        if len(self.recipients) != expected:
            yield f"{expected} recipients were uploaded, {len(self.recipients)} are stored"

    def check_counts_match_recipients(self) -> Iterator[str]:
        statuses = Counter(recipient.status for recipient in self.recipients)
        for status in STATUSES:
            if self.counts[status] != statuses[status]:
                yield f"{self.counts[status]} of {statuses[status]} {status} are counted"

    def check_calls_do_not_overlap(self) -> Iterator[str]:
        """An attempt is dialed only after the recipient's attempt before it has ended."""
        ended: dict[UUID | None, float] = {}
        for call in sorted(self.calls.values(), key=lambda call: call.sequence):
            # The intent's time is the database's. `created_at` is that of the worker, whose clock
            # may be minutes off (F20); and a call without an intent rang nobody's phone.
            begun_at = call.intent_at.timestamp() if call.intent_at else float("inf")
            if ended.get(call.recipient_id, 0.0) > begun_at + CLOCK_TOLERANCE_SECONDS:
                yield f"{call.room} was begun while the recipient's call before it was open"
            ended[call.recipient_id] = call.ended_at.timestamp() if call.ended_at else float("inf")

    def check_answered_are_not_dialed_again(self) -> Iterator[str]:
        """Whoever picked up is not called again, whatever died meanwhile. Machines may be."""
        answered: dict[str, float] = {}
        for dial in sorted(self.dials, key=lambda dial: dial.at):
            since = answered.get(dial.number, dial.at)
            if since < dial.at:
                yield f"{dial.number} was dialed again {dial.at - since:.1f} s after it answered"
            if dial.answered_at is not None and expected_outcome(dial.number) != "voicemail":
                answered.setdefault(dial.number, dial.answered_at)

    def check_calls_end_in_time(self) -> Iterator[str]:
        """No call outlives the latest end of its stage, not even in an outage."""
        for call in self.calls.values():
            if call.ended_at is None or call.intent_at is None:
                continue
            if call.answered_at is None:
                latest = latest_unanswered_end(call)
            else:
                maximum = maximum_end(call)
                latest = maximum + DURATION_MARGIN if maximum else None
            if latest is not None and call.ended_at > latest + OBSERVATION_TIME:
                late = (call.ended_at - latest).total_seconds()
                yield f"{call.room} ended {late:.1f} s after its latest end"

    def check_outcomes_match_numbers(self) -> Iterator[str]:
        """Each outcome is the one its number stands for.

        Where the response to the dial was lost with its process, the outcome that LiveKit's webhook
        allows is accepted too.
        """
        calls = {call.pk: call for call in self.calls.values()}
        for recipient in self.recipients:
            if recipient.status not in (Recipient.Status.COMPLETED, Recipient.Status.FAILED):
                continue
            call = calls.get(recipient.last_call_id) if recipient.last_call_id else None
            outcome = expected_outcome(recipient.phone_number)
            accepted = {outcome}
            if call is not None and call.sip_status_code is None:
                accepted.add(OUTCOME_BY_WEBHOOK.get(outcome, outcome))
            if recipient.outcome not in accepted:
                digits = recipient.phone_number[-2:]
                ended_as = f"{recipient.outcome} ({recipient.reason})"
                yield f"{recipient} ({digits}) ended as {ended_as}"

    def fullest_second(self, moment_of: Callable[[Dial], float | None] | None = None) -> int:
        """The most dials from one number within any window of one second.

        `moment_of` gives the time of a dial, or None to leave it out; default: that of its INVITE.
        """
        by_number: dict[str, list[float]] = defaultdict(list)
        for dial in self.dials:
            at = moment_of(dial) if moment_of else dial.at
            if at is not None:
                by_number[dial.caller_id].append(at)
        return max((most_within(sorted(times), 1.0) for times in by_number.values()), default=0)

    def sent_at(self, dial: Dial) -> float | None:
        """When we sent the request; None when the sender died before it could write that down.

        Then `dialed_at` holds the moment when the callee was seen in the room, or that of the
        intent.
        """
        call = self.calls.get(dial.room)
        if call is None or call.dialed_at is None or call.intent_at is None:
            return None
        if call.dialed_at <= call.intent_at or call.dialed_at == call.callee_joined_at:
            return None
        return min(dial.at, call.dialed_at.timestamp())

    def figures(self) -> dict[str, Any]:
        statuses = Counter(recipient.status for recipient in self.recipients)
        rooms = Counter(dial.room for dial in self.dials)
        return {
            "people": len(self.recipients),
            "dials": len(self.dials),
            "dialled_twice": sum(count > 1 for count in rooms.values()),
            "lost": sum(statuses[name] for name in Recipient.Status.open()),
            "review": statuses[Recipient.Status.REVIEW],
            "fullest_second": self.fullest_second(),
            "requests_in_fullest_second": self.fullest_second(self.sent_at),
            "broken": len(self.violations),
        }

    def table(self) -> str:
        """How many recipients have each status and outcome."""
        rows = Counter(
            (recipient.status, recipient.outcome or recipient.reason or "")
            for recipient in self.recipients
        )
        lines = [f"  {'status':12} {'outcome':16} recipients"]
        for (status, outcome), count in sorted(rows.items()):
            lines.append(f"  {status:12} {outcome:16} {count:10}")
        return "\n".join(lines)


def most_within(times: Sequence[float], seconds: float) -> int:
    """The most of the sorted `times` within any half-open window of that length."""
    most = start = 0
    for end, at in enumerate(times):
        while at - times[start] >= seconds:
            start += 1
        most = max(most, end - start + 1)
    return most


def read_ledger(
    batch_id: str, dials: Iterable[dict[str, Any]], *, uploaded_rows: int
) -> CallLedger:
    """The ledger of one batch; `dials` are the sandbox's calls, of which foreign rooms are left
    out.
    """
    batch = Batch.unscoped.select_related("phone_number").get(pk=batch_id)
    assert batch.phone_number is not None
    return CallLedger(
        batch=batch,
        recipients=list(batch.recipients.order_by("row_number")),
        calls={call.room: call for call in Call.unscoped.filter(batch_id=batch.pk)},
        dials=[
            Dial(
                dial["room"],
                dial["number"],
                dial["caller_id"],
                dial["at"],
                dial.get("answered_at"),
            )
            for dial in dials
            if dial["room"].startswith("vo-")
        ],
        uploaded_rows=uploaded_rows,
        counts=counts_of([batch])[batch.pk],
        calls_per_second=batch.calls_per_second or batch.phone_number.calls_per_second,
    )
