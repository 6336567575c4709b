"""What staff order of a number, and how its calls have gone for a day."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone

from accounts.auth.principal import Principal
from accounts.staff.panels import Order, validate_order
from telephony.models import Outcome, PhoneNumber
from telephony.reporting.hourly_calls import count_calls, start_of_hour
from telephony.serializers.numbers import TestCallSerializer
from telephony.services import drift, numbers, test_calls
from voiceops.api.fields import UUID_PATTERN
from voiceops.core.errors import Invalid

TRACKED_HOURS = 24
# Outcomes that are the line's fault, not the callee's.
LINE_FAILED = (Outcome.TRUNK_ERROR, Outcome.CARRIER_ERROR, Outcome.THROTTLED, Outcome.UNKNOWN)
FAILING_SHARE = 0.2


def order_test_call(request: HttpRequest, number: PhoneNumber, principal: Principal) -> Any:
    """Place a test call, and go to its page. Raises Invalid and StateForbids."""
    body = {"to": request.POST.get("to", "").strip()}
    to = validate_order(TestCallSerializer, body)["to"]
    call = test_calls.place_test_call(number=number, to=to, principal=principal)
    messages.success(request, "The test call is on its way; it is hung up when it is answered.")
    return redirect("admin:telephony_call_change", call.pk)


def order_check(request: HttpRequest, number: PhoneNumber, principal: Principal) -> str:
    """Compare the number with LiveKit. Raises ProviderError."""
    differences = drift.check_number(number=number)
    return "; ".join(differences) or "LiveKit has the number as it should be."


def order_repair(request: HttpRequest, number: PhoneNumber, principal: Principal) -> str:
    """Make LiveKit match the row. Raises StateForbids and ProviderError."""
    drift.repair_number(number=number, principal=principal)
    return "LiveKit has the number as it should be again."


def order_answering(request: HttpRequest, number: PhoneNumber, principal: Principal) -> str:
    """Change which agent answers calls to the number.

    Raises Invalid, StateForbids and ProviderError.
    """
    chosen = request.POST.get("agent", "")
    agent = None
    if chosen:
        rows = answering_agents(number)
        agent = rows.filter(pk=chosen).first() if UUID_PATTERN.fullmatch(chosen) else None
        if agent is None:
            raise Invalid("Agent not found")
    changes = {"inbound_agent": agent}
    numbers.change_number(number=number, changes=changes, principal=principal)
    return f"{agent.name} answers now." if agent else "Nobody answers now."


def order_release(
    request: HttpRequest, number: PhoneNumber, principal: Principal
) -> str | HttpResponse:
    """Remove the number everywhere; one that was bought is given back.

    Raises Invalid when the number was not typed, StateForbids, and ProviderError.
    """
    typed = request.POST.get("typed", "").strip()
    if typed != number.phone_number:
        raise Invalid("Nothing was released: type the number as it stands on the page")
    numbers.remove_number(number=number, principal=principal)
    messages.success(request, f"{number.phone_number} is released.")
    return redirect("admin:telephony_phonenumber_changelist")


NUMBER_ORDERS: Mapping[str, Order] = {
    "test": order_test_call,
    "check": order_check,
    "repair": order_repair,
    "answering": order_answering,
    "release": order_release,
}


def answering_agents(number: PhoneNumber) -> Any:
    """Return the agents that may answer calls to the number."""
    return number.workspace.agents.live().order_by("name", "pk")


def number_panel(number: PhoneNumber) -> dict[str, Any]:
    """Return what the panel of a number shows."""
    return {
        "agents": [
            (str(pk), name) for pk, name in answering_agents(number).values_list("pk", "name")
        ],
        "answering": str(number.inbound_agent_id or ""),
        "is_active": number.status == PhoneNumber.Status.ACTIVE,
        "is_bought": bool((number.provider_sids or {}).get("bought")),
        "hours": list(_hours_of(number, timezone.now())),
        "open_calls": number.calls.open().count(),
    }


def _hours_of(number: PhoneNumber, now: datetime) -> Iterator[dict[str, Any]]:
    """Yield each of the last hours: how many calls, and whether the line was at fault."""
    first = start_of_hour(now) - timedelta(hours=TRACKED_HOURS - 1)
    counted = count_calls(
        "number", "hour", "outcome", since=first, until=now, workspace=number.workspace
    )
    sums: dict[datetime, dict[Any, int]] = {}
    for (own_number, hour, outcome), count in counted.items():
        if own_number == number.phone_number:
            sums.setdefault(hour, {})[outcome] = count.calls
    for place in range(TRACKED_HOURS):
        hour = first + timedelta(hours=place)
        outcomes = sums.get(hour, {})
        calls = sum(outcomes.values())
        failed = sum(outcomes.get(outcome, 0) for outcome in LINE_FAILED)
        yield {"at": hour, "calls": calls, "failed": failed, "tone": _tone_of(calls, failed)}


def _tone_of(calls: int, failed: int) -> str:
    if not calls:
        return "waiting"
    if failed > calls * FAILING_SHARE:
        return "failed"
    return "retry" if failed else "live"
