"""What monitoring asks: is the process alive, is what it needs reachable, how much is going on."""

import logging
import socket
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from celery import current_app
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models import Avg, Count, F, QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from kombu.exceptions import OperationalError

from batches.models import Batch
from telephony.models import Call, InboxEvent, Stage
from voiceops.core.ids import lowest_id
from webhooks.models import WebhookDelivery

logger = logging.getLogger(__name__)
PATIENCE_SECONDS = 2
LATELY = timedelta(minutes=5)
PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}


@csrf_exempt  # a POST is 405, not a missing token
@never_cache
@require_safe
def alive(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": "alive"})


@csrf_exempt
@never_cache
@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """200 when database, broker and LiveKit can be reached, else 503 and which cannot."""
    checks = {name: "ok" if is_reachable(name) else "unreachable" for name in REACHES}
    missing = [name for name, word in checks.items() if word != "ok"]
    if missing:
        return JsonResponse(
            {"detail": f"Not ready: {', '.join(missing)}", "checks": checks}, status=503
        )
    return JsonResponse({"status": "ready", "checks": checks})


@csrf_exempt
@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus' text format 0.0.4. Only what is unfinished or new is counted: indexes answer that
    at any size.
    """
    lately = Call.unscoped.filter(
        pk__gte=lowest_id(timezone.now() - LATELY), dialed_at__isnull=False
    )
    ended = lately.filter(stage=Stage.ENDED).exclude(outcome=None)
    wait = lately.aggregate(wait=Avg(F("dialed_at") - F("created_at")))["wait"] or timedelta()
    lines = [
        *_gauge(
            "voiceops_calls_open", "Calls that have not ended, by stage.", _open_calls(), "stage"
        ),
        *_gauge(
            "voiceops_batches_unfinished",
            "Batches that have not ended, by status.",
            _batches(),
            "status",
        ),
        *_gauge(
            "voiceops_calls_lately",
            "Calls begun in five minutes that have ended, by outcome.",
            ended,
            "outcome",
        ),
        *_number(
            "voiceops_dial_wait_seconds",
            "Mean time from claim to INVITE, in five minutes.",
            wait.total_seconds(),
        ),
        *_number(
            "voiceops_inbox_waiting",
            "Events of LiveKit and agents stored and not yet applied.",
            _inbox().count(),
        ),
        *_number(
            "voiceops_webhooks_waiting",
            "Deliveries to other systems still to be made.",
            _deliveries().count(),
        ),
    ]
    return HttpResponse(
        "\n".join(lines) + "\n", content_type="text/plain; version=0.0.4; charset=utf-8"
    )


def is_reachable(name: str) -> bool:
    """Whether `database`, `broker` or `livekit` answers within two seconds."""
    try:
        REACHES[name]()
    except (DatabaseError, OperationalError, OSError) as error:
        logger.warning("The %s cannot be reached (%s)", name, type(error).__name__)
        return False
    return True


def _reach_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _reach_broker() -> None:
    with current_app.connection_for_write(connect_timeout=PATIENCE_SECONDS) as broker:
        broker.ensure_connection(max_retries=1, interval_start=0, timeout=PATIENCE_SECONDS)


def _reach_livekit() -> None:
    parts = urlsplit(settings.LIVEKIT_URL)
    socket.create_connection(
        (parts.hostname, parts.port or PORTS.get(parts.scheme, 80)), PATIENCE_SECONDS
    ).close()


REACHES: dict[str, Callable[[], None]] = {
    "database": _reach_database,
    "broker": _reach_broker,
    "livekit": _reach_livekit,
}


def _open_calls() -> QuerySet[Call]:
    return Call.unscoped.exclude(stage=Stage.ENDED)


def _batches() -> QuerySet[Batch]:
    return Batch.unscoped.exclude(status__in=Batch.Status.final())


def _inbox() -> QuerySet[InboxEvent]:
    return InboxEvent.objects.filter(applied_at=None)


def _deliveries() -> QuerySet[WebhookDelivery]:
    return WebhookDelivery.unscoped.filter(status="pending")


def _number(name: str, meaning: str, value: float) -> Iterator[str]:
    yield f"# HELP {name} {meaning}"
    yield f"# TYPE {name} gauge"
    yield f"{name} {value:g}"


def _gauge(name: str, meaning: str, rows: QuerySet[Any], label: str) -> Iterator[str]:
    yield f"# HELP {name} {meaning}"
    yield f"# TYPE {name} gauge"
    for value, count in rows.order_by(label).values_list(label).annotate(count=Count("pk")):
        yield f'{name}{{{label}="{value}"}} {count}'
