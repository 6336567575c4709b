"""The queue of people in review: what is known of each, and what either decision would do."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse

from accounts.staff.base import principal_of
from accounts.staff.visibility import limit_rows
from batches.models import Batch, Recipient
from batches.reporting.reasons import explain
from batches.services.review import close_recipient, release_recipient
from ops.control.needs import MAX_COUNTED, count_up_to, in_review
from telephony.models import Call, CallEvent
from voiceops.api.fields import UUID_PATTERN
from voiceops.api.reader_zone import reader_zone
from voiceops.core.errors import DomainError
from voiceops.core.pii import mask_number, mask_numbers_in

CASES_PER_PAGE = 10
MAX_EVENTS_OF_CASE = 12
MAX_DECISION_CHARACTERS = 200
BY_STAFF = "decided by staff"
DECISIONS = {
    "release": (release_recipient, "Released: it is called again."),
    "close": (close_recipient, "Closed: it is not called again."),
}


def review_page(request: HttpRequest) -> HttpResponse:
    """Return the cases that wait, the oldest first, or carry out a decision.

    Raises PermissionDenied.
    """
    if not request.user.has_perm("batches.view_recipient"):
        raise PermissionDenied
    waiting = limit_rows(in_review(), request.user)
    if request.method == "POST":
        _decide(request)
        return redirect("admin:review")
    rows = waiting.select_related("batch", "workspace").order_by("pk")[:CASES_PER_PAGE]
    total = count_up_to(waiting, MAX_COUNTED)
    context = {
        **admin.site.each_context(request),
        "title": "Review",
        "cases": _cases(list(rows)),
        "total": f"{min(total, MAX_COUNTED):,}{'+' if total > MAX_COUNTED else ''}",
        "zone": reader_zone(request, "UTC"),
        "may_decide": request.user.has_perm("batches.change_recipient"),
    }
    return TemplateResponse(request, "admin/control/review.html", context)


def _decide(request: HttpRequest) -> None:
    if not request.user.has_perm("batches.change_recipient"):
        raise PermissionDenied
    pk, decision = request.POST.get("recipient", ""), request.POST.get("decision", "")
    if not UUID_PATTERN.fullmatch(pk) or decision not in DECISIONS:
        raise PermissionDenied
    # Of all rows, so that a case that somebody else has just decided is refused in words.
    rows = limit_rows(Recipient.unscoped.select_related("workspace"), request.user)
    recipient = get_object_or_404(rows, pk=pk)
    act, done = DECISIONS[decision]
    reason = request.POST.get("reason", "").strip()[:MAX_DECISION_CHARACTERS] or BY_STAFF
    try:
        act(recipient=recipient, reason=reason, principal=principal_of(request, recipient))
    except DomainError as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, done)


def _cases(recipients: list[Recipient]) -> list[dict[str, Any]]:
    """Return each recipient with its last call and what was heard of it, in two queries."""
    ids = [recipient.pk for recipient in recipients]
    calls: dict[Any, Call] = {}
    for call in Call.unscoped.filter(recipient_id__in=ids).order_by("sequence"):
        calls[call.recipient_id] = call
    events: dict[Any, list[CallEvent]] = {}
    last_calls = [call.pk for call in calls.values()]
    for event in CallEvent.unscoped.filter(call__in=last_calls).order_by("at", "pk"):
        events.setdefault(event.call_id, []).append(event)
    return [_case(recipient, calls.get(recipient.pk), events) for recipient in recipients]


def _case(
    recipient: Recipient, call: Call | None, events: dict[Any, list[CallEvent]]
) -> dict[str, Any]:
    batch = recipient.batch
    texts = list(map(str, filter(None, recipient.variables_in(batch).values())))
    heard = events.get(call.pk, []) if call else []
    return {
        "recipient": recipient,
        "number": mask_number(recipient.phone_number),
        "name": " ".join(texts[:2]),
        "why": explain(recipient.reason) if recipient.reason else None,
        "call": call,
        "facts": _facts(call) if call else [],
        "events": [
            {"at": event.at, "text": mask_numbers_in(event.text)}
            for event in heard[-MAX_EVENTS_OF_CASE:]
        ],
        "release": _release_in_words(recipient),
        "close": f"Row {recipient.row_number:,} of {batch.name} ends as not reached, and is not "
        "called again in this batch.",
        "is_over": batch.status in (Batch.Status.STOPPED, Batch.Status.FAILED),
    }


def _facts(call: Call) -> list[tuple[str, str]]:
    """Return what decides whether the phone may have rung."""
    answer = f"{call.sip_status_code} {call.sip_status or ''}".strip()
    return [
        ("Dial request", "sent" if call.dialed_at or call.intent_at else "never sent"),
        ("Carrier", answer if call.sip_status_code else "no answer is known"),
        ("Callee in the room", "seen" if call.callee_joined_at else "never seen"),
        ("Agent, our witness", "was in the room" if call.agent_joined_at else "never joined"),
        ("Ringing", "reported" if call.ringing_at else "not reported"),
    ]


def _release_in_words(recipient: Recipient) -> str:
    batch = recipient.batch
    if batch.status in (Batch.Status.STOPPED, Batch.Status.FAILED):
        return f"Not possible: {batch.name} was {batch.status}."
    again = (
        " The batch, which has ended, starts again."
        if (batch.status == Batch.Status.COMPLETED)
        else ""
    )
    attempts = recipient.attempts + 1
    return f"The phone rings as soon as the calling window allows, as attempt {attempts}.{again}"
