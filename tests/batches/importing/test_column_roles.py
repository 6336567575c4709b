"""Columns with further numbers, an external id and a priority."""

from typing import Any

import pytest

from accounts.models import Workspace
from accounts.services.erased_numbers import add_erased_number
from batches.importing.columns import read_columns
from batches.importing.source import UnreadableUpload
from batches.models import Batch, Recipient
from batches.services.create import append_recipients
from batches.services.imports import import_batch
from tests import make
from tests.batches.importing import lists


def rows_of(batch: Batch) -> list[tuple[Any, ...]]:
    rows = Recipient.unscoped.filter(batch=batch).order_by("row_number")
    return list(rows.values_list("phone_number", "other_numbers", "external_id", "priority"))


def test_further_columns_and_cells_become_alternative_numbers(ours: Workspace) -> None:
    batch = lists.imported(
        ours,
        "phone,mobile,phone2,first_name\n"
        "+12025550101 ::: +12025550102,+12025550103,+12025550104,Ada\n"
        ",+12025550105,+12025550105,Bo\n"
        "+12025550106,n/a,+12025550106,Cleo\n",
    )

    assert rows_of(batch) == [
        ("+12025550101", "+12025550102 +12025550103 +12025550104", None, 0),
        ("+12025550105", None, None, 0),
        ("+12025550106", None, None, 0),
    ]
    assert batch.known_mapping == {
        "phone": "phone_number",
        "mobile": "alternative_number",
        "phone2": "alternative_number",
        "first_name": "first_name",
    }


def test_a_mapping_names_further_numbers_ids_and_priorities(ours: Workspace) -> None:
    mapping: dict[str, str | None] = {
        "a": "phone_number",
        "b": "alternative_number",
        "key": "external_id",
        "rank": "priority",
    }
    batch = lists.imported(
        ours,
        "a,b,key,rank,name\n+12025550101,+12025550102,k\\1,7,Ada\n+12025550103,,,high,Bo\n",
        column_mapping=mapping,
    )

    assert rows_of(batch) == [
        ("+12025550101", "+12025550102", "k\\1", 7),
        ("+12025550103", None, None, 0),
    ]
    assert batch.variable_names == [None, None, None, None, "name"]


def test_a_column_that_is_only_named_like_a_role_stays_a_variable_when_its_mapping_is_sent_again(
    ours: Workspace,
) -> None:
    listed = "phone,priority,name\n+12025550101,7,Ada\n"
    first = lists.imported(ours, listed)
    shown = read_columns(["phone", "priority", "name"]).mapping

    again = lists.imported(ours, listed, column_mapping=first.known_mapping)

    assert first.known_mapping == shown == {"phone": "phone_number", "name": "name"}
    for batch in (first, again):
        assert rows_of(batch) == [("+12025550101", None, None, 0)]
        assert batch.recipients.get().variables_in(batch) == {"priority": "7", "name": "Ada"}


def test_json_variables_may_have_a_role(ours: Workspace) -> None:
    sent = [{"phone_number": "+12025550101", "variables": {"id": 17, "name": "Ada"}}]

    batch = lists.imported(ours, sent, column_mapping={"id": "external_id"})

    assert rows_of(batch) == [("+12025550101", None, "17", 0)]


def test_one_column_only_is_the_external_id() -> None:
    with pytest.raises(UnreadableUpload) as caught:
        read_columns(["phone", "a", "b"], {"a": "external_id", "b": "external_id"})

    assert str(caught.value) == (
        "column_mapping names more than one column as external_id: a, b. Keep one of them."
    )


def appended(batch: Batch, text: str, on_existing: str | None) -> Batch:
    append_recipients(batch=batch, content=iter([text.encode()]), on_existing=on_existing)
    import_batch(batch.pk)
    batch.refresh_from_db()
    return batch


FIRST = "phone,external_id,name\n+12025550101,a,Ada\n+12025550102,b,Bo\n+12025550103,c,Cleo\n"
SECOND = (
    "external_id,phone,name\n"
    "a,+12025550111,Ada Lee\nb,+12025550102,Bo Ray\nd,+12025550104,Dov\nd,+12025550105,Dov again\n"
)


def test_a_second_upload_updates_recipients_that_wait(ours: Workspace) -> None:
    batch = lists.imported(ours, FIRST)
    Recipient.unscoped.filter(batch=batch, external_id="b").update(status="completed", due_at=None)

    appended(batch, SECOND, "update")

    rows = Recipient.unscoped.filter(batch=batch).order_by("row_number")
    assert [(row.row_number, row.phone_number, row.values, row.status) for row in rows] == [
        (2, "+12025550111", ["+12025550111", "a", "Ada Lee"], "pending"),
        (3, "+12025550102", ["+12025550102", "b", "Bo"], "completed"),
        (4, "+12025550103", ["+12025550103", "c", "Cleo"], "pending"),
        (8, "+12025550104", ["+12025550104", "d", "Dov"], "pending"),
    ]


def test_a_second_upload_may_leave_out_who_is_there(ours: Workspace) -> None:
    batch = lists.imported(ours, FIRST)

    appended(batch, SECOND, "skip")

    rows = Recipient.unscoped.filter(batch=batch).order_by("row_number")
    assert [(row.row_number, row.values[2]) for row in rows] == [
        (2, "Ada"),
        (3, "Bo"),
        (4, "Cleo"),
        (8, "Dov"),
    ]


def test_without_a_word_about_it_a_second_upload_is_appended(ours: Workspace) -> None:
    batch = lists.imported(ours, FIRST)

    appended(batch, SECOND, None)

    rows = Recipient.unscoped.filter(batch=batch, row_number__gt=4).order_by("row_number")
    assert [(row.external_id, row.status, row.reason) for row in rows] == [
        ("a", "pending", None),
        ("b", "skipped", "duplicate"),
        ("d", "pending", None),
        ("d", "pending", None),
    ]


def test_an_update_checks_required_variables_again(ours: Workspace) -> None:
    variables = [{"name": "name", "required": True, "default": None}]
    batch = lists.imported(
        ours, "phone,external_id,name\n+12025550101,a,\n+12025550102,b,Bo\n", variables=variables
    )

    appended(batch, "phone,external_id,name\n+12025550101,a,Ada\n+12025550102,b,\n", "update")

    rows = Recipient.unscoped.filter(batch=batch).order_by("row_number")
    assert [(row.status, row.reason, row.due_at is None) for row in rows] == [
        ("pending", None, False),
        ("skipped", "missing_variable", True),
    ]


def test_a_number_on_the_suppression_list_is_not_called_at_another(ours: Workspace) -> None:
    make.suppression(ours, phone_number="+12025550101")

    batch = lists.imported(ours, "phone,mobile\n+12025550101,+12025550102\n")

    assert lists.recipients(batch) == [(2, "+12025550101", "skipped", "suppressed")]


def test_an_update_brings_no_erased_number_back(ours: Workspace) -> None:
    batch = lists.imported(ours, "phone,external_id,mobile\n+12025550101,a,+12025550102\n")
    add_erased_number(ours, "+12025550111")

    appended(batch, "phone,external_id,mobile\n+12025550111,a,+12025550103\n", "update")
    appended(batch, "phone,external_id,mobile\n+12025550101,a,+12025550111\n", "update")

    row = Recipient.unscoped.get(batch=batch, external_id="a")
    assert (row.phone_number, row.other_numbers) == ("+12025550101", None)
