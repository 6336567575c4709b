"""A worker of a benchmark: shifts, one after the other, as Celery would hand them out."""

from batches import shift
from voiceops.garbage import collect_rarely


def work() -> None:
    """Until nobody is left to call."""
    collect_rarely()  # as every worker does
    while shift.work_is_left():
        shift.run_shift()
