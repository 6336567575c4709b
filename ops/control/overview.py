"""The first page of the control room: what happens now, and what needs somebody."""

from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from accounts.models import Workspace
from accounts.staff.visibility import EVERY_WORKSPACE, limit_rows
from batches.models import Batch, Recipient
from batches.reporting.progress import (
    allowed_pace,
    calls_per_second,
    counts_of,
    lowest_call_id,
)
from console import charts
from ops.checking.health import probe_all
from ops.control.figures import SPANS, read_figures
from ops.control.needs import find_needs
from telephony.models import Call, Stage
from voiceops.api.fields import UUID_PATTERN
from voiceops.api.reader_zone import reader_zone

MAX_RUNNING = 5
MAX_OFFERED_WORKSPACES = 200
# Of staff who see some workspaces only: each is read by itself.
MAX_SUMMED_WORKSPACES = 10
RATE_SECONDS = 10
DEPENDENCY_NAMES = {"database": "Database", "broker": "Queue", "livekit": "LiveKit"}
SPAN_WORDS = ((1, "Today"), (7, "7 days"), (30, "30 days"))


def overview_context(request: HttpRequest) -> dict[str, Any]:
    """Return what the first page displays to its reader."""
    workspace, days = _chosen_workspace(request), _chosen_days(request)
    context: dict[str, Any] = {
        "zone": reader_zone(request, workspace.timezone if workspace else "UTC"),
        "chosen": workspace,
        "query": request.GET.urlencode(),
        "now": timezone.now(),
        "days": days,
        "needs": find_needs(request.user),
    }
    if request.user.has_perm("batches.view_batch"):
        context["running"] = _running_batches(request, workspace)
    if request.user.has_perm("telephony.view_call"):
        context["live"] = _live_calls(request, workspace)
        context |= read_figures(
            _summed_up(request, workspace), days=days, now=context["now"], zone=context["zone"]
        )
    return context


def overview_page_context(request: HttpRequest) -> dict[str, Any]:
    """Return what the page has beside the part that refreshes itself."""
    workspaces = limit_rows(Workspace.unscoped.order_by("name", "pk"), request.user)
    return {
        **overview_context(request),
        "workspaces": list(workspaces[:MAX_OFFERED_WORKSPACES]),
        "spans": SPAN_WORDS,
        "shows_readiness": request.user.has_perm(EVERY_WORKSPACE),
    }


def overview_part(request: HttpRequest) -> HttpResponse:
    """Return the part of the first page that refreshes itself."""
    return render(request, "admin/control/figures.html", overview_context(request))


def readiness_part(request: HttpRequest) -> HttpResponse:
    """Return whether database, broker and LiveKit can be reached. Raises PermissionDenied."""
    if not request.user.has_perm(EVERY_WORKSPACE):
        raise PermissionDenied
    checks = [
        (DEPENDENCY_NAMES.get(name, name), status == "ok") for name, status in probe_all().items()
    ]
    return render(request, "admin/control/readiness.html", {"checks": checks})


def _chosen_workspace(request: HttpRequest) -> Workspace | None:
    chosen = request.GET.get("workspace", "")
    if not UUID_PATTERN.fullmatch(chosen):
        return None
    found: Workspace | None = limit_rows(Workspace.unscoped.filter(pk=chosen), request.user).first()
    return found


def _chosen_days(request: HttpRequest) -> int:
    text = request.GET.get("days", "")
    return int(text) if text in map(str, SPANS) else 1


def _summed_up(request: HttpRequest, workspace: Workspace | None) -> list[Workspace | None]:
    """Return whose calls the figures are of; None stands for those of every workspace."""
    if workspace is not None or request.user.has_perm(EVERY_WORKSPACE):
        return [workspace]
    own = limit_rows(Workspace.unscoped.order_by("name", "pk"), request.user)
    return list(own[:MAX_SUMMED_WORKSPACES])


def _within(
    rows: QuerySet[Any], request: HttpRequest, workspace: Workspace | None
) -> QuerySet[Any]:
    visible = limit_rows(rows, request.user)
    return visible.filter(workspace=workspace) if workspace else visible


def _running_batches(request: HttpRequest, workspace: Workspace | None) -> list[dict[str, Any]]:
    rows = Batch.unscoped.filter(status__in=(Batch.Status.RUNNING, Batch.Status.PAUSED))
    under_way = _within(rows, request, workspace).select_related("workspace", "phone_number")
    # Those that run come before those that rest.
    newest = sorted(
        under_way.order_by("-started_at")[: 2 * MAX_RUNNING],
        key=lambda batch: batch.status != Batch.Status.RUNNING,
    )
    batches = newest[:MAX_RUNNING]
    # By an index that has nothing but states; a batch's own page counts outcomes, too.
    counts, now = counts_of(batches), timezone.now()
    return [_running_batch(batch, counts[batch.pk], now) for batch in batches]


def _running_batch(batch: Batch, counts: dict[str, int], now: datetime) -> dict[str, Any]:
    limit = allowed_pace(batch)
    rate = calls_per_second(batch, now)
    ends_at = None
    if batch.status == Batch.Status.RUNNING and (pace := rate or limit):
        left = sum(counts[status] for status in Recipient.Status.open())
        ends_at = now + timedelta(seconds=left / pace)
    return {
        "batch": batch,
        "bar": charts.batch_bar(counts),
        "rate": rate,
        "limit": limit,
        "estimated_end_at": ends_at,
    }


def _live_calls(request: HttpRequest, workspace: Workspace | None) -> dict[str, Any]:
    """Return how many calls are up, how many ring, and how many were dialled lately."""
    open_calls = _within(Call.unscoped.open(), request, workspace)
    stages = list(open_calls.order_by().values_list("stage", flat=True))
    since = timezone.now() - timedelta(seconds=RATE_SECONDS)
    recent = Call.unscoped.filter(pk__gte=lowest_call_id(since), dialed_at__gt=since)
    return {
        "talking": stages.count(Stage.IN_PROGRESS),
        "ringing": sum(stages.count(stage) for stage in Stage.before_answer()),
        "in_doubt": stages.count(Stage.UNKNOWN),
        "rate": _within(recent, request, workspace).count() / RATE_SECONDS,
    }
