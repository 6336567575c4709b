import uuid

import uuid_utils


def uuid7() -> uuid.UUID:
    """A UUID whose order is the order of creation (RFC 9562), so that primary keys sort by time."""
    return uuid.UUID(int=uuid_utils.uuid7().int)
