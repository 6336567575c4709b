import uuid
from datetime import datetime, timedelta

import uuid_utils


def uuid7() -> uuid.UUID:
    """Return a new UUID. They sort by the time of their creation (RFC 9562)."""
    # uuid_utils returns a type of its own, which Django's UUIDField does not accept.
    return uuid.UUID(int=uuid_utils.uuid7().int)


def lowest_id(at: datetime, *, later: timedelta = timedelta()) -> uuid.UUID:
    """Return the lowest id that `uuid7` could create at `at + later` (RFC 9562, section 5.7).

    With it, the index of a primary key finds rows by time. Instants out of range give the first or
    the last id.
    """
    milliseconds = int((at.timestamp() + later.total_seconds()) * 1000)
    return uuid.UUID(int=max(0, min(milliseconds, 2**48 - 1)) << 80)
