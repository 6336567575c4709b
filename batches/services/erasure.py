"""Erase a callee from the lists of a workspace, so that the number is never called again."""

import re
from uuid import UUID

from django.db import transaction

from accounts import audit
from accounts.auth.principal import Principal
from accounts.models import Workspace
from accounts.services.erased_numbers import ERASED_PLACEHOLDER, add_erased_number
from batches.domain.recipient_transitions import ERASE_IN_REVIEW, ERASE_WAITING
from batches.models import Recipient, RejectedRow, SuppressionImport
from telephony.services.erasure import require_no_open_calls
from voiceops.core.clock import database_now
from voiceops.core.errors import StateForbids

# The last digits identify a number in whatever spelling a rejected row has it.
MATCHED_DIGITS = 8
ERASED_FIELDS = (
    "phone_number",
    "external_id",
    "timezone",
    "other_numbers",
    "values",
    "is_duplicate",
    "status",
    "reason",
    "due_at",
    "unreported_at",
)
UPDATE_CHUNK_ROWS = 500
READ_CHUNK_ROWS = 2000


def erase_recipients(workspace: Workspace, number: str) -> int:
    """Erase a number (E.164) from every list, rejected rows included; returns how many rows.

    The number is put on record as erased first, so that no list can bring it back meanwhile. Raises
    StateForbids while it is being called or a list is being read.
    """
    with transaction.atomic():
        add_erased_number(workspace, number)
        require_no_open_calls(workspace, number)
        # An import may be about to write rows with this number.
        imports = SuppressionImport.unscoped.filter(workspace=workspace)
        if any(lists.exclude(upload="").exists() for lists in (workspace.batches, imports)):
            raise StateForbids("A list is being read; try again when it has been")
        workspace.suppressions.filter(phone_number=number).delete()
        workspace.callbacks.filter(phone_number=number).delete()
        # Rows that were rejected may hold any spelling of it.
        imports.exclude(rejected=[]).update(rejected=[])
        rows = _erase_recipients(workspace, number) + _erase_rejected_rows(workspace, number)
        principal = Principal(workspace=workspace)
        audit.record("person.erased", principal=principal, changes={"rows": rows})
    return rows


def _erase_recipients(workspace: Workspace, number: str) -> int:
    recipients = list(Recipient.unscoped.filter(workspace=workspace, phone_number=number))
    for recipient in recipients:
        _erase(recipient)
    # A person is erased with all numbers, whichever of them was named.
    further = Recipient.unscoped.filter(workspace=workspace, other_numbers__contains=number)
    for recipient in further.exclude(pk__in=[recipient.pk for recipient in recipients]):
        if number in recipient.alternative_numbers:
            require_no_open_calls(workspace, recipient.number_to_call)
            _erase(recipient)
            recipients.append(recipient)
    Recipient.unscoped.bulk_update(recipients, ERASED_FIELDS, batch_size=UPDATE_CHUNK_ROWS)
    return len(recipients)


def _erase(recipient: Recipient) -> None:
    now = database_now()
    if not ERASE_WAITING.apply(recipient, reason="suppressed", unreported_at=now):
        ERASE_IN_REVIEW.apply(recipient, reason=ERASED_PLACEHOLDER, unreported_at=now)
    recipient.phone_number = ERASED_PLACEHOLDER
    recipient.due_at = None
    # Two erased rows of one batch have the same number; only duplicates may.
    recipient.is_duplicate = True
    recipient.values = [""] * len(recipient.values)
    recipient.external_id = recipient.other_numbers = recipient.timezone = None


def _erase_rejected_rows(workspace: Workspace, number: str) -> int:
    ids = _rejected_rows_with(workspace, number)
    RejectedRow.unscoped.filter(pk__in=ids).update(values=[], error_message="Erased")
    return len(ids)


def _rejected_rows_with(workspace: Workspace, number: str) -> list[UUID]:
    """Return the ids of rejected rows in which a cell contains the number's last digits."""
    wanted = _digits(number)[-MATCHED_DIGITS:]
    rows = RejectedRow.unscoped.filter(workspace=workspace).values_list("pk", "values")
    return [
        pk
        for pk, values in rows.iterator(chunk_size=READ_CHUNK_ROWS)
        if any(wanted in _digits(str(cell)) for cell in values)
    ]


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text)
