from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Count, Max, Q

from accounts.models import Workspace
from telephony.models import Call, Outcome, Stage
from voiceops.core.clock import database_now

LONGEST_GAP = 10 * 366 * 24 * 60  # minutes that are looked back: a date must come of it


def recent_attempts(
    workspaces: Mapping[UUID, Workspace], numbers: set[str]
) -> dict[tuple[UUID, str], dict[str, Any]]:
    """Per workspace and number: the last attempt that may have rung, and how many in 24 hours and
    in 7 days.
    """
    from_now = database_now()
    week = from_now - timedelta(days=7)
    gaps = [min(workspace.min_gap_minutes or 0, LONGEST_GAP) for workspace in workspaces.values()]
    oldest = min(week, from_now - timedelta(minutes=max(gaps, default=0)))
    sent = Call.unscoped.filter(
        workspace__in=workspaces, to_number__in=numbers, direction="outbound"
    ).exclude(intent_at=None)
    may_have_rung = Q(counts=True) | ~Q(stage=Stage.ENDED) | Q(outcome=Outcome.UNKNOWN)
    rang = sent.filter(may_have_rung, intent_at__gt=oldest)
    rows = rang.values("workspace_id", "to_number").annotate(
        last=Max("intent_at"),
        day=Count("pk", filter=Q(intent_at__gt=from_now - timedelta(days=1))),
        week=Count("pk", filter=Q(intent_at__gt=week)),
    )
    found = {(row["workspace_id"], row["to_number"]): dict(row) for row in rows}
    for workspace in workspaces:
        for number in numbers:
            found.setdefault((workspace, number), {"last": None, "day": 0, "week": 0})
    return found


def gap_ends_at(call: Call, now: datetime) -> datetime:
    """When somebody who was called too short a time ago may be called; `call` was refused for it.

    An attempt that is still under way may turn out never to have been sent: then that is asked
    again in a minute.
    """
    same = Call.unscoped.open().filter(
        workspace_id=call.workspace_id, to_number=call.to_number, direction="outbound"
    )
    if same.exclude(intent_at=None).exists():
        return now + timedelta(minutes=1)
    workspace = Workspace.unscoped.get(pk=call.workspace_id)
    recent = recent_attempts({workspace.pk: workspace}, {call.to_number})
    last: datetime | None = recent[workspace.pk, call.to_number]["last"]
    gap = timedelta(minutes=min(workspace.min_gap_minutes or 0, LONGEST_GAP))
    return max(now, last + gap) if last is not None else now
