from datetime import timedelta
from typing import Any

from django.db.models import F, Q, QuerySet
from django.db.models.lookups import GreaterThanOrEqual

from accounts.models import Workspace
from telephony.models import PUBLIC_STATUS, Call
from telephony.services.calls import ID_TIME_MARGIN
from voiceops.core.ids import lowest_id

STAGES_BY_STATUS = {
    status: [s for s, public in PUBLIC_STATUS.items() if public == status]
    for status in PUBLIC_STATUS.values()
}


def filter_calls(
    calls: QuerySet[Call], workspace: Workspace, query: dict[str, Any]
) -> QuerySet[Call]:
    """The calls a list asks for, by the filters of `CallQuery`."""
    equal = {
        "outcome": "outcome",
        "direction": "direction",
        "agent_id": "agent_id",
        "batch_id": "batch_id",
        "from": "from_number",
        "to": "to_number",
        "started_after": "created_at__gte",
        "started_before": "created_at__lt",
    }
    calls = calls.filter(**{column: query[name] for name, column in equal.items() if name in query})
    for name, bound in (("started_after", "pk__gte"), ("started_before", "pk__lt")):
        if name in query:  # ids sort by time: they bring the index, the column the exact instant
            margin = -ID_TIME_MARGIN if name == "started_after" else ID_TIME_MARGIN
            calls = calls.filter(**{bound: lowest_id(query[name], later=margin)})
    if "status" in query:
        calls = calls.filter(stage__in=STAGES_BY_STATUS[query["status"]])
    if "min_duration" in query:
        lasted = GreaterThanOrEqual(
            F("ended_at") - F("answered_at"), timedelta(seconds=query["min_duration"])
        )
        calls = calls.filter(lasted, answered_at__isnull=False)
    if "search" in query:
        calls = calls.filter(search_condition(workspace, query["search"]))
    return calls


def search_condition(workspace: Workspace, text: str) -> Q:
    """Calls whose numbers or transcript contain the text, in any case."""
    spoken = Q(pk__in=workspace.turns.filter(text__icontains=text).values("call_id"))
    if not any(
        character.isdigit() for character in text
    ):  # no number contains it: leave the search to its index
        return spoken
    return spoken | Q(from_number__icontains=text) | Q(to_number__icontains=text)
