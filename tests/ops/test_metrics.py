"""The distributions of /metrics. Its counts are tested in tests/contract/test_around.py."""

from datetime import timedelta

from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import DjangoAssertNumQueries

from accounts.models import Workspace
from ops.checking.metrics import render_metrics
from telephony.models import Call
from tests import make
from voiceops.core.ids import lowest_id
from webhooks.models import WebhookDelivery

NAMES = {
    "voiceops_calls_open": "gauge",
    "voiceops_batches_unfinished": "gauge",
    "voiceops_calls_lately": "gauge",
    "voiceops_troubles_lately": "gauge",
    "voiceops_dial_wait_seconds": "gauge",
    "voiceops_dial_latency_seconds": "histogram",
    "voiceops_time_to_answer_seconds": "histogram",
    "voiceops_inbox_waiting": "gauge",
    "voiceops_webhooks_waiting": "gauge",
    "voiceops_webhook_lag_seconds": "histogram",
    "voiceops_disk_used_bytes": "gauge",
    "voiceops_disk_free_bytes": "gauge",
    "voiceops_disk_full_percent": "gauge",
}


def samples() -> dict[str, float]:
    """Values by name, with the bucket's bound where there is one: `x_bucket 0.5`."""
    return {
        f"{sample.name} {sample.labels.get('le', '')}".strip(): sample.value
        for family in text_string_to_metric_families(render_metrics().decode())
        for sample in family.samples
    }


def dialed_call(of: Workspace, *, latency: float, answered_after: float | None = None) -> None:
    call = make.call(of, stage="ended", outcome="answered" if answered_after else "busy")
    dialed_at = call.created_at + timedelta(seconds=latency)
    answered_at = dialed_at + timedelta(seconds=answered_after) if answered_after else None
    Call.unscoped.filter(pk=call.pk).update(dialed_at=dialed_at, answered_at=answered_at)


def test_every_metric_is_described_even_without_any_row(db: None) -> None:
    families = list(text_string_to_metric_families(render_metrics().decode()))

    types = {family.name: family.type for family in families}
    assert NAMES.items() <= types.items()
    assert all(family.documentation for family in families)


def test_dial_latency_is_counted_in_cumulative_buckets(ours: Workspace) -> None:
    for latency in (0.05, 0.2, 0.2, 4.0, 90.0):
        dialed_call(ours, latency=latency)

    found = samples()

    assert [
        found[f"voiceops_dial_latency_seconds_bucket {bound}"]
        for bound in ("0.1", "0.25", "0.5", "2.5", "5.0", "60.0", "+Inf")
    ] == [1, 3, 3, 3, 4, 4, 5]
    assert found["voiceops_dial_latency_seconds_gcount"] == 5
    assert round(found["voiceops_dial_latency_seconds_gsum"], 3) == 94.45
    assert round(found["voiceops_dial_wait_seconds"], 3) == 18.89


def test_time_to_answer_counts_answered_calls_only(ours: Workspace) -> None:
    dialed_call(ours, latency=0.1, answered_after=8.0)
    dialed_call(ours, latency=0.1)

    found = samples()

    assert found["voiceops_time_to_answer_seconds_bucket 5.0"] == 0
    assert found["voiceops_time_to_answer_seconds_bucket 10.0"] == 1
    assert found["voiceops_time_to_answer_seconds_gcount"] == 1


def test_webhook_lag_runs_from_the_event_to_its_delivery(ours: Workspace) -> None:
    endpoint = make.webhook(ours)
    delivered = make.delivery(endpoint, status="delivered")
    at = delivered.event.at + timedelta(seconds=3)
    WebhookDelivery.unscoped.filter(pk=delivered.pk).update(delivered_at=at)
    make.delivery(endpoint)

    found = samples()

    assert found["voiceops_webhook_lag_seconds_bucket 2.5"] == 0
    assert found["voiceops_webhook_lag_seconds_bucket 5.0"] == 1
    assert found["voiceops_webhook_lag_seconds_gcount"] == 1
    assert found["voiceops_webhooks_waiting"] == 1


def test_rows_older_than_the_window_are_not_read(ours: Workspace) -> None:
    call = make.call(ours, stage="ended", outcome="answered")
    an_hour_ago = timezone.now() - timedelta(hours=1)
    Call.unscoped.filter(pk=call.pk).update(
        id=lowest_id(an_hour_ago), created_at=an_hour_ago, dialed_at=an_hour_ago
    )

    found = samples()

    assert found["voiceops_dial_latency_seconds_gcount"] == 0


def test_the_number_of_queries_does_not_grow(
    ours: Workspace, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(3):
        dialed_call(ours, latency=0.1, answered_after=1.0)

    with django_assert_num_queries(9):
        render_metrics()
