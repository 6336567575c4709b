import base64
import io
import os

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from accounts.models import Workspace
from ops.checking.key_rotation import (
    ROTATION_CHUNK_ROWS,
    Column,
    encrypted_columns,
    outdated_rows,
    rotate_column,
    rotate_rows,
)
from telephony.models import PhoneNumber, SipTrunk
from telephony.services.trunk_config import decrypt_password, encrypt_password
from tests import make
from voiceops.core import crypto


def new_key() -> str:
    return base64.urlsafe_b64encode(os.urandom(32)).decode()


def with_password(number: PhoneNumber, password: str) -> PhoneNumber:
    number.sip_auth_password = encrypt_password(number, password)
    number.save(update_fields=["sip_auth_password"])
    return number


def rotate() -> str:
    out = io.StringIO()
    call_command("rotate_keys", stdout=out, stderr=io.StringIO())
    return out.getvalue().strip()


def test_every_encrypted_column_is_found() -> None:
    columns = {str(column) for column in encrypted_columns()}

    assert {
        "telephony_phonenumber.sip_auth_password",
        "telephony_siptrunk.auth_password",
        "accounts_idempotentrequest.answer",
    } <= columns


def test_stored_answers_are_rotated_and_still_replayed(ours: Workspace, settings: Settings) -> None:
    client = make.client(ours)
    headers = {"Idempotency-Key": "once"}
    first = client.post("/agents", {"name": "A", "system_prompt": "Be kind."}, headers=headers)
    settings.FIELD_ENCRYPTION_KEYS = [new_key(), *settings.FIELD_ENCRYPTION_KEYS]

    rotate()

    settings.FIELD_ENCRYPTION_KEYS = settings.FIELD_ENCRYPTION_KEYS[:1]
    again = client.post("/agents", {"name": "A", "system_prompt": "Be kind."}, headers=headers)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert again.headers["Idempotent-Replay"] == "true"


def test_all_secrets_are_re_encrypted(ours: Workspace, settings: Settings) -> None:
    number = with_password(make.phone_number(ours), "s3cret of the number")
    trunk = SipTrunk.unscoped.get()
    trunk.auth_password = encrypt_password(trunk, "s3cret of the trunk")
    trunk.save(update_fields=["auth_password"])
    make.phone_number(ours)  # without a password
    settings.FIELD_ENCRYPTION_KEYS = [new_key(), *settings.FIELD_ENCRYPTION_KEYS]

    output = rotate()

    settings.FIELD_ENCRYPTION_KEYS = settings.FIELD_ENCRYPTION_KEYS[:1]  # the old key is gone
    number.refresh_from_db()
    trunk.refresh_from_db()
    assert output == f"2 of 2 secrets re-encrypted, in {len(encrypted_columns())} columns"
    assert (decrypt_password(number), decrypt_password(trunk)) == (
        "s3cret of the number",
        "s3cret of the trunk",
    )


def test_a_second_run_has_nothing_to_do(ours: Workspace, settings: Settings) -> None:
    number = with_password(make.phone_number(ours), "s3cret")
    settings.FIELD_ENCRYPTION_KEYS = [new_key(), *settings.FIELD_ENCRYPTION_KEYS]
    rotate()
    number.refresh_from_db()
    token = number.sip_auth_password

    output = rotate()

    number.refresh_from_db()
    assert output == f"0 of 0 secrets re-encrypted, in {len(encrypted_columns())} columns"
    assert number.sip_auth_password == token


def test_an_interrupted_run_continues_where_it_stopped(ours: Workspace, settings: Settings) -> None:
    numbers = [
        make.phone_number(ours, phone_number=f"+1202600{n:04}")
        for n in range(ROTATION_CHUNK_ROWS + 5)
    ]
    for number in numbers:
        number.sip_auth_password = encrypt_password(number, "s3cret")
    PhoneNumber.unscoped.bulk_update(numbers, ["sip_auth_password"])
    settings.FIELD_ENCRYPTION_KEYS = [new_key(), *settings.FIELD_ENCRYPTION_KEYS]
    column = Column(PhoneNumber, "sip_auth_password")

    first = next(rotate_column(column))  # the process stops here
    remaining = outdated_rows(column).count()

    assert (first.rotated, remaining) == (ROTATION_CHUNK_ROWS, 5)
    assert rotate() == f"5 of 5 secrets re-encrypted, in {len(encrypted_columns())} columns"


def test_a_secret_changed_during_the_rotation_is_not_overwritten(
    ours: Workspace, settings: Settings
) -> None:
    number = with_password(make.phone_number(ours), "old")
    settings.FIELD_ENCRYPTION_KEYS = [new_key(), *settings.FIELD_ENCRYPTION_KEYS]
    column = Column(PhoneNumber, "sip_auth_password")
    found = list(outdated_rows(column).values_list("pk", flat=True))
    with_password(number, "new")

    chunk = rotate_rows(column, found)

    number.refresh_from_db()
    assert (found, chunk.rotated) == ([number.pk], 0)
    assert decrypt_password(number) == "new"


def test_an_unreadable_secret_is_reported_and_kept(ours: Workspace, settings: Settings) -> None:
    number = with_password(make.phone_number(ours), "s3cret")
    other = make.phone_number(ours)
    PhoneNumber.unscoped.filter(pk=other.pk).update(sip_auth_password=number.sip_auth_password)
    settings.FIELD_ENCRYPTION_KEYS = [new_key(), *settings.FIELD_ENCRYPTION_KEYS]

    with pytest.raises(CommandError) as refusal:
        rotate()

    number.refresh_from_db()
    assert str(refusal.value) == (
        "1 secrets could not be decrypted because their key is missing; keep the old keys"
    )
    assert number.sip_auth_password.startswith(f"{crypto.newest_key_id()}.")
    assert PhoneNumber.unscoped.get(pk=other.pk).sip_auth_password != ""
