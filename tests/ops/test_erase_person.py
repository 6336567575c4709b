"""After a person was erased, only two facts are left: that calls took place, and that the number
must not be called.
"""

import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.models import ErasedNumber, Workspace
from accounts.services.erased_numbers import load_erased_numbers
from batches.dialing.admission import BatchAdmission
from batches.domain.suppressed_numbers import find_suppressed
from ops.checking.key_rotation import encrypted_columns, rotate_column
from telephony.models import CallEvent, InboxEvent, Turn
from tests import make
from voiceops.core import crypto
from webhooks.models import WebhookEvent
from webhooks.signing import build_body

ADA = "+12025550186"
BOB = "+12025550187"


def store_ada_everywhere(of: Workspace) -> Any:
    """Store Ada in every place that holds personal data; returns her ended call."""
    batch = make.batch(of)
    recipient = make.recipient(batch, phone_number=ADA)
    make.recipient(batch, phone_number=BOB, values=[BOB, "Bob"])
    make.rejected_row(batch, values=["(202) 555-0186", "Ada", "too many"])
    make.suppression(of, phone_number=ADA)
    call = make.call(
        of, to_number=ADA, stage="ended", variables={"first_name": "Ada"}, recipient_id=recipient.pk
    )
    now = timezone.now()
    Turn.unscoped.create(
        workspace=of, call=call, role="user", text="I am Ada", started_at=now, external_id="1"
    )
    CallEvent.unscoped.create(
        workspace=of, call=call, type="answered", text=f"{ADA} answered", at=now
    )
    InboxEvent.objects.create(
        event_id=str(call.pk), event="x", room=call.room, body={"number": ADA}, received_at=now
    )
    body = build_body("call.ended", now, {"id": call.pk, "to": ADA})
    WebhookEvent.unscoped.create(
        workspace=of, type="call.ended", key=f"call.ended:{call.pk}", body=body, at=now
    )
    return call


def dump_rows(of: Workspace) -> str:
    """All rows of the workspace, as text."""
    relations = [
        relation for relation in of._meta.related_objects if relation.related_model is not Workspace
    ]
    rows = [
        list(relation.related_model._default_manager.filter(**{relation.field.name: of}).values())
        for relation in relations
    ]
    rooms = list(of.calls.values_list("room", flat=True))
    return json.dumps(
        [*rows, list(InboxEvent.objects.filter(room__in=rooms).values())], default=str
    )


def test_personal_data_is_gone_and_the_number_is_not_called(
    ours: Workspace, theirs: Workspace
) -> None:
    call = store_ada_everywhere(ours)
    store_ada_everywhere(theirs)

    call_command("erase_person", ADA, workspace=str(ours.pk))

    remaining = dump_rows(ours)
    assert [word for word in (ADA, "555-0186", "Ada") if word in remaining] == []
    assert BOB in remaining
    assert dump_rows(theirs).count(ADA) > 5
    assert find_suppressed(ours.pk, [ADA, BOB]) == {ADA}
    assert find_suppressed(theirs.pk, [BOB]) == set()
    new_call = make.call(ours, to_number=ADA)
    assert BatchAdmission([new_call]).refusal(new_call, timezone.now()) == "suppressed"
    call.refresh_from_db()
    assert (call.to_number, call.variables, call.stage) == ("erased", {}, "ended")


def test_a_recipient_who_waits_in_a_batch_is_skipped(ours: Workspace) -> None:
    batch = make.batch(ours)
    waiting = make.recipient(batch, phone_number=ADA)
    in_review = make.recipient(make.batch(ours), phone_number=ADA, status="review", due_at=None)

    call_command("erase_person", "+1 202 555 0186")

    waiting.refresh_from_db()
    in_review.refresh_from_db()
    assert (waiting.status, waiting.reason, waiting.due_at, waiting.values) == (
        "skipped",
        "suppressed",
        None,
        ["", ""],
    )
    assert (in_review.status, in_review.reason) == ("cancelled", "erased")
    assert make.client(ours).get(f"/batches/{batch.pk}/results.csv").status_code == 200


def test_a_call_or_a_list_to_an_erased_number_is_refused(ours: Workspace) -> None:
    call_command("erase_person", ADA, workspace=str(ours.pk))
    agent, number = make.agent(ours), make.phone_number(ours)
    client = make.client(ours)

    call = client.post(
        "/calls", {"agent_id": str(agent.pk), "to": ADA, "from_number_id": str(number.pk)}
    )
    preview = client.post(
        "/batches/preview",
        {
            "name": "x",
            "agent_id": str(agent.pk),
            "phone_number_id": str(number.pk),
            "recipients": [{"phone_number": ADA}, {"phone_number": BOB}],
        },
    )

    assert call.status_code == 400
    assert preview.json()["counts"]["suppressed"] == 1


def test_a_person_in_a_call_is_not_erased(ours: Workspace) -> None:
    make.call(ours, to_number=ADA, stage="in_progress")

    with pytest.raises(CommandError, match="has not ended"):
        call_command("erase_person", ADA)

    assert not ErasedNumber.unscoped.exists()


def test_erasing_can_be_repeated_and_an_invalid_number_is_refused(ours: Workspace) -> None:
    call_command("erase_person", ADA)
    call_command("erase_person", ADA)
    call_command("erase_person", BOB)

    with pytest.raises(CommandError, match=r"^Invalid phone number$"):
        call_command("erase_person", "not a number")
    assert ErasedNumber.unscoped.count() == 2
    assert ADA in load_erased_numbers(ours)


def test_the_hash_survives_a_rotation_of_keys(ours: Workspace, settings: Any) -> None:
    call_command("erase_person", ADA)
    old = settings.FIELD_ENCRYPTION_KEYS

    settings.FIELD_ENCRYPTION_KEYS = ["bmV3LWtleS1uZXcta2V5LW5ldy1rZXktbmV3LWtleS0=", *old]
    [column] = [
        column for column in encrypted_columns() if str(column) == "accounts_erasednumber.key"
    ]
    list(rotate_column(column))
    settings.FIELD_ENCRYPTION_KEYS = settings.FIELD_ENCRYPTION_KEYS[:1]

    assert ADA in load_erased_numbers(ours)
    assert ErasedNumber.unscoped.get().key.startswith(f"{crypto.newest_key_id()}.")
