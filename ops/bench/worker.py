"""A worker of a benchmark: shifts, one after the other, as Celery would hand them out."""

from voiceops.core.process_tuning import tune_gc
from worker import dispatcher


def work() -> None:
    """Until nobody is left to call."""
    tune_gc()  # as every worker does
    while dispatcher.has_work():
        dispatcher.run_dispatcher()
