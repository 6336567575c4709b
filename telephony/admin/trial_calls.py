"""A call by which staff try an agent, ordered on the agent's page."""

from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect

from accounts.staff.base import principal_of
from accounts.staff.panels import validate_order
from accounts.staff.visibility import limit_rows
from agents.models import Agent
from telephony.serializers.calls import TransferSerializer
from telephony.services.calls import CallOrder, place_call
from voiceops.core.errors import DomainError

VARIABLE_PREFIX = "variable-"


def trial_call(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Call a number with the published agent, and go to the call's page.

    Raises PermissionDenied, and Http404 for an agent that the reader may not see.
    """
    may_call = request.user.has_perms(("telephony.add_call", "agents.view_agent"))
    if request.method != "POST" or not may_call:
        raise PermissionDenied
    rows = limit_rows(Agent.unscoped.live().select_related("workspace"), request.user)
    agent = get_object_or_404(rows, pk=pk)
    variables = {
        name.removeprefix(VARIABLE_PREFIX): text
        for name, text in request.POST.items()
        if name.startswith(VARIABLE_PREFIX) and text
    }
    try:
        to = validate_order(TransferSerializer, {"to": request.POST.get("to", "").strip()})["to"]
        order = CallOrder(agent=agent, to=to, variables=variables)
        call = place_call(order=order, principal=principal_of(request, agent))
    except DomainError as refusal:
        messages.error(request, str(refusal))
        return redirect("admin:agents_agent_change", agent.pk)
    return redirect("admin:telephony_call_change", call.pk)
