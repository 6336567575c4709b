import uuid
from datetime import datetime, timedelta

import uuid_utils


def uuid7() -> uuid.UUID:
    """A UUID whose order is the order of creation (RFC 9562), so that primary keys sort by time."""
    return uuid.UUID(int=uuid_utils.uuid7().int)


def lowest_id(at: datetime, *, later: timedelta = timedelta()) -> uuid.UUID:
    """The lowest id made at that instant, or so much later (RFC 9562, section 5.7): ids bring the
    index to a time.

    An instant before or after all ids, in whatever year, is the first or the last of them.
    """
    milliseconds = int((at.timestamp() + later.total_seconds()) * 1000)
    return uuid.UUID(int=max(0, min(milliseconds, 2**48 - 1)) << 80)
