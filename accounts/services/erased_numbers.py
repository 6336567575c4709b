"""Numbers of erased recipients, which must not be called again and not be known either.

A keyed hash of each number is kept. Its key is encrypted like other secrets (voiceops.core.crypto),
because with the table alone one could otherwise hash all possible numbers and compare.
"""

import hashlib
import hmac
import os
from collections.abc import Iterable

from accounts.models import ErasedNumber, Workspace
from voiceops.core import crypto
from voiceops.core.ids import uuid7

ERASURE_KEY_BYTES = 32
ERASED_PLACEHOLDER = "erased"  # replaces the number in rows that stay


class ErasedNumbers:
    """The erased numbers of one workspace: `number in erased`. Falsy when there are none."""

    def __init__(self, rows: Iterable[ErasedNumber]) -> None:
        rows = list(rows)
        self.digests = {row.digest for row in rows}
        self.key = crypto.decrypt(rows[0].key, _context(rows[0])) if rows else ""

    def __bool__(self) -> bool:
        return bool(self.digests)

    def __contains__(self, number: str) -> bool:
        return bool(self.digests) and _digest(self.key, number) in self.digests

    def leave_out(self, numbers: tuple[str, ...]) -> tuple[str, ...]:
        """Return those of the numbers that are not erased."""
        if not self.digests:
            return numbers
        return tuple(number for number in numbers if number not in self)


def load_erased_numbers(workspace: Workspace) -> ErasedNumbers:
    """Load the erased numbers of a workspace in one query."""
    return ErasedNumbers(workspace.erased_numbers.order_by("pk"))


def add_erased_number(workspace: Workspace, number: str) -> None:
    """Remember a number (E.164) as erased, inside the caller's transaction.

    Repeating it changes nothing.
    """
    # Under the lock, so that two erasures do not create two keys.
    workspace.lock()
    erased = load_erased_numbers(workspace)
    if number in erased:
        return
    key = erased.key or os.urandom(ERASURE_KEY_BYTES).hex()
    row = ErasedNumber(id=uuid7(), workspace=workspace, digest=_digest(key, number))
    row.key = crypto.encrypt(key, _context(row))
    row.save(force_insert=True)


def _digest(key: str, number: str) -> str:
    return hmac.new(bytes.fromhex(key), number.encode(), hashlib.sha256).hexdigest()


def _context(row: ErasedNumber) -> str:
    return crypto.context_of(row._meta.db_table, "key", row.pk)
