"""Python's collector of reference cycles, set for processes that hold many objects and make few cycles.

As it comes it looks at the young objects after every 700 that stay, and at all of them, the half million of the
libraries too, whenever they have grown by a quarter. Importing a list that was a third of all CPU, and an event loop
stands still for tens of milliseconds meanwhile: longer than a late call may be late.
"""

import gc

_YOUNG = 50_000  # objects


def collect_rarely() -> None:
    """Call once everything is imported: what is there now is never looked at again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, 20, 20)
