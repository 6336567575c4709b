"""What a batch's pages in the admin show beside its columns: progress that moves, and the orders
its state allows.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any
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
from batches.services import batches as services

Status = Batch.Status
MAX_LIVE_BATCHES = 50
BATCH_FILTER = (
    "batch__id__exact"  # in the query of a list's page: by the index, in the order of the list
)
# By name: label, from which states, and what carries it out.
BATCH_ACTIONS: dict[str, tuple[str, tuple[str, ...], Callable[..., object]]] = {
    "start": ("Start", Status.waiting(), services.start_batch),
    "pause": ("Pause", (Status.RUNNING,), services.pause_batch),
    "resume": ("Resume", (Status.PAUSED,), services.resume_batch),
    "stop": (
        "Stop for good",
        Status.stoppable(),
        services.stop_batch,
    ),
}


def run_action(name: str, *, batch: Batch, principal: Principal) -> None:
    """One of `ORDERS`. Raises StateForbids."""
    _, _, act = BATCH_ACTIONS[name]
    act(batch=batch, principal=principal)


def is_allowed(name: str, batch: Batch) -> bool:
    """Pausing a batch that has paused itself ends its probes: else it would go on when one gets
    through.
    """
    _, states, _ = BATCH_ACTIONS[name]
    return batch.status in states or (name == "pause" and has_paused_itself(batch))


def panel_context(batch: Batch) -> dict[str, Any]:
    """What stands above a batch's page: how far it is, what may be ordered, and the lists that
    belong to it.
    """
    pages = {"people": "batches_recipient", "rejected rows": "batches_rejectedrow"}
    lists = [
        (label, f"{reverse(f'admin:{page}_changelist')}?{BATCH_FILTER}={batch.pk}")
        for label, page in pages.items()
    ]
    return {
        "large": render_large_progress(batch),
        "order_url": reverse("admin:batches_batch_order", args=[batch.pk]),
        "orders": render_actions(batch),
        "lists": [*lists, ("calls", f"{reverse('admin:telephony_call_changelist')}?q={batch.pk}")],
        "files": [
            (name, reverse("admin:batches_batch_download", args=[batch.pk, name]))
            for name in EXPORT_FILES
        ],
    }


def render_small_progress(batch: Batch, counts: Mapping[str, int] | None = None) -> SafeString:
    return render_to_string(
        "admin/batches/progress.html",
        _progress_context(batch, counts or counts_of([batch])[batch.pk]),
    )


def render_large_progress(batch: Batch) -> SafeString:
    progress = progress_of(batch, now=timezone.now())
    more = {
        "outcomes": dict(sorted(progress["outcomes"].items(), key=lambda row: -row[1])),
        "rate": progress["calls_per_second"],
        "estimated_end_at": progress["estimated_end_at"],
    }
    return render_to_string(
        "admin/batches/progress_large.html",
        {**_progress_context(batch, progress["counts"]), **more},
    )


def render_actions(batch: Batch) -> SafeString:
    """Apart from the progress: a button that is drawn anew under somebody's finger is not pressed."""
    allowed = [
        (name, label) for name, (label, _, _) in BATCH_ACTIONS.items() if is_allowed(name, batch)
    ]
    return render_to_string(
        "admin/batches/orders.html", {**_live_context(batch), "orders": allowed}
    )


def live_progress(request: HttpRequest) -> JsonResponse:
    """How the batches on an open page are now: `?ids=a,b`. One alone is drawn large too, with its
    orders.
    """
    batches = list(
        Batch.unscoped.filter(
            pk__in=_parse_ids(request.GET.get("ids", "").split(",")[:MAX_LIVE_BATCHES])
        )
    )
    counts = counts_of(batches)
    shown = {
        str(batch.pk): {"small": render_small_progress(batch, counts[batch.pk])}
        for batch in batches
    }
    if len(batches) == 1:
        shown[str(batches[0].pk)] |= {
            "large": render_large_progress(batches[0]),
            "orders": render_actions(batches[0]),
        }
    return JsonResponse(shown)


def _progress_context(batch: Batch, counts: Mapping[str, int]) -> dict[str, Any]:
    done, total = sum(counts[status] for status in Recipient.Status.closed()), counts["total"]
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
    """Those that are any."""
    found = []
    for text in texts:
        try:
            found.append(UUID(text))
        except ValueError:
            continue
    return found
