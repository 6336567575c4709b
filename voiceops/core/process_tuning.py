"""Memory settings of long-running processes.

With its default thresholds, Python's cycle collector scans young objects after every 700 that
survive, and all objects, half a million of the libraries included, whenever their number grew by a
quarter. During an import that took a third of all CPU time, and it stops an event loop for tens of
milliseconds, which is longer than a call may be late.
"""

import gc

from django.db.backends.base.base import BaseDatabaseWrapper

_YOUNG_OBJECTS = 50_000  # that are allocated between two collections


def tune_gc() -> None:
    """Collect less often, and never scan again what exists now. Call it after all imports."""
    # Garbage must not be frozen with the rest.
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, 20, 20)


def disable_query_log() -> None:
    """Stop Django from keeping the last 9,000 statements of each connection with DEBUG=1."""
    BaseDatabaseWrapper.queries_logged = property(lambda self: False)  # type: ignore[assignment]
