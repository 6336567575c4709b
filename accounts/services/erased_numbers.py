"""People who were erased stay uncalled: of their number a keyed hash is kept, which knows it when
it comes again.

The key is a secret like others (voiceops.crypto): whoever has the table alone cannot try all
numbers there are.
"""

import hashlib
import hmac
import os
from collections.abc import Iterable

from accounts.models import ErasedNumber, Workspace
from voiceops.core import crypto
from voiceops.core.ids import uuid7

KEY_BYTES = 32
ERASED_PLACEHOLDER = "erased"  # stands where the number stood


class ErasedNumbers:
    """The erased numbers of one workspace: `number in erased`. False when there are none."""

    def __init__(self, rows: Iterable[ErasedNumber]) -> None:
        rows = list(rows)
        self.digests = {row.digest for row in rows}
        self.key = crypto.decrypt(rows[0].key, _context(rows[0])) if rows else ""

    def __bool__(self) -> bool:
        return bool(self.digests)

    def __contains__(self, number: str) -> bool:
        return bool(self.digests) and _digest(self.key, number) in self.digests


def load_erased_numbers(workspace: Workspace) -> ErasedNumbers:
    return ErasedNumbers(workspace.erased_numbers.order_by("pk"))


def add_erased_number(workspace: Workspace, number: str) -> None:
    """Inside the caller's transaction. Repeating it changes nothing."""
    workspace.lock()
    known = load_erased_numbers(workspace)
    if number in known:
        return
    key = known.key or os.urandom(KEY_BYTES).hex()
    row = ErasedNumber(id=uuid7(), workspace=workspace, digest=_digest(key, number))
    row.key = crypto.encrypt(key, _context(row))
    row.save(force_insert=True)


def _digest(key: str, number: str) -> str:
    return hmac.new(bytes.fromhex(key), number.encode(), hashlib.sha256).hexdigest()


def _context(row: ErasedNumber) -> str:
    return crypto.context_of(row._meta.db_table, "key", row.pk)
