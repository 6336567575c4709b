"""The names of rooms that inbound calls open. LiveKit's individual rule makes
`<prefix>_<caller>_<random>` of them.
"""

from uuid import UUID

PREFIX = "in-"


def room_prefix(number_id: UUID) -> str:
    return f"{PREFIX}{number_id}"


def number_of(room: str) -> UUID | None:
    """Which of our numbers was called, by the room's name; None for every other room."""
    if not room.startswith(PREFIX):
        return None
    try:
        return UUID(room.removeprefix(PREFIX).partition("_")[0])
    except ValueError:
        return None
