"""The list of numbers that a workspace must not call."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import IntegrityError, transaction

from accounts import audit
from accounts.auth.principal import Principal
from accounts.models import Workspace
from batches.domain import suppressed_numbers
from batches.models import Suppression
from voiceops.core.errors import Conflict, Invalid
from voiceops.core.pii import mask_number

ALREADY_SUPPRESSED = "Phone number already suppressed"
EXPIRY_PASSED = "expires_at lies in the past"


class NewSuppression(NamedTuple):
    """A number (E.164) to suppress; `expires_at` None for ever."""

    phone_number: str
    reason: str
    expires_at: datetime | None


def is_suppressed(workspace: Workspace, phone_number: str) -> bool:
    """Return whether the number (E.164) must not be called: it is on the list, or was erased."""
    return suppressed_numbers.is_suppressed(workspace.pk, phone_number)


def suppress_number(
    *,
    workspace: Workspace,
    phone_number: str,
    now: datetime,
    principal: Principal | None = None,
    **fields: Any,
) -> Suppression:
    """Suppress a number (E.164). It holds for every call that has not been sent yet.

    Raises Conflict while the number is suppressed already, Invalid for an expiry in the past.
    """
    if _has_expired(fields.get("expires_at"), now):
        raise Invalid(EXPIRY_PASSED)
    same_number = workspace.suppressions.filter(phone_number=phone_number)
    try:
        with transaction.atomic():
            # An expired row would keep the number from being suppressed again.
            same_number.filter(expires_at__lte=now).delete()
            row: Suppression = workspace.suppressions.create(phone_number=phone_number, **fields)
            changes = {"phone_number": mask_number(phone_number)}
            audit.record("suppression.added", principal=principal, target=row, changes=changes)
    except IntegrityError as error:
        if same_number.exists():
            raise Conflict(ALREADY_SUPPRESSED) from error
        raise
    return row


def lift_suppression(*, suppression: Suppression, principal: Principal | None = None) -> None:
    """Allow calls to the number again. The audit log keeps who decided that."""
    changes = {
        "phone_number": mask_number(suppression.phone_number),
        "source": suppression.source,
    }
    with transaction.atomic():
        audit.record("suppression.lifted", principal=principal, target=suppression, changes=changes)
        suppression.delete()


def merge_suppressions(workspace: Workspace, rows: Sequence[NewSuppression], now: datetime) -> int:
    """Write the imported rows that add or prolong a suppression; returns how many were added.

    Each number once, in the caller's transaction.
    """
    numbers = [row.phone_number for row in rows]
    existing = workspace.suppressions.filter(phone_number__in=numbers)
    expiries: dict[str, datetime | None] = dict(existing.values_list("phone_number", "expires_at"))
    imported = Suppression.Source.IMPORT
    added = 0
    written: list[Suppression] = []
    for row in rows:
        known = row.phone_number in expiries
        expiry = expiries.get(row.phone_number)
        is_new = not known or _has_expired(expiry, now)
        if is_new or _is_later(row.expires_at, expiry):
            written.append(Suppression(workspace=workspace, source=imported, **row._asdict()))
        added += is_new
    workspace.suppressions.bulk_create(
        written,
        update_conflicts=True,
        unique_fields=["workspace", "phone_number"],
        update_fields=["reason", "source", "expires_at"],
    )
    return added


def _has_expired(expires_at: datetime | None, now: datetime) -> bool:
    return expires_at is not None and expires_at <= now


def _is_later(expires_at: datetime | None, other: datetime | None) -> bool:
    """Return whether the first expiry is later than the other; None is never."""
    return other is not None and (expires_at is None or expires_at > other)
