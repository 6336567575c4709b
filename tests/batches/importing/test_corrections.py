"""The round trip: rejected rows are downloaded, corrected in a spreadsheet, and appended."""

import csv
import io

from accounts.models import Workspace
from batches.importing.lease import begin_append
from batches.models import Batch, Recipient
from batches.reporting import tables
from batches.services.imports import import_batch
from tests.batches.importing import lists
from voiceops.core.csv_encoding import encode_csv


def rejected_csv(batch: Batch) -> list[list[str]]:
    text = b"".join(encode_csv(tables.rejected_rows(batch))).decode()
    return list(csv.reader(io.StringIO(text, newline="")))


def append(batch: Batch, rows: list[list[str]]) -> None:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    begin_append(batch=batch, upload=lists.keep(text.getvalue()))
    import_batch(batch.pk)
    batch.refresh_from_db()


def test_corrected_rows_are_the_only_ones_added(ours: Workspace) -> None:
    batch = lists.imported(ours, lists.FIXTURES / "appointments.csv")
    before, rejected = lists.recipients(batch), lists.rejected(batch)
    header, *rows = rejected_csv(batch)
    corrected = [[f"+1415555{2000 + at}", *cells[1:]] for at, cells in enumerate(rows)]

    append(batch, [header, *corrected])

    added = set(lists.recipients(batch)) - set(before)
    places = [
        (number, f"+1415555{2000 + at}", "pending", None)
        for at, (number, *_) in enumerate(rejected)
    ]
    assert len(before) + len(rejected) == 500
    assert sorted(added) == places
    assert len(lists.recipients(batch)) == 500
    assert (lists.rejected(batch), batch.rejected_count) == ([], 0)
    assert batch.columns == ["Phone Number", "first_name", "appointment", "balance"]


def test_uncorrected_rows_stay_rejected(ours: Workspace) -> None:
    batch = lists.imported(ours, lists.FIXTURES / "appointments.csv")
    before, rejected = lists.recipients(batch), lists.rejected(batch)

    append(batch, rejected_csv(batch))

    assert lists.recipients(batch) == before
    assert lists.rejected(batch) == rejected
    assert batch.rejected_count == len(rejected)


def test_extra_cells_and_formulas_survive_export_and_import(ours: Workspace) -> None:
    batch = lists.imported(ours, 'phone,note\n+12025550186,"=1+1"\n+12025550187,@x,extra\n')
    header, row = rejected_csv(batch)

    append(batch, [header, [*row[:2], *row[2:5]]])

    assert header == ["phone", "note", "row_number", "error_code", "error_message"]
    assert row == [
        "+12025550187",
        "'@x",
        "3",
        "too_many_columns",
        "The row has 3 cells, the header 2: a separator may stand inside a value",
        "extra",
    ]
    recipients = Recipient.unscoped.filter(batch=batch).order_by("row_number")
    assert [recipient.values for recipient in recipients] == [
        ["+12025550186", "=1+1"],
        ["+12025550187", "@x"],
    ]


def test_extra_cells_stay_rejected_when_the_header_is_widened(
    ours: Workspace,
) -> None:
    batch = lists.imported(ours, "phone,note\n+12025550186,a\n+12025550187,b,extra\n")
    header, row = rejected_csv(batch)
    rejected = lists.rejected(batch)

    append(batch, [[*header, ""], row])

    assert batch.columns == ["phone", "note"]
    assert (
        lists.rejected(batch)
        == rejected
        == [(3, "too_many_columns", ["+12025550187", "b", "extra"])]
    )
