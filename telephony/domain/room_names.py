"""The names of rooms from which a call's kind is read.

LiveKit's individual dispatch rule makes `<prefix>_<caller>_<random>` of our prefix.
"""

from uuid import UUID

# Unlike the `vo-` of rooms that we make: a webhook has only the name to tell inbound calls by.
INBOUND_PREFIX = "in-"
# Rooms that we make begin with `vo-`, those of test calls with this.
TEST_ROOM_PREFIX = "vo-test-"


def room_prefix(number_id: UUID) -> str:
    """Return the prefix of the rooms that calls to this number open."""
    return f"{INBOUND_PREFIX}{number_id}"


def number_of(room: str) -> UUID | None:
    """Return the id of the number that was called, by the room's name; None for other rooms."""
    if not room.startswith(INBOUND_PREFIX):
        return None
    try:
        return UUID(room.removeprefix(INBOUND_PREFIX).partition("_")[0])
    except ValueError:
        return None
