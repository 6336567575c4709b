"""What a batch's admin pages show beside its fields: live progress, and what may be done with it.

URLs, form fields and the live response call such an action an `order`.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple
from uuid import UUID

from django.http import HttpRequest, JsonResponse
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from accounts.auth.principal import Principal
from batches.dialing.circuit_breaker import has_paused_itself
from batches.models import Batch, Recipient
from batches.reporting.exports import EXPORT_FILES
from batches.reporting.progress import STATUSES, counts_of, progress_of
from batches.reporting.reasons import reasons_of
from batches.services import batches as services

Status = Batch.Status
MAX_LIVE_BATCHES = 50
# The query of a changelist that is filtered to one batch: it uses the index of the file's order.
BATCH_FILTER = "batch__id__exact"


class BatchAction(NamedTuple):
    """A button on a batch's page: the states that allow it, and the service that does it."""

    label: str
    states: tuple[str, ...]
    run: Callable[..., object]


BATCH_ACTIONS = {
    "start": BatchAction("Start", Status.waiting(), services.start_batch),
    "pause": BatchAction("Pause", (Status.RUNNING,), services.pause_batch),
    "resume": BatchAction("Resume", (Status.PAUSED,), services.resume_batch),
    "stop": BatchAction("Stop for good", Status.stoppable(), services.stop_batch),
}


def run_action(name: str, batch: Batch, principal: Principal) -> None:
    """Do one of `BATCH_ACTIONS`. Raises StateForbids."""
    BATCH_ACTIONS[name].run(batch=batch, principal=principal)


def is_allowed(name: str, batch: Batch) -> bool:
    """Whether the batch's state allows the action.

    A batch that has paused itself may be paused: it would otherwise resume when a probe succeeds.
    """
    may_end_probes = name == "pause" and has_paused_itself(batch)
    return batch.status in BATCH_ACTIONS[name].states or may_end_probes


def panel_context(batch: Batch) -> dict[str, Any]:
    """Return the context of the panel above a batch's form: progress, actions, lists and files."""
    pages = {"recipients": "batches_recipient", "rejected rows": "batches_rejectedrow"}
    lists = [
        (label, f"{reverse(f'admin:{page}_changelist')}?{BATCH_FILTER}={batch.pk}")
        for label, page in pages.items()
    ]
    calls = ("calls", f"{reverse('admin:telephony_call_changelist')}?q={batch.pk}")
    return {
        "large": render_large_progress(batch),
        "order_url": reverse("admin:batches_batch_order", args=[batch.pk]),
        "orders": render_actions(batch),
        "lists": [*lists, calls],
        "files": [
            (name, reverse("admin:batches_batch_download", args=[batch.pk, name]))
            for name in EXPORT_FILES
        ],
    }


def render_small_progress(batch: Batch, counts: Mapping[str, int] | None = None) -> SafeString:
    """Render the progress bar of a changelist's row. Without `counts` they are queried."""
    counts = counts or counts_of([batch])[batch.pk]
    return render_to_string("admin/batches/progress.html", _progress_context(batch, counts))


def render_large_progress(batch: Batch) -> SafeString:
    """Render the progress of a batch's own page, with outcomes and rate."""
    progress = progress_of(batch, now=timezone.now())
    context = {
        **_progress_context(batch, progress["counts"]),
        "outcomes": dict(sorted(progress["outcomes"].items(), key=lambda item: -item[1])),
        "reasons": reasons_of(batch),
        "rate": progress["calls_per_second"],
        "estimated_end_at": progress["estimated_end_at"],
    }
    return render_to_string("admin/batches/progress_large.html", context)


def render_actions(batch: Batch) -> SafeString:
    """Render the buttons of the allowed actions.

    Apart from the progress, because a button that is replaced while it is pressed does nothing.
    """
    allowed = [
        (name, action.label) for name, action in BATCH_ACTIONS.items() if is_allowed(name, batch)
    ]
    context = {**_live_context(batch), "orders": allowed}
    return render_to_string("admin/batches/orders.html", context)


def live_progress(request: HttpRequest) -> JsonResponse:
    """Return the current state of the batches on an open page: `?ids=a,b`.

    A single one comes with its large progress and its actions.
    """
    ids = request.GET.get("ids", "").split(",")[:MAX_LIVE_BATCHES]
    batches = list(Batch.unscoped.filter(pk__in=_parse_ids(ids)))
    counts = counts_of(batches)
    states = {
        str(batch.pk): {"small": render_small_progress(batch, counts[batch.pk])}
        for batch in batches
    }
    # The large progress costs more queries, and only a batch's own page shows it.
    if len(batches) == 1:
        [batch] = batches
        states[str(batch.pk)] |= {
            "large": render_large_progress(batch),
            "orders": render_actions(batch),
        }
    return JsonResponse(states)


def _progress_context(batch: Batch, counts: Mapping[str, int]) -> dict[str, Any]:
    done = sum(counts[status] for status in Recipient.Status.closed())
    total = counts["total"]
    return {
        **_live_context(batch),
        "done": done,
        "total": total,
        "percent": 100 * done // total if total else 0,
        "parts": [
            (status.replace("_", " "), counts[status]) for status in STATUSES if counts[status]
        ],
    }


def _live_context(batch: Batch) -> dict[str, Any]:
    return {
        "batch": batch,
        "live": reverse("admin:batches_batch_live"),
        "ended": batch.status in Status.final(),
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
