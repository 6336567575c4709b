from datetime import timedelta
from uuid import UUID

import pytest

from accounts.models import Workspace
from batches.importing.lease import begin_append
from batches.models import Batch, Recipient
from batches.services.imports import import_batch
from tests.batches.importing import lists
from voiceops.core.clock import database_now
from voiceops.core.errors import StateForbids


def test_appended_rows_follow_and_are_checked_for_duplicates(ours: Workspace) -> None:
    batch = lists.imported(ours, "phone,name\n+12025550186,Ana\n+12025550187,Bo\n")
    more = lists.keep("city,Name,mobile\nLima,Ana again,2025550186\nRome,Cy,2025550188\n")

    begin_append(batch=batch, upload=more)
    import_batch(batch.pk)

    batch.refresh_from_db()
    assert lists.recipients(batch) == [
        (2, "+12025550186", "pending", None),
        (3, "+12025550187", "pending", None),
        (5, "+12025550186", "skipped", "duplicate"),
        (6, "+12025550188", "pending", None),
    ]
    assert (batch.columns, batch.variable_names) == (
        ["phone", "name", "city", "Name"],
        [None, "name", "city", "Name"],
    )
    assert Recipient.unscoped.get(batch=batch, row_number=6).variables_in(batch) == {
        "name": "",
        "city": "Rome",
        "Name": "Cy",
    }


def test_appended_list_uses_the_batchs_mapping(
    ours: Workspace,
) -> None:
    content = "Tel ,name\n+1202555018{},Ana\n"
    batch = lists.imported(ours, content.format(6), column_mapping={"Tel": "phone_number"})

    begin_append(batch=batch, upload=lists.keep(content.format(7)))
    import_batch(batch.pk)

    batch.refresh_from_db()
    assert (batch.error, batch.recipients.count()) == (None, 2)


def test_append_during_import_is_refused(ours: Workspace) -> None:
    batch = lists.batch(ours, "phone\n+12025550186\n")

    with pytest.raises(StateForbids, match="Batch is still reading an earlier list"):
        begin_append(batch=batch, upload=lists.keep("phone\n+12025550187\n"))


def test_import_that_dies_before_its_last_commit_is_repeated(
    ours: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = lists.imported(ours, "phone\n+12025550186\n")
    Batch.unscoped.filter(pk=batch.pk).update(
        status="completed", started_at=database_now(), ended_at=database_now()
    )
    begin_append(batch=batch, upload=lists.keep("phone\n+12025550187\n"))

    with monkeypatch.context() as patch:
        patch.setattr("batches.services.imports.after_import", die)
        with pytest.raises(KeyboardInterrupt):
            import_batch(batch.pk)
    Batch.unscoped.filter(pk=batch.pk).update(
        import_lease_expires_at=database_now() - timedelta(seconds=1)
    )
    overdue = lists.unread()
    import_batch(batch.pk)

    batch.refresh_from_db()
    assert overdue == [batch.pk]
    assert (batch.status, batch.upload, batch.recipients.count()) == ("ready", "", 2)


def die(batch_id: UUID) -> None:
    raise KeyboardInterrupt


def test_unreadable_appended_list_leaves_the_batch_unchanged(ours: Workspace) -> None:
    batch = lists.imported(ours, "phone\n+12025550186\n12345\n")

    begin_append(batch=batch, upload=lists.keep("name\nAna\n"))
    import_batch(batch.pk)

    batch.refresh_from_db()
    assert (batch.status, batch.rejected_count) == ("ready", 1)
    assert batch.error == (
        "The file has no phone column: found the columns name; name one of them phone, or "
        "give column_mapping."
    )
    assert lists.recipients(batch) == [(2, "+12025550186", "pending", None)]


def test_corrected_rejected_csv_adds_only_corrected_rows_in_place(ours: Workspace) -> None:
    batch = lists.imported(
        ours, "phone,note\n+12025550186,a\n12345,=b\ncall me,c\n+12025550189,d\n"
    )
    corrected = (
        "phone,note,row_number,error_code,error_message\n"
        "'+1 (202) 555-0187,'=b,3,invalid_number,too short\n"
        "call me again,c,4,not_a_number,no number\n"
    )

    for _ in range(2):
        begin_append(batch=batch, upload=lists.keep(corrected))
        import_batch(batch.pk)

    batch.refresh_from_db()
    assert lists.recipients(batch) == [
        (2, "+12025550186", "pending", None),
        (3, "+12025550187", "pending", None),
        (5, "+12025550189", "pending", None),
    ]
    assert Recipient.unscoped.get(batch=batch, row_number=3).values == ["+1 (202) 555-0187", "=b"]
    assert lists.rejected(batch) == [(4, "not_a_number", ["call me again", "c"])]
    assert (batch.columns, batch.rejected_count) == (["phone", "note"], 1)
