"""The filters of a list of calls."""

from datetime import timedelta
from typing import Any

from django.db.models import F, Q, QuerySet
from django.db.models.lookups import GreaterThanOrEqual

from accounts.models import Workspace
from telephony.models import PUBLIC_STATUS, Call
from voiceops.core.ids import lowest_id

ID_TIME_MARGIN = timedelta(minutes=1)  # a row is written at most this long after its id was made
STAGES_BY_STATUS = {
    status: [stage for stage, public in PUBLIC_STATUS.items() if public == status]
    for status in PUBLIC_STATUS.values()
}
LOOKUPS = {
    "outcome": "outcome",
    "direction": "direction",
    "agent_id": "agent_id",
    "batch_id": "batch_id",
    "from": "from_number",
    "to": "to_number",
    "started_after": "created_at__gte",
    "started_before": "created_at__lt",
}


def filter_calls(
    calls: QuerySet[Call], workspace: Workspace, query: dict[str, Any]
) -> QuerySet[Call]:
    """Apply the filters of `CallQuery` that are present in the query."""
    lookups = {lookup: query[name] for name, lookup in LOOKUPS.items() if name in query}
    calls = calls.filter(**lookups)

    # Ids sort by time: bounds on the id let the index serve, bounds on the column are exact.
    if "started_after" in query:
        calls = calls.filter(pk__gte=lowest_id(query["started_after"], later=-ID_TIME_MARGIN))
    if "started_before" in query:
        calls = calls.filter(pk__lt=lowest_id(query["started_before"], later=ID_TIME_MARGIN))

    if "status" in query:
        calls = calls.filter(stage__in=STAGES_BY_STATUS[query["status"]])
    if "min_duration" in query:
        duration = F("ended_at") - F("answered_at")
        minimum = timedelta(seconds=query["min_duration"])
        calls = calls.filter(GreaterThanOrEqual(duration, minimum), answered_at__isnull=False)
    if "search" in query:
        calls = calls.filter(search_condition(workspace, query["search"]))
    return calls


def search_condition(workspace: Workspace, text: str) -> Q:
    """Match calls whose numbers or transcript contain the text, in any case."""
    spoken = Q(pk__in=workspace.turns.filter(text__icontains=text).values("call_id"))
    # A text without digits is in no number, and without the OR the transcript's index can serve.
    if not any(character.isdigit() for character in text):
        return spoken
    return spoken | Q(from_number__icontains=text) | Q(to_number__icontains=text)
