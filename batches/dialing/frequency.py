"""How often a callee was called lately: what a workspace's frequency limits are compared with."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Count, Max, Q

from accounts.models import Workspace
from telephony.models import Call, Direction, Outcome, Stage
from voiceops.core.clock import database_now

# Ten years. A workspace may ask for more, but then the date would lie before the calendar begins.
MAX_GAP_MINUTES = 10 * 366 * 24 * 60
MAY_HAVE_RUNG = Q(counts=True) | ~Q(stage=Stage.ENDED) | Q(outcome=Outcome.UNKNOWN)
OPEN_ATTEMPT_CHECK_INTERVAL = timedelta(minutes=1)


def recent_attempts(
    workspaces: Mapping[UUID, Workspace], numbers: Collection[str]
) -> dict[tuple[UUID, str], dict[str, Any]]:
    """Return what frequency limits need, by workspace id and number (E.164).

    `last`: when the last attempt that may have rung was sent, None for none within the gap or a
    week; `day` and `week`: how many there were in 24 hours and in 7 days.
    """
    now = database_now()
    week_ago = now - timedelta(days=7)
    longest_gap = max((gap_of(workspace) for workspace in workspaces.values()), default=timedelta())
    since = min(week_ago, now - longest_gap)

    calls = Call.unscoped.filter(MAY_HAVE_RUNG, direction=Direction.OUTBOUND, intent_at__gt=since)
    to_these = calls.filter(workspace__in=workspaces, to_number__in=numbers)
    rows = to_these.values("workspace_id", "to_number").annotate(
        last=Max("intent_at"),
        day=Count("pk", filter=Q(intent_at__gt=now - timedelta(days=1))),
        week=Count("pk", filter=Q(intent_at__gt=week_ago)),
    )
    # Numbers without a recent attempt get an entry too: record_slot counts in it.
    found = {(row["workspace_id"], row["to_number"]): dict(row) for row in rows}
    for workspace_id in workspaces:
        for number in numbers:
            found.setdefault((workspace_id, number), {"last": None, "day": 0, "week": 0})
    return found


def gap_ends_at(call: Call, now: datetime) -> datetime:
    """Return when the callee of a call that was refused for `min_gap` may be called.

    An attempt that is still open may turn out never to have been sent, so that one is checked again
    after a minute.
    """
    open_calls = Call.unscoped.open().filter(
        workspace_id=call.workspace_id, to_number=call.to_number, direction=Direction.OUTBOUND
    )
    if open_calls.exclude(intent_at=None).exists():
        return now + OPEN_ATTEMPT_CHECK_INTERVAL
    workspace = Workspace.unscoped.get(pk=call.workspace_id)
    recent = recent_attempts({workspace.pk: workspace}, {call.to_number})
    last: datetime | None = recent[workspace.pk, call.to_number]["last"]
    return max(now, last + gap_of(workspace)) if last is not None else now


def gap_of(workspace: Workspace) -> timedelta:
    """Return the least time between two calls to one number; none while it is off."""
    return timedelta(minutes=min(workspace.min_gap_minutes or 0, MAX_GAP_MINUTES))
