"""The worker's thread that applies LiveKit's webhooks, for tests whose web server receives them."""

from collections.abc import Iterator
from contextlib import contextmanager

from worker.periodic.intake import INTAKE_INTERVAL_SECONDS, apply_new_events
from worker.threads import PeriodicThread


@contextmanager
def applying_events() -> Iterator[None]:
    thread = PeriodicThread("intake", apply_new_events, interval_seconds=INTAKE_INTERVAL_SECONDS)
    thread.start()
    try:
        yield
    finally:
        thread.stop()
        thread.join()
