"""What a batch's admin pages show beside its fields: live progress, and what may be done with it.

URLs and the live response call such an action an `order`.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple
from uuid import UUID

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from accounts.auth.principal import Principal
from accounts.staff.panels import Order
from accounts.staff.visibility import limit_rows
from batches.admin.answer_times import answer_times
from batches.admin.pace_times import pace_times
from batches.dialing.circuit_breaker import has_paused_itself
from batches.models import Batch, Recipient
from batches.reporting.exports import EXPORT_FILES
from batches.reporting.progress import STATUSES, allowed_pace, counts_of, progress_of
from batches.reporting.reasons import BATCH_REASONS, ROW_REASONS, reasons_of
from batches.services import batches as services
from voiceops.core.extension_points import ExtensionPoint

Status = Batch.Status
MAX_LIVE_BATCHES = 50
# The query of a changelist that is filtered to one batch: it uses the index of the file's order.
BATCH_FILTER = "batch__id__exact"


# What the console draws of a batch's counts and outcomes, for the components that it shares.
BATCH_PICTURES: ExtensionPoint[Callable[[Mapping[str, int], Mapping[str, int]], dict[str, Any]]] = (
    ExtensionPoint("pictures of a batch")
)


class BatchAction(NamedTuple):
    """A button on a batch's page: the states that allow it, and the service that does it."""

    label: str
    states: tuple[str, ...]
    run: Callable[..., object]
    done: str


BATCH_ACTIONS = {
    "start": BatchAction("Start", Status.waiting(), services.start_batch, "The batch is running."),
    "pause": BatchAction("Pause", (Status.RUNNING,), services.pause_batch, "The batch is paused."),
    "resume": BatchAction(
        "Resume", (Status.PAUSED,), services.resume_batch, "The batch is running again."
    ),
    "stop": BatchAction("Stop", Status.stoppable(), services.stop_batch, "The batch is stopped."),
}


def run_action(name: str, batch: Batch, principal: Principal, **options: bool) -> None:
    """Do one of `BATCH_ACTIONS`. Raises StateForbids, and ProviderError from a hang-up."""
    BATCH_ACTIONS[name].run(batch=batch, principal=principal, **options)


def _order_of(name: str) -> Order:
    def give(request: HttpRequest, batch: Batch, principal: Principal) -> str:
        hangs_up = name == "stop" and bool(request.POST.get("hang_up_active"))
        run_action(name, batch, principal, **({"hang_up_active": True} if hangs_up else {}))
        return BATCH_ACTIONS[name].done

    return give


ORDERS_OF_BATCH = {name: _order_of(name) for name in BATCH_ACTIONS}


def is_allowed(name: str, batch: Batch) -> bool:
    """Whether the batch's state allows the action.

    A batch that has paused itself may be paused: it would otherwise resume when a probe succeeds.
    """
    may_end_probes = name == "pause" and has_paused_itself(batch)
    return batch.status in BATCH_ACTIONS[name].states or may_end_probes


def panel_context(batch: Batch) -> dict[str, Any]:
    """Return the context of the panel above a batch's form: progress, actions, lists and files."""
    now = timezone.now()
    progress = progress_of(batch, now=now)
    counts = progress["counts"]
    return {
        "heat": answer_times(batch, now),
        "pace": pace_times(batch, now),
        "large": _render_large_progress(batch, progress),
        "stop_numbers": _render_stop_numbers(batch, counts),
        "orders": _render_actions(batch, counts),
        "tabs": _tabs_of(batch, counts),
        "files": [
            (name, reverse("admin:batches_batch_download", args=[batch.pk, name]))
            for name in EXPORT_FILES
        ],
    }


def _tabs_of(batch: Batch, counts: Mapping[str, int]) -> list[tuple[str, str, int | None]]:
    """Return the pages about a batch beside its own: label, address, and how many rows it has."""
    of_batch = f"{BATCH_FILTER}={batch.pk}"
    return [
        ("People", f"{_list_of('batches_recipient')}?{of_batch}", counts["total"]),
        ("Refused rows", f"{_list_of('batches_rejectedrow')}?{of_batch}", counts["rejected"]),
        ("Calls", f"{_list_of('telephony_call')}?batch={batch.pk}", None),
        ("History", reverse("admin:batches_batch_history", args=[batch.pk]), None),
    ]


def _list_of(page: str) -> str:
    return reverse(f"admin:{page}_changelist")


def _explained_reasons(batch: Batch) -> list[dict[str, Any]]:
    """Return why people are not called, each with the list of those it is about."""
    of_batch = f"{BATCH_FILTER}={batch.pk}"
    found = []
    for reason in reasons_of(batch):
        code = reason["code"]
        if code in ROW_REASONS:
            url = f"{_list_of('batches_rejectedrow')}?{of_batch}&error_code__exact={code}"
        elif code in BATCH_REASONS:
            pending = Recipient.Status.PENDING.value
            url = f"{_list_of('batches_recipient')}?{of_batch}&status__exact={pending}"
        else:
            url = f"{_list_of('batches_recipient')}?{of_batch}&reason__exact={code}"
        found.append({**reason, "url": url})
    return found


def render_small_progress(batch: Batch, counts: Mapping[str, int] | None = None) -> SafeString:
    """Render the progress bar of a changelist's row. Without `counts` they are queried."""
    counts = counts or counts_of([batch])[batch.pk]
    return render_to_string("admin/batches/progress.html", _progress_context(batch, counts))


def _render_large_progress(batch: Batch, progress: Mapping[str, Any]) -> SafeString:
    """Render the progress of a batch's own page, with outcomes and rate."""
    context = {
        **_progress_context(batch, progress["counts"], progress["outcomes"]),
        "reasons": _explained_reasons(batch),
        "rate": progress["calls_per_second"],
        "limit": allowed_pace(batch),
        "estimated_end_at": progress["estimated_end_at"],
        "cost": progress["cost"],
    }
    return render_to_string("admin/batches/progress_large.html", context)


def _render_actions(batch: Batch, counts: Mapping[str, int]) -> SafeString:
    """Render the buttons of the allowed actions, each at a place of its own in every state.

    Apart from the progress, because a button that is replaced while it is pressed does nothing.
    """
    allowed = {
        name: (name, action.label)
        for name, action in BATCH_ACTIONS.items()
        if is_allowed(name, batch)
    }
    main = [allowed[name] for name in ("start", "resume", "pause") if name in allowed]
    context = {
        **_live_context(batch, counts),
        "primary": main[0] if main else None,
        # A batch that paused itself may be resumed, or paused for good.
        "second": main[1] if len(main) > 1 else None,
        "stop": allowed.get("stop"),
    }
    return render_to_string("admin/batches/orders.html", context)


def _render_stop_numbers(batch: Batch, counts: Mapping[str, int]) -> SafeString:
    """Render what the dialog before a stop says: who will not be called, and who is on the line."""
    context = {
        **_live_context(batch, counts),
        "waiting": sum(counts[status] for status in Recipient.Status.waiting()),
        "calling": sum(counts[status] for status in Recipient.Status.calling()),
        "total": counts["total"],
    }
    return render_to_string("admin/batches/stop_numbers.html", context)


def live_progress(request: HttpRequest) -> JsonResponse:
    """Return the current state of the batches on an open page: `?ids=a,b`.

    A single one comes with its large progress and its actions.
    """
    ids = request.GET.get("ids", "").split(",")[:MAX_LIVE_BATCHES]
    rows = Batch.unscoped.filter(pk__in=_parse_ids(ids))
    rows = rows.select_related("phone_number", "workspace")
    batches = list(limit_rows(rows, request.user))
    # The large progress costs more queries, and only a batch's own page shows it.
    if len(batches) == 1:
        [batch] = batches
        return JsonResponse({str(batch.pk): _states_of(batch)})
    counts = counts_of(batches)
    return JsonResponse(
        {
            str(batch.pk): {"small": render_small_progress(batch, counts[batch.pk])}
            for batch in batches
        }
    )


def _states_of(batch: Batch) -> dict[str, SafeString]:
    """Return all that is shown of a batch, from one reading of its counts."""
    progress = progress_of(batch, now=timezone.now())
    counts = progress["counts"]
    return {
        "small": render_small_progress(batch, counts),
        "large": _render_large_progress(batch, progress),
        "orders": _render_actions(batch, counts),
        "stop": _render_stop_numbers(batch, counts),
    }


def stop_page(request: HttpRequest, batches: list[Batch]) -> HttpResponse:
    """Return the page that asks before several batches are stopped."""
    counts = counts_of(batches)
    rows = [(batch, _render_stop_numbers(batch, counts[batch.pk])) for batch in batches]
    context = {**admin.site.each_context(request), "title": "Stop for good?", "rows": rows}
    return TemplateResponse(request, "admin/batches/stop_page.html", context)


def _progress_context(
    batch: Batch, counts: Mapping[str, int], outcomes: Mapping[str, int] | None = None
) -> dict[str, Any]:
    done = counts[Recipient.Status.COMPLETED] + counts[Recipient.Status.FAILED]
    total = counts["total"]
    return {
        **_live_context(batch, counts),
        "done": done,
        "not_called": counts[Recipient.Status.SKIPPED] + counts[Recipient.Status.CANCELLED],
        "in_review": counts[Recipient.Status.REVIEW],
        **BATCH_PICTURES.get()(counts, outcomes or {}),
        "total": total,
        "percent": 100 * done // total if total else 0,
        "parts": [
            (status.replace("_", " "), counts[status]) for status in STATUSES if counts[status]
        ],
    }


def _live_context(batch: Batch, counts: Mapping[str, int]) -> dict[str, Any]:
    # The calls of a batch that was stopped go on for a while, and with them its numbers.
    has_calls = any(counts[status] for status in Recipient.Status.calling())
    return {
        "batch": batch,
        "live": reverse("admin:batches_batch_live"),
        "ended": batch.status in Status.final() and not has_calls,
    }


def _parse_ids(texts: Iterable[str]) -> list[UUID]:
    """Return the ids among the texts; others are ignored."""
    ids = []
    for text in texts:
        try:
            ids.append(UUID(text))
        except ValueError:
            continue
    return ids
