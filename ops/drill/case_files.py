"""Tells of each recipient in review what is known of the last call, so that a drill's log shows
whether more could have been known.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from batches.models import Recipient
from telephony.dialing.reconciliation import CALLEE_EVENTS
from telephony.models import Call, CallEvent, InboxEvent


def case_files(recipients: Iterable[Recipient], dials: Sequence[dict[str, Any]]) -> Iterator[str]:
    """One line for each recipient in review; `dials` are the sandbox's calls."""
    by_room = {dial["room"]: dial for dial in dials}
    for recipient in recipients:
        if recipient.status != Recipient.Status.REVIEW or recipient.last_call_id is None:
            continue
        call = Call.unscoped.get(pk=recipient.last_call_id)
        yield f"review {recipient.phone_number}: " + "; ".join(
            [*timeline_of(call), *webhooks_of(call), line_of(by_room.get(call.room))]
        )


def timeline_of(call: Call) -> Iterator[str]:
    """What we recorded, in seconds since the intent."""
    for event in CallEvent.unscoped.filter(call=call).order_by("at", "pk"):
        source = event.data.get("source") or event.data.get("reason") or ""
        yield f"{seconds_of(call, event.at)} {event.type} {source}".rstrip()


def webhooks_of(call: Call) -> Iterator[str]:
    """What LiveKit told of the callee."""
    for event in InboxEvent.objects.about_room(call.room, *CALLEE_EVENTS):
        participant = event.body.get("participant") or {}
        if participant.get("identity") == call.callee_identity:
            status = (participant.get("attributes") or {}).get("sip.callStatus", "")
            reason = participant.get("disconnectReason", "")
            at = seconds_of(call, event.received_at)
            yield " ".join(f"{at} webhook {event.event} {status} {reason}".split())


def line_of(dial: dict[str, Any] | None) -> str:
    """What happened on the callee's side."""
    if dial is None:
        return "no INVITE left"
    names = ("status", "at", "answered_at", "ended_at", "outcome", "end_reason")
    return "line " + ", ".join(f"{name} {dial[name]}" for name in names if dial.get(name))


def seconds_of(call: Call, at: Any) -> str:
    return f"{(at - (call.intent_at or call.created_at)).total_seconds():+.1f}"
