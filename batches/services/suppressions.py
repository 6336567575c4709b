from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import IntegrityError, transaction

from accounts import audit
from accounts.auth.principal import Principal
from accounts.models import Workspace
from batches.domain.suppressed_numbers import find_suppressed
from batches.models import Suppression
from voiceops.core.errors import Conflict, Invalid
from voiceops.core.pii import mask_number
from voiceops.db.chunks import chunked

ALREADY = "Phone number already suppressed"
PAST = "expires_at lies in the past"


class NewSuppression(NamedTuple):
    phone_number: str
    reason: str
    expires_at: datetime | None


class Added(NamedTuple):
    added: int
    already: int


def is_suppressed(workspace: Workspace, phone_number: str) -> bool:
    """Whether the workspace must not call the number (E.164): it is on the list, or was erased."""
    return bool(find_suppressed(workspace.pk, [phone_number]))


def suppress_number(
    *,
    workspace: Workspace,
    phone_number: str,
    now: datetime,
    principal: Principal | None = None,
    **fields: Any,
) -> Suppression:
    """Never call this number again; in force for every call not yet sent.

    Raises Conflict while the number is suppressed already, Invalid for an expiry that has passed.
    """
    _refuse_past(fields.get("expires_at"), now)
    try:
        with transaction.atomic():
            workspace.suppressions.filter(phone_number=phone_number, expires_at__lte=now).delete()
            row: Suppression = workspace.suppressions.create(phone_number=phone_number, **fields)
            changes = {"phone_number": mask_number(phone_number)}
            audit.record("suppression.added", principal=principal, target=row, changes=changes)
    except IntegrityError as error:
        if workspace.suppressions.filter(phone_number=phone_number).exists():
            raise Conflict(ALREADY) from error
        raise
    return row


def lift_suppression(*, suppression: Suppression, principal: Principal | None = None) -> None:
    """The number may be called again; who decided so stays on record."""
    with transaction.atomic():
        changes = {
            "phone_number": mask_number(suppression.phone_number),
            "source": suppression.source,
        }
        audit.record("suppression.lifted", principal=principal, target=suppression, changes=changes)
        suppression.delete()


def suppress_numbers(
    *,
    workspace: Workspace,
    rows: Sequence[NewSuppression],
    now: datetime,
    source: Suppression.Source = Suppression.Source.IMPORT,
    principal: Principal | None = None,
) -> Added:
    """Add many at once. Those in force stay as they are, but never end earlier than the list says."""
    wanted = {row.phone_number: row for row in rows}
    added = 0
    with transaction.atomic():
        for chunk in chunked(list(wanted.values())):
            added += _merge(workspace, chunk, now, source)
        result = Added(added, len(rows) - added)
        audit.record(
            "suppression.imported",
            principal=principal or Principal(workspace=workspace),
            changes=result._asdict(),
        )
    return result


def _merge(
    workspace: Workspace, rows: Sequence[NewSuppression], now: datetime, source: Suppression.Source
) -> int:
    """Returns how many numbers may no longer be called that could before."""
    known = workspace.suppressions.filter(phone_number__in=[row.phone_number for row in rows])
    ends: dict[str, datetime | None] = dict(known.values_list("phone_number", "expires_at"))
    fresh = [
        row for row in rows if row.phone_number not in ends or _is_over(ends[row.phone_number], now)
    ]
    longer = [
        row
        for row in rows
        if row.phone_number in ends and _outlasts(row.expires_at, ends[row.phone_number])
    ]
    merged = {row.phone_number: row for row in (*fresh, *longer)}
    workspace.suppressions.bulk_create(
        [
            Suppression(workspace=workspace, source=source, **row._asdict())
            for row in merged.values()
        ],
        update_conflicts=True,
        unique_fields=["workspace", "phone_number"],
        update_fields=["reason", "source", "expires_at"],
    )
    return len(fresh)


def _is_over(expires_at: datetime | None, now: datetime) -> bool:
    return expires_at is not None and expires_at <= now


def _outlasts(expires_at: datetime | None, other: datetime | None) -> bool:
    return other is not None and (expires_at is None or expires_at > other)


def _refuse_past(expires_at: datetime | None, now: datetime) -> None:
    if _is_over(expires_at, now):
        raise Invalid(PAST)
