"""A worker of a benchmark: shifts, one after the other, as Celery would hand them out."""

from voiceops.core.process_tuning import collect_rarely
from worker import dispatcher


def work() -> None:
    """Until nobody is left to call."""
    collect_rarely()  # as every worker does
    while dispatcher.work_is_left():
        dispatcher.run_shift()
