"""A worker of a benchmark: runs one dispatcher after the other, as Celery would start them."""

from voiceops.core.process_tuning import tune_gc
from worker import dispatcher


def run_until_done() -> None:
    """Dial until no recipient is left."""
    tune_gc()  # as every worker does
    while dispatcher.has_work():
        dispatcher.run_dispatcher()
