"""What the dialler asks whoever owns the work, inside the transaction that commits the intent.

Telephony knows trunks and calls; pauses, suppressions, windows and a batch's own pace belong to the
app above, which passes a `Gate` in.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from telephony.models import Call


class Admission(Protocol):
    """Answers for one chunk of calls, read under the locks of this transaction."""

    def refusal(self, call: Call, now: datetime) -> str | None:
        """Why this call must not be dialled now (an `end_reason`), or None."""

    def next_allowed_at(self, call: Call, now: datetime) -> datetime:
        """The next time slot the call's own batch allows."""

    def record_slot(self, call: Call, slot: datetime) -> None:
        """The call got this slot."""

    def save(self) -> None:
        """Write what `took` changed."""


class Gate(Protocol):
    def admit(self, calls: Sequence[Call]) -> Admission:
        """Called after the numbers' rows are locked; may lock its own rows after them, never
        before.
        """
