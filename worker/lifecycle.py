"""Starts a worker's threads with the worker and stops them with it, on Celery's signals."""

from collections.abc import Iterable
from typing import Any

from celery.signals import worker_init, worker_ready, worker_shutting_down
from django.conf import settings

from telephony.clients.livekit.sdk import load_sdk
from voiceops.core.disk_space import DiskAlarm
from voiceops.core.process_tuning import (
    disable_query_log,
    limit_arenas,
    switch_threads_often,
    tune_gc,
)
from worker import dispatcher
from worker.periodic import retention
from worker.periodic.broker_fallback import sweep_and_start_work
from worker.periodic.call_watch import WATCH_INTERVAL_SECONDS, watch_calls
from worker.periodic.checkpoints import CHECKPOINT_INTERVAL_SECONDS, checkpoint_database
from worker.periodic.counting import COUNT_INTERVAL_SECONDS, keep_counts
from worker.periodic.intake import INTAKE_INTERVAL_SECONDS, apply_new_events
from worker.periodic.webhook_delivery import COLLECT_INTERVAL_SECONDS, WebhookDeliverer
from worker.threads import PeriodicThread

DISK_ALARM_SECONDS = 60.0

sweep_thread = PeriodicThread(
    "sweep", sweep_and_start_work, interval_seconds=settings.SWEEP_SECONDS
)
watch_thread = PeriodicThread("call-watch", watch_calls, interval_seconds=WATCH_INTERVAL_SECONDS)
intake_thread = PeriodicThread("intake", apply_new_events, interval_seconds=INTAKE_INTERVAL_SECONDS)
retention_thread = PeriodicThread(
    "retention",
    retention.prune_and_log,
    interval_seconds=retention.INTERVAL_SECONDS,
    first_delay_seconds=retention.FIRST_DELAY_SECONDS,
)
disk_thread = PeriodicThread(
    "disk-alarm", DiskAlarm().check, interval_seconds=DISK_ALARM_SECONDS, first_delay_seconds=0.0
)
checkpoint_thread = PeriodicThread(
    "checkpoint", checkpoint_database, interval_seconds=CHECKPOINT_INTERVAL_SECONDS
)
count_thread = PeriodicThread("counting", keep_counts, interval_seconds=COUNT_INTERVAL_SECONDS)
# Those that need no broker: without one, the worker never becomes ready.
THREADS_WITHOUT_BROKER = (
    sweep_thread,
    watch_thread,
    intake_thread,
    retention_thread,
    disk_thread,
    checkpoint_thread,
    count_thread,
)
deliverer = WebhookDeliverer()
delivery_thread = PeriodicThread(
    "webhook-delivery", deliverer.run_once, interval_seconds=COLLECT_INTERVAL_SECONDS
)
deliverer.on_free_place = delivery_thread.wake


@worker_init.connect
def start_before_broker(**_: Any) -> None:
    """Start what must run without a broker."""
    load_sdk()
    # The worker runs for weeks, in which either would use up memory or time.
    disable_query_log()
    tune_gc()
    limit_arenas()
    switch_threads_often()
    _start(THREADS_WITHOUT_BROKER)


@worker_ready.connect
def start_delivery(**_: Any) -> None:
    """Start webhook delivery."""
    _start([delivery_thread])


@worker_shutting_down.connect
def stop(**_: Any) -> None:
    """Stop reserving calls and end the threads.

    Calls in flight get a few seconds; the rest of them are in doubt and reconciled later. Webhook
    attempts under way may finish; claimed deliveries are due again when their lease expires.
    """
    dispatcher.stopping.set()
    for thread in (*THREADS_WITHOUT_BROKER, delivery_thread):
        thread.stop()
    deliverer.stop()


def _start(threads: Iterable[PeriodicThread]) -> None:
    for thread in threads:
        if not thread.is_alive():
            thread.start()
