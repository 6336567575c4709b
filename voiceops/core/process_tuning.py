"""What processes that serve for long do about memory.

Python's collector of reference cycles, as it comes, looks at the young objects after every 700 that
stay, and at all of them, the half million of the libraries too, whenever they have grown by a
quarter. Importing a list that was a third of all CPU, and an event loop stands still for tens of
milliseconds meanwhile: longer than a late call may be late.
"""

import gc

from django.db.backends.base.base import BaseDatabaseWrapper

_YOUNG_OBJECTS = 50_000  # objects


def tune_gc() -> None:
    """Call once everything is imported: what is there now is never looked at again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, 20, 20)


def disable_query_log() -> None:
    """With DEBUG=1 Django keeps the last 9 000 statements of every connection, with their values;
    nobody reads them.
    """
    BaseDatabaseWrapper.queries_logged = property(lambda self: False)  # type: ignore[assignment]
