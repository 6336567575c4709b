"""Forgetting a person in the lists of a workspace, so that they are never called again."""

import re
from uuid import UUID

from django.db import transaction

from accounts import audit
from accounts.auth.principal import Principal
from accounts.models import Workspace
from accounts.services.erased_numbers import ERASED_PLACEHOLDER, add_erased_number
from batches.models import Recipient, RejectedRow
from telephony.services.erasure import require_no_open_calls
from voiceops.core.errors import StateForbids

Status = Recipient.Status
TELLING = 8  # last digits by which a number is known in whatever spelling


def erase_recipients(workspace: Workspace, number: str) -> int:
    """From every list, refused rows included; how many rows. First of all they are never called
    again.

    Raises StateForbids while the person is being called or a list is being read.
    """
    with transaction.atomic():
        add_erased_number(workspace, number)
        require_no_open_calls(workspace, number)
        if workspace.batches.exclude(upload="").exists():
            raise StateForbids("A list is being read; try again when it has been")
        workspace.suppressions.filter(phone_number=number).delete()
        found = list(Recipient.unscoped.filter(workspace=workspace, phone_number=number))
        for person in found:
            _forget(person)
        Recipient.unscoped.bulk_update(
            found,
            ["phone_number", "values", "is_duplicate", "status", "reason", "due_at"],
            batch_size=500,
        )
        refused = _refused_rows(workspace, number)
        RejectedRow.unscoped.filter(pk__in=refused).update(values=[], error_message="Erased")
        audit.record(
            "person.erased",
            principal=Principal(workspace=workspace),
            changes={"rows": len(found) + len(refused)},
        )
    return len(found) + len(refused)


def _forget(person: Recipient) -> None:
    if person.status in Status.waiting():
        person.status, person.reason = Status.SKIPPED, "suppressed"
    elif person.status == Status.REVIEW:
        person.status, person.reason = Status.CANCELLED, ERASED_PLACEHOLDER
    person.phone_number, person.due_at = ERASED_PLACEHOLDER, None
    person.is_duplicate = True  # no other row of the list is taken for this one
    person.values = [""] * len(person.values)


def _refused_rows(workspace: Workspace, number: str) -> list[UUID]:
    telling = re.sub(r"\D", "", number)[-TELLING:]
    rows = RejectedRow.unscoped.filter(workspace=workspace).values_list("pk", "values")
    return [
        pk
        for pk, values in rows.iterator(chunk_size=2000)
        if any(telling in re.sub(r"\D", "", str(cell)) for cell in values)
    ]
