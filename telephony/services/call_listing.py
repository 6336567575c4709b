"""The filters of a list of calls."""

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Case, F, Q, QuerySet, When
from django.db.models.lookups import GreaterThanOrEqual

from accounts.models import Workspace
from telephony.models import PUBLIC_STATUS, Call, Stage
from telephony.services.number_search import find_numbers
from voiceops.core.ids import lowest_id

ID_TIME_MARGIN = timedelta(minutes=1)  # a row is written at most this long after its id was made
# An attempt is dialled at most this long after its id was made: claimed attempts that wait longer
# for a slot are given back.
DIAL_MARGIN = timedelta(hours=1)
# A claim makes its ids, and commits them together within this time.
CLAIM_MARGIN = timedelta(seconds=2)
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
    "started_after": "started_at__gte",
    "started_before": "started_at__lt",
}
# A call has started once it is listed: an attempt of a batch when it is dialled, any other call
# when it is placed. So what lies before an instant in the past is the same at every reading.
STARTED_AT = Case(When(batch_id__isnull=False, then=F("dialed_at")), default=F("created_at"))


def filter_calls(
    calls: QuerySet[Call], workspace: Workspace, query: dict[str, Any]
) -> QuerySet[Call]:
    """Apply the filters of `CallQuery` that are present in the query."""
    lookups = {lookup: query[name] for name, lookup in LOOKUPS.items() if name in query}
    if "started_after" in query or "started_before" in query:
        calls = calls.annotate(started_at=STARTED_AT)
    calls = calls.filter(**lookups)

    # Ids sort by time: bounds on the id let the index serve, bounds on the column are exact.
    if "started_after" in query:
        calls = calls.filter(pk__gte=lowest_id(query["started_after"], later=-DIAL_MARGIN))
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


def hold_back_unsent(calls: QuerySet[Call], workspace: Workspace, now: datetime) -> QuerySet[Call]:
    """Leave out the calls behind an attempt that waits to be dialled.

    It is listed only once it is dialled, with the id that it has already: a walk in the order of
    ids would have passed it by then. Nothing is left out while no batch is calling.
    """
    attempts = workspace.calls.filter(batch_id__isnull=False).exclude(stage=Stage.ENDED)
    unsent = attempts.filter(dialed_at=None).order_by("pk")
    first_unsent = unsent.values_list("pk", flat=True).first()
    if first_unsent is None and not attempts.exists():
        return calls
    newest_settled_id = lowest_id(now, later=-CLAIM_MARGIN)
    return calls.filter(pk__lt=min(first_unsent or newest_settled_id, newest_settled_id))


def search_condition(workspace: Workspace, text: str) -> Q:
    """Match calls whose numbers or transcript contain the text, in any case."""
    spoken = workspace.turns.filter(text__icontains=text).order_by().values("call_id")
    # A text without digits is in no number.
    if not any(character.isdigit() for character in text):
        return Q(pk__in=spoken)
    numbers = find_numbers(workspace, text)
    if numbers is None:
        return Q(pk__in=spoken) | Q(from_number__icontains=text) | Q(to_number__icontains=text)
    calls = workspace.calls.listed().order_by()
    # One list of ids, where alternatives would have every call read.
    found = [calls.filter(to_number__in=numbers.called).values("pk")]
    if numbers.callers:
        found.append(calls.filter(from_number__in=numbers.callers).values("pk"))
    return Q(pk__in=spoken.union(*found))
