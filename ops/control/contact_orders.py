"""What staff order on the page of a number: never call it, call it now, erase it."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone

from accounts import audit
from accounts.models import Workspace
from accounts.staff.base import principal_of
from batches.services.suppressions import suppress_number
from ops.control.erasure import erase_person
from telephony.services.calls import CallOrder, place_call
from voiceops.api.fields import UUID_PATTERN
from voiceops.core.errors import DomainError, Invalid

MAX_REASON_CHARACTERS = 255


def allowed_orders(request: HttpRequest, workspace: Workspace) -> dict[str, Any]:
    """Return what of it the reader may order, and which agents could call."""
    may_call = request.user.has_perm("telephony.add_call")
    agents = workspace.agents.live().exclude(published_version=None).order_by("name", "pk")
    return {
        "may_suppress": request.user.has_perm("batches.add_suppression"),
        "may_erase": request.user.is_superuser,
        "callers": list(agents) if may_call else [],
    }


def give_order(request: HttpRequest, workspace: Workspace, number: str) -> HttpResponse | None:
    """Carry out the order; return where to go, if not back. Raises PermissionDenied."""
    orders = {"suppress": _suppress, "call": _call_now, "erase": _erase}
    order = orders.get(request.POST.get("order", ""))
    if order is None:
        raise PermissionDenied
    try:
        return order(request, workspace, number)
    except DomainError as refusal:
        messages.error(request, str(refusal))
        return None


def _suppress(request: HttpRequest, workspace: Workspace, number: str) -> None:
    if not request.user.has_perm("batches.add_suppression"):
        raise PermissionDenied
    suppress_number(
        workspace=workspace,
        phone_number=number,
        now=timezone.now(),
        principal=principal_of(request, workspace),
        reason=request.POST.get("reason", "").strip()[:MAX_REASON_CHARACTERS],
    )
    messages.success(request, "This number will not be called any more.")


def _call_now(request: HttpRequest, workspace: Workspace, number: str) -> HttpResponse:
    if not request.user.has_perm("telephony.add_call"):
        raise PermissionDenied
    chosen = request.POST.get("agent", "")
    rows = workspace.agents.live()
    agent = rows.filter(pk=chosen).first() if UUID_PATTERN.fullmatch(chosen) else None
    if agent is None:
        raise Invalid("Agent not found")
    order = CallOrder(agent=agent, to=number)
    call = place_call(order=order, principal=principal_of(request, workspace))
    return redirect("admin:telephony_call_change", call.pk)


def _erase(request: HttpRequest, workspace: Workspace, number: str) -> HttpResponse:
    if not request.user.is_superuser:
        raise PermissionDenied
    if request.POST.get("typed", "").strip() != number:
        raise Invalid("Nothing was erased: type the number as it stands on the page")
    erased = erase_person(workspace, number)
    principal = principal_of(request, workspace)
    audit.record("person.erased", principal=principal, changes=erased._asdict())
    messages.success(request, f"Erased: {erased}. The number stays uncallable.")
    return redirect("admin:index")
