"""What the dialer asks the owner of the work, inside the transaction that commits the intents.

Telephony knows trunks and calls. Pauses, suppressions, calling windows and a batch's own pace
belong to the app above, which hands in a `Gate`.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from telephony.models import Call


class OwnPace(Protocol):
    """The slots that the owner of these calls allows, under the locks of this transaction."""

    def next_allowed_at(self, call: Call) -> datetime | None:
        """Return the next slot that the call's own batch allows; None for any."""

    def record_slot(self, call: Call, slot: datetime) -> None:
        """Count that the call got this slot."""

    def save(self) -> None:
        """Write what `record_slot` changed."""


class Admission(OwnPace, Protocol):
    """The last checks before a dial, for one chunk of calls."""

    def refusal(self, call: Call, now: datetime) -> str | None:
        """Return why this call must not be dialled now (an `end_reason`), or None."""


class Gate(Protocol):
    """Both are called after the numbers' rows are locked and may lock rows of their own then."""

    def admit(self, calls: Sequence[Call]) -> Admission:
        """Read everything that may forbid these calls or delay them."""

    def own_pace(self, calls: Sequence[Call]) -> OwnPace:
        """Read only what delays these calls: they are admitted and need another slot."""
