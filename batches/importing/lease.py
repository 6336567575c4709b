"""The lease of an import: which process may write a batch's rows, and which lists wait for one.

The batch's row holds the lease (`import_lease_expires_at`). A process that dies stops renewing it;
when it has expired, the sweep finds the list again and another process continues.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import F, Q, QuerySet

from batches.models import Batch
from voiceops.core.clock import database_now
from voiceops.core.errors import StateForbids

# A chunk takes a tenth of a second to store, on an overloaded machine several seconds.
LEASE_DURATION = timedelta(seconds=30)


class LostLeaseError(Exception):
    """Another process holds the lease, or the batch was deleted. Roll back."""


@dataclass(slots=True)
class ImportLease:
    """The right to write one batch's rows.

    The expiry doubles as a fencing token: a process whose lease was replaced updates no row.
    """

    batch_id: UUID
    expires_at: datetime

    @classmethod
    def acquire(cls, batch_id: UUID) -> "ImportLease | None":
        """Acquire the lease; None when the batch has no list or another process is reading it."""
        now = database_now()
        free = Q(import_lease_expires_at=None) | Q(import_lease_expires_at__lt=now)
        lease = cls(batch_id, now + LEASE_DURATION)
        waiting = Batch.unscoped.filter(free, pk=batch_id).exclude(upload="")
        return lease if waiting.update(import_lease_expires_at=lease.expires_at) else None

    def renew(self, **fields: object) -> None:
        """Extend the lease and write fields of the batch with it. Raises LostLeaseError."""
        expires_at = database_now() + LEASE_DURATION
        self._update(import_lease_expires_at=expires_at, **fields)
        self.expires_at = expires_at

    def release(self, **fields: object) -> None:
        """Clear the lease and the list's name, and write fields of the batch with them.

        Raises LostLeaseError.
        """
        self._update(import_lease_expires_at=None, upload="", **fields)

    def postpone(self, wait: timedelta) -> None:
        """Keep the lease for `wait` without working under it. Raises LostLeaseError."""
        self._update(import_lease_expires_at=database_now() + wait)

    def _update(self, **fields: object) -> None:
        # Compare and set: nothing is written once another process has acquired the lease.
        held = Batch.unscoped.filter(pk=self.batch_id, import_lease_expires_at=self.expires_at)
        if not held.update(**fields):
            raise LostLeaseError


def unread_batches(now: datetime) -> QuerySet[Batch]:
    """Batches with a list that no process is reading."""
    free = Q(import_lease_expires_at=None) | Q(import_lease_expires_at__lt=now)
    return Batch.unscoped.filter(free).exclude(upload="").order_by("pk")


def batches_being_read(now: datetime) -> QuerySet[Batch]:
    """Batches with a list under a lease."""
    return Batch.unscoped.filter(import_lease_expires_at__gte=now).exclude(upload="")


def begin_append(*, batch: Batch, upload: str, **fields: object) -> None:
    """Record that `upload` is to be read after the rows the batch already has.

    `fields` of the batch that hold from this list on are written with it.

    The caller enqueues the import. Raises StateForbids while another list of the batch is being
    read.
    """
    # Compare and set: of two appends at once, one is refused.
    updated = Batch.unscoped.filter(pk=batch.pk, upload="").update(
        upload=upload,
        rows_before=F("rows_before") + F("rows_read"),
        rows_read=0,
        rows_total=None,
        import_lease_expires_at=None,
        **fields,
    )
    if not updated:
        raise StateForbids("Batch is still reading an earlier list")
