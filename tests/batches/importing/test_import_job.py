import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from accounts.models import Workspace
from batches.importing import import_job
from batches.importing.chunk_writer import ChunkWriter, PreparedChunk
from batches.models import Batch, Recipient, RejectedRow, Suppression
from batches.services.imports import import_batch
from tests.batches.importing import lists


@pytest.mark.parametrize("name", lists.READABLE)
def test_sample_list_imports_with_expected_counts(ours: Workspace, name: str) -> None:
    expected = lists.EXPECTED[name]

    batch = lists.imported(
        ours, lists.FIXTURES / name, default_country=expected.get("default_country")
    )

    recipients = Recipient.unscoped.filter(batch=batch)
    found = {
        "rows": recipients.count() + batch.rejected_count,
        "valid": recipients.filter(
            status="pending", reason=None, is_duplicate=False, due_at__isnull=False
        ).count(),
        "duplicate": recipients.filter(
            status="skipped", reason="duplicate", is_duplicate=True, due_at=None
        ).count(),
        "rejected": RejectedRow.unscoped.filter(batch=batch).count(),
    }
    assert found == {key: expected[key] for key in found}
    assert (batch.status, batch.error, batch.upload) == ("ready", None, "")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (
            "empty.csv",
            (
                "The file is empty: it has no rows. Upload a list with a header row and one row "
                "for each person."
            ),
        ),
        (
            "no-phone-column.csv",
            "The file has no phone column: found the columns name, city; name one of them phone, "
            "or give column_mapping.",
        ),
        (
            "not-a-spreadsheet.xlsx",
            (
                "The file is unreadable: it cannot be read as a spreadsheet. Save it as CSV or "
                "XLSX and upload it again."
            ),
        ),
    ],
)
def test_unreadable_list_fails_the_batch_with_one_sentence(
    ours: Workspace, name: str, sentence: str
) -> None:
    batch = lists.imported(ours, lists.FIXTURES / name)

    assert (batch.status, batch.error, batch.upload, batch.rows_read) == ("failed", sentence, "", 0)


def test_rows_keep_their_cells_numbers_and_columns(ours: Workspace) -> None:
    batch = lists.imported(
        ours, 'Phone Number;name;note\n(202) 555-0186;Ana;"a\nb"\n12345;Bo;\n\n+12025550187;Cy\n'
    )

    recipients = Recipient.unscoped.filter(batch=batch).order_by("row_number")
    assert (batch.columns, batch.variable_names) == (
        ["Phone Number", "name", "note"],
        [None, "name", "note"],
    )
    assert [
        (recipient.row_number, recipient.phone_number, recipient.values) for recipient in recipients
    ] == [
        (2, "+12025550186", ["(202) 555-0186", "Ana", "a\nb"]),
        (5, "+12025550187", ["+12025550187", "Cy", ""]),
    ]
    assert recipients[0].variables_in(batch) == {"name": "Ana", "note": "a\nb"}
    assert lists.rejected(batch) == [(3, "invalid_number", ["12345", "Bo", ""])]
    assert (batch.rows_read, batch.rows_total, batch.rejected_count) == (5, 5, 1)


def test_special_characters_are_stored_unchanged(ours: Workspace) -> None:
    nasty = 'tab\there, back\\slash, "quotes", line\r\nbreak, \\N, ümlaut, \x85 名前'
    rows = [["phone", "note"], ["+12025550186", nasty], ["call me", nasty]]
    path = lists.csv_file(Path(settings.DATA_DIR), rows)

    batch = lists.imported(ours, path)

    assert Recipient.unscoped.get(batch=batch).values == ["+12025550186", nasty]
    assert RejectedRow.unscoped.get(batch=batch).values == ["call me", nasty]


def test_json_recipients_keep_types_and_count_from_one(ours: Workspace) -> None:
    sent: list[dict[str, Any]] = [
        {"phone_number": "+12025550186", "variables": {"name": "Ana", "balance": 12.5}},
        {"phone_number": 12025550187, "variables": {"vip": True, "phone": "desk"}},
        {"phone_number": None},
    ]

    batch = lists.imported(ours, sent)

    recipients = Recipient.unscoped.filter(batch=batch).order_by("row_number")
    assert [
        (recipient.row_number, recipient.phone_number, recipient.variables_in(batch))
        for recipient in recipients
    ] == [
        (1, "+12025550186", {"name": "Ana", "balance": 12.5}),
        (2, "+12025550187", {"vip": True, "phone": "desk"}),
    ]
    assert lists.rejected(batch) == [(3, "missing_number", [None, None, None, None, None])]


def test_number_in_another_spelling_is_a_duplicate(ours: Workspace) -> None:
    text = "phone\n+12025550186\n(202) 555-0186\n1-202-555-0186\n"

    skipped = lists.imported(ours, text)
    kept = lists.imported(ours, text, on_duplicate="keep")

    assert lists.recipients(skipped) == [
        (2, "+12025550186", "pending", None),
        (3, "+12025550186", "skipped", "duplicate"),
        (4, "+12025550186", "skipped", "duplicate"),
    ]
    assert [row[2:] for row in lists.recipients(kept)] == [("pending", None)] * 3


def test_suppressed_number_is_skipped_until_it_expires(ours: Workspace, theirs: Workspace) -> None:
    ended = timezone.now() - timedelta(days=1)
    Suppression.unscoped.create(workspace=ours, phone_number="+12025550186")
    Suppression.unscoped.create(workspace=ours, phone_number="+12025550187", expires_at=ended)
    Suppression.unscoped.create(workspace=theirs, phone_number="+12025550188")

    batch = lists.imported(ours, "phone\n+12025550186\n+12025550187\n+12025550188\n")

    assert [row[2:] for row in lists.recipients(batch)] == [
        ("skipped", "suppressed"),
        ("pending", None),
        ("pending", None),
    ]


def test_row_without_a_required_variable_is_skipped(ours: Workspace) -> None:
    variables = [
        {"name": "first_name", "required": True, "default": None},
        {"name": "city", "required": True, "default": "Lima"},
        {"name": "note", "required": False, "default": None},
    ]

    batch = lists.imported(
        ours, "phone,First Name\n+12025550186,Ana\n+12025550187, \n", variables=variables
    )

    assert batch.variable_names == [None, "first_name"]
    assert [row[2:] for row in lists.recipients(batch)] == [
        ("pending", None),
        ("skipped", "missing_variable"),
    ]


def test_mapping_names_and_ignores_columns(ours: Workspace) -> None:
    mapping = {"Handy": "phone_number", "Vorname": "first_name", "Intern": None}

    batch = lists.imported(
        ours, "Vorname,Handy,Intern,Ort\nAna,+12025550186,x,Lima\n", column_mapping=mapping
    )

    assert batch.variable_names == ["first_name", None, None, "Ort"]
    assert lists.recipients(batch) == [(2, "+12025550186", "pending", None)]


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_interrupted_import_continues_with_the_same_rows(
    ours: Workspace, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    path = lists.FIXTURES / ("appointments.csv" if kind == "csv" else "callbacks.xlsx")
    monkeypatch.setattr(import_job, "IMPORT_CHUNK_ROWS", 40)
    whole = lists.imported(ours, path)
    broken = lists.batch(ours, path)
    insert, chunks = ChunkWriter.insert, []

    def insert_and_die(writer: ChunkWriter, chunk: PreparedChunk) -> None:
        chunks.append(chunk.last_row)
        insert(writer, chunk)
        if len(chunks) % 3 == 0:
            raise SystemExit  # the rows of this chunk are rolled back, as by a kill

    monkeypatch.setattr(ChunkWriter, "insert", insert_and_die)
    for _ in range(10):
        Batch.unscoped.filter(pk=broken.pk).update(import_lease_expires_at=None)
        try:
            import_batch(broken.pk)
        except SystemExit:
            continue
        break

    broken.refresh_from_db()
    assert len(chunks) > 6
    assert lists.recipients(broken) == lists.recipients(whole)
    assert lists.rejected(broken) == lists.rejected(whole)
    assert (broken.status, broken.rejected_count, broken.rows_read) == (
        "ready",
        whole.rejected_count,
        whole.rows_read,
    )


def test_list_that_is_too_long_leaves_no_rows(
    ours: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_job, "IMPORT_CHUNK_ROWS", 40)
    monkeypatch.setattr(settings, "MAX_UPLOAD_ROWS", 150)
    sent = [
        {"phone_number": f"+1202555{number:04}" if number % 9 else "none"} for number in range(151)
    ]

    batch = lists.imported(ours, sent)

    assert (batch.status, batch.error) == (
        "failed",
        "The file has more than 150 rows: split it into several lists.",
    )
    assert (lists.recipients(batch), lists.rejected(batch), batch.rejected_count) == ([], [], 0)


def test_list_under_lease_is_left_alone(ours: Workspace) -> None:
    batch = lists.batch(ours, "phone\n+12025550186\n")
    Batch.unscoped.filter(pk=batch.pk).update(
        import_lease_expires_at=timezone.now() + timedelta(seconds=5)
    )

    import_batch(batch.pk)

    assert lists.recipients(batch) == []
    assert lists.unread() == []


def test_list_without_a_valid_lease_is_overdue(ours: Workspace) -> None:
    waiting = lists.batch(ours, "phone\n+12025550186\n")
    dead = lists.batch(
        ours, "phone\n+12025550186\n", import_lease_expires_at=timezone.now() - timedelta(seconds=1)
    )
    lists.imported(ours, "phone\n+12025550186\n")

    found = lists.unread()

    assert found == [waiting.pk, dead.pk]


def test_import_that_lost_its_lease_writes_nothing(
    ours: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = lists.batch(ours, "phone\n+12025550186\n")
    insert = ChunkWriter.insert

    def lose_lease(writer: ChunkWriter, chunk: PreparedChunk) -> None:
        Batch.unscoped.filter(pk=batch.pk).update(
            import_lease_expires_at=timezone.now() + timedelta(hours=1)
        )
        insert(writer, chunk)

    monkeypatch.setattr(ChunkWriter, "insert", lose_lease)
    import_batch(batch.pk)

    assert lists.recipients(batch) == []


def test_upload_is_deleted_after_import(ours: Workspace) -> None:
    waiting = lists.batch(ours, "phone\n+12025550186\n")
    path = Path(settings.DATA_DIR) / "uploads" / waiting.upload
    there_before = path.exists()

    import_batch(waiting.pk)

    assert (there_before, path.exists()) == (True, False)


def test_missing_file_fails_the_batch(ours: Workspace) -> None:
    batch = lists.imported(ours, "phone\n+12025550186\n", upload="gone")

    assert (batch.status, batch.error) == ("failed", "The uploaded file is gone: upload it again.")


def test_expected_counts_add_up() -> None:
    listed = json.loads((lists.FIXTURES / "expected.json").read_text())

    sums = {
        name: row["valid"] + row["duplicate"] + row["rejected"]
        for name, row in listed.items()
        if "rows" in row
    }

    assert sums == {name: listed[name]["rows"] for name in sums}
