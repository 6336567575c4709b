"""Finding one object by its name."""

from collections.abc import Sequence
from typing import TypeVar

from voiceops.errors import NotListed, NotUnique

T = TypeVar("T")


def exactly_one(found: Sequence[T], what: str, group: str) -> T:
    """Return the only one. Raises NotListed, NotUnique."""
    if not found:
        raise NotListed(what, group)
    if len(found) > 1:
        raise NotUnique(f"There are {len(found)} objects for {what}: use the id instead")
    return found[0]
