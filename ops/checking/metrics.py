"""What is going on in the whole installation, as metrics for Prometheus.

Every figure is computed from rows when it is asked for, so any web process gives the same answer
and none has to count by itself. Only unfinished rows and those of the last five minutes are read,
which indexes find at any size of the tables.

The distributions are gauge histograms: they describe the last five minutes instead of growing for
ever. Query them without rate(), for example
histogram_quantile(0.95, voiceops_time_to_answer_seconds_bucket).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Count, DurationField, ExpressionWrapper, F, Q, QuerySet, Sum
from django.utils import timezone
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import (
    GaugeHistogramMetricFamily,
    GaugeMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from batches.models import Batch
from telephony.models import Call, InboxEvent, Stage
from voiceops.core.disk_space import free_bytes, measure_fullness, used_bytes
from voiceops.core.ids import lowest_id
from webhooks.models import WebhookDelivery

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
METRICS_WINDOW = timedelta(minutes=5)

# The voice agent died with a callee on the line; the carrier did not react to the INVITE.
TROUBLES = ("agent_lost", "carrier_silent")

# Upper bounds of the buckets, in seconds.
# Finest below a second: an intent older than that is never sent.
DIAL_LATENCY_BOUNDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
TIME_TO_ANSWER_BOUNDS = (1.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0)
WEBHOOK_LAG_BOUNDS = (0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


def render_metrics() -> bytes:
    """All metrics in Prometheus' text format 0.0.4."""
    # The default registry of the library belongs to the process and would add its own metrics.
    registry = CollectorRegistry()
    registry.register(InstallationCollector())
    return generate_latest(registry)


class InstallationCollector(Collector):
    """Reads every metric from the database, each time it is asked."""

    def collect(self) -> Iterator[Metric]:
        # Calls by their primary key, because no index leads from a time to all workspaces' calls.
        recent_calls = Call.unscoped.filter(pk__gte=_first_id_of_window(), dialed_at__isnull=False)
        latency = _distribution(recent_calls, "created_at", "dialed_at", DIAL_LATENCY_BOUNDS)

        yield from _unfinished()
        yield _recent_outcomes(recent_calls)
        yield _recent_troubles(recent_calls)
        yield GaugeMetricFamily(
            "voiceops_dial_wait_seconds",
            "Mean time from claim to INVITE, in five minutes.",
            latency.mean_seconds,
        )
        yield from _queue_lengths()
        yield latency.as_metric(
            "voiceops_dial_latency_seconds",
            "Time from claim to INVITE of calls begun in five minutes.",
        )
        yield _time_to_answer(recent_calls)
        yield _webhook_lag()
        yield from _disk()


def _unfinished() -> Iterator[Metric]:
    yield _count_by(
        "voiceops_calls_open",
        "Calls that have not ended, by stage.",
        Call.unscoped.exclude(stage=Stage.ENDED),
        label="stage",
    )
    yield _count_by(
        "voiceops_batches_unfinished",
        "Batches that have not ended, by status.",
        Batch.unscoped.exclude(status__in=Batch.Status.final()),
        label="status",
    )


def _recent_outcomes(recent_calls: QuerySet[Call]) -> Metric:
    return _count_by(
        "voiceops_calls_lately",
        "Calls begun in five minutes that have ended, by outcome.",
        recent_calls.filter(stage=Stage.ENDED).exclude(outcome=None),
        label="outcome",
    )


def _recent_troubles(recent_calls: QuerySet[Call]) -> Metric:
    """The reasons that nobody should see often; all of them, so that an alert finds a zero."""
    family = GaugeMetricFamily(
        "voiceops_troubles_lately",
        "Calls begun in five minutes that ended by a trouble, by end reason.",
        labels=["reason"],
    )
    ended = recent_calls.filter(end_reason__in=TROUBLES).order_by()
    counts = dict(ended.values_list("end_reason").annotate(Count("pk")))
    for reason in TROUBLES:
        family.add_metric([reason], counts.get(reason, 0))
    return family


def _queue_lengths() -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "voiceops_inbox_waiting",
        "Events of LiveKit and agents stored and not yet applied.",
        InboxEvent.objects.filter(applied_at=None).count(),
    )
    yield GaugeMetricFamily(
        "voiceops_webhooks_waiting",
        "Deliveries to other systems still to be made.",
        WebhookDelivery.unscoped.filter(status=WebhookDelivery.Status.PENDING).count(),
    )


def _time_to_answer(recent_calls: QuerySet[Call]) -> Metric:
    answered = recent_calls.filter(answered_at__isnull=False)
    return _distribution(answered, "dialed_at", "answered_at", TIME_TO_ANSWER_BOUNDS).as_metric(
        "voiceops_time_to_answer_seconds",
        "Time from INVITE to answer of calls begun in five minutes.",
    )


def _webhook_lag() -> Metric:
    delivered = WebhookDelivery.unscoped.filter(
        pk__gte=_first_id_of_window(), delivered_at__isnull=False
    )
    return _distribution(delivered, "event__at", "delivered_at", WEBHOOK_LAG_BOUNDS).as_metric(
        "voiceops_webhook_lag_seconds",
        "Time from an event to its delivery, of events stored in five minutes.",
    )


def _disk() -> Iterator[Metric]:
    used = GaugeMetricFamily(
        "voiceops_disk_used_bytes", "Files in DATA_DIR, by place.", labels=["place"]
    )
    for place, size in used_bytes().items():
        used.add_metric([place], size)
    yield used
    yield GaugeMetricFamily(
        "voiceops_disk_free_bytes", "What is left on the disk of DATA_DIR.", free_bytes()
    )
    yield GaugeMetricFamily(
        "voiceops_disk_full_percent",
        "How full DATA_DIR is, by its quota or its disk; at 100, uploads are refused.",
        round(measure_fullness().percent, 1),
    )


def _first_id_of_window() -> Any:
    """The window as a range of primary keys, which sort by the time of their creation."""
    return lowest_id(timezone.now() - METRICS_WINDOW)


def _count_by(name: str, documentation: str, rows: QuerySet[Any], *, label: str) -> Metric:
    family = GaugeMetricFamily(name, documentation, labels=[label])
    for value, count in rows.order_by(label).values_list(label).annotate(count=Count("pk")):
        family.add_metric([value], count)
    return family


@dataclass(frozen=True)
class Distribution:
    """How many durations lie within each bound (cumulative), of how many, and their sum."""

    within: Sequence[tuple[float, int]]
    count: int
    sum_seconds: float

    @property
    def mean_seconds(self) -> float:
        return self.sum_seconds / self.count if self.count else 0.0

    def as_metric(self, name: str, documentation: str) -> Metric:
        buckets = [(str(bound), float(count)) for bound, count in self.within]
        buckets.append(("+Inf", float(self.count)))
        return GaugeHistogramMetricFamily(
            name, documentation, buckets=buckets, gsum_value=self.sum_seconds
        )


def _distribution(
    rows: QuerySet[Any], start: str, end: str, bounds: Sequence[float]
) -> Distribution:
    """The durations between two columns, in one query that returns one row."""
    duration = ExpressionWrapper(F(end) - F(start), output_field=DurationField())
    # The database counts every bucket in one pass; only one row is transferred.
    counts = {
        f"within_{index}": Count("pk", filter=Q(duration__lte=timedelta(seconds=bound)))
        for index, bound in enumerate(bounds)
    }
    found = rows.annotate(duration=duration).aggregate(
        count=Count("pk"), sum=Sum("duration"), **counts
    )
    return Distribution(
        within=[(bound, found[f"within_{index}"]) for index, bound in enumerate(bounds)],
        count=found["count"],
        sum_seconds=(found["sum"] or timedelta()).total_seconds(),
    )
