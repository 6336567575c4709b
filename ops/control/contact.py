"""All that is known of one number in one workspace: lists, calls, callbacks, do-not-call list.

The address names a row of it instead of the number, so that no log keeps the number.
"""

from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone

from accounts import audit
from accounts.models import Workspace
from accounts.staff.base import principal_of
from accounts.staff.visibility import limit_rows, require_personal_data
from batches.dialing.number_zones import place_of
from batches.models import Callback, Recipient, Suppression
from batches.reporting.next_calls import next_calls
from batches.reporting.reasons import explain
from ops.control.contact_orders import allowed_orders, give_order
from telephony.models import Call, Direction
from voiceops.api.reader_zone import reader_zone

MAX_ROWS_OF_KIND = 50
# Rows that lead to a page, by the word in its address, with the permission to see them.
CONTACT_KINDS: dict[str, tuple[type[Any], str]] = {
    "recipient": (Recipient, "batches.view_recipient"),
    "call": (Call, "telephony.view_call"),
    "suppression": (Suppression, "batches.view_suppression"),
    "callback": (Callback, "batches.view_callback"),
}


def contact_page(request: HttpRequest, kind: str, pk: UUID) -> HttpResponse:
    """Return the page, or carry out an order that was given on it.

    Raises PermissionDenied, and Http404 for a row that the reader may not see.
    """
    require_personal_data(request)
    row = _find_row(request, kind, pk)
    number = _number_of(row)
    if request.method == "POST":
        return give_order(request, row.workspace, number) or redirect("admin:contact", kind, pk)
    principal = principal_of(request, row)
    audit.record(f"{row._meta.model_name}.viewed_by_staff", principal=principal, target=row)
    now = timezone.now()
    context = {
        **admin.site.each_context(request),
        "title": number,
        "now": now,
        "workspace": row.workspace,
        "zone": reader_zone(request, row.workspace.timezone),
        "local_times": _local_times(number, now),
        **allowed_orders(request, row.workspace),
        **_rows_of(request, row.workspace, number, now),
    }
    return TemplateResponse(request, "admin/control/contact.html", context)


def _find_row(request: HttpRequest, kind: str, pk: UUID) -> Any:
    if kind not in CONTACT_KINDS:
        raise Http404
    model, permission = CONTACT_KINDS[kind]
    if not request.user.has_perm(permission):
        raise PermissionDenied
    rows = limit_rows(model.unscoped.select_related("workspace"), request.user)
    row = rows.filter(pk=pk).first()
    if row is None:
        raise Http404
    return row


def _number_of(row: Any) -> str:
    """Return the number of the other side."""
    if isinstance(row, Call):
        return row.from_number if row.direction == Direction.INBOUND else row.to_number
    return str(row.phone_number)


def _rows_of(
    request: HttpRequest, workspace: Workspace, number: str, now: datetime
) -> dict[str, Any]:
    """Return the newest rows of each kind that the reader may see."""
    outbound = Q(direction=Direction.OUTBOUND, to_number=number)
    rows: dict[str, tuple[str, QuerySet[Any]]] = {
        "recipients": (
            "batches.view_recipient",
            workspace.recipients.filter(phone_number=number).select_related("batch__workspace"),
        ),
        "calls": ("telephony.view_call", workspace.calls.listed().filter(outbound)),
        "inbound": (
            "telephony.view_call",
            workspace.calls.listed().filter(direction=Direction.INBOUND, from_number=number),
        ),
        "callbacks": ("batches.view_callback", workspace.callbacks.filter(phone_number=number)),
        "suppressions": (
            "batches.view_suppression",
            workspace.suppressions.filter(phone_number=number),
        ),
    }
    found = {
        name: list(query.order_by("-pk")[:MAX_ROWS_OF_KIND])
        if request.user.has_perm(permission)
        else []
        for name, (permission, query) in rows.items()
    }
    found["calls"] = sorted([*found["calls"], *found.pop("inbound")], key=_made_at, reverse=True)
    planned = next_calls(workspace, found["recipients"], now)
    for recipient, call in zip(found["recipients"], planned, strict=True):
        code = call.rule if call is not None else recipient.reason
        recipient.next_call = call
        recipient.explained = explain(code) if code else None
        recipient.named = recipient.variables_in(recipient.batch)
    return found


def _made_at(call: Call) -> datetime:
    return call.created_at


def _local_times(number: str, now: datetime) -> list[str]:
    """Return what clocks show where the number may be, each once."""
    zones = place_of(number).zones
    times = [now.astimezone(ZoneInfo(zone)) for zone in zones]
    return list(dict.fromkeys(f"{time:%a %H:%M} {time.tzname()}" for time in times))
