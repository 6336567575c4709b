import io
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import openpyxl
import pytest
from django.utils import timezone

from accounts.models import AuditEntry, Workspace
from accounts.roles import Role
from batches.models import Batch, Recipient
from batches.reporting.tables import rejected_rows, result_rows
from tests import make
from tests.batches.api.bodies import read
from voiceops.core.csv_encoding import encode_csv
from voiceops.core.formulas import escape_formula

CALLED_AT = datetime(2026, 3, 2, 14, 0, tzinfo=UTC)
HEADER = "status,outcome,reason,attempts,sip_status_code,called_at,duration_seconds,call_id"


def called(recipient: Recipient, **fields: Any) -> Any:
    """Create a call that was answered for 20.5 seconds."""
    values = {
        "stage": "ended",
        "outcome": "answered",
        "sip_status_code": 200,
        "dialed_at": CALLED_AT,
        "answered_at": CALLED_AT + timedelta(seconds=8),
        "ended_at": CALLED_AT + timedelta(seconds=28.5),
        "to_number": recipient.phone_number,
        **fields,
    }
    return make.call(
        recipient.workspace, batch_id=recipient.batch_id, recipient_id=recipient.pk, **values
    )


def test_recipients_are_listed_in_file_order_with_results(ours: Workspace) -> None:
    batch = make.batch(ours, status="running", started_at=timezone.now())
    later = timezone.now() + timedelta(minutes=30)
    second = make.recipient(
        batch,
        row_number=7,
        phone_number="+12025550007",
        status="retrying",
        attempts=1,
        outcome="busy",
        reason="busy",
        due_at=later,
    )
    first = make.recipient(
        batch,
        row_number=3,
        phone_number="+12025550003",
        status="completed",
        attempts=1,
        outcome="answered",
        due_at=None,
    )
    call = called(first)

    body = make.client(ours, Role.MEMBER).get(f"/batches/{batch.pk}/recipients").json()

    assert body == {
        "items": [
            {
                "id": str(first.pk),
                "row_number": 3,
                "phone_number": "+12025550003",
                "variables": {"first_name": "Ada"},
                "status": "completed",
                "reason": None,
                "attempts": 1,
                "outcome": "answered",
                "disposition": None,
                "disposition_by": None,
                "callback_at": None,
                "next_attempt_at": None,
                "last_call_id": str(call.pk),
                "external_id": None,
                "timezone": None,
                "alternative_numbers": [],
                "priority": 0,
            },
            {
                "id": str(second.pk),
                "row_number": 7,
                "phone_number": "+12025550007",
                "variables": {"first_name": "Ada"},
                "status": "retrying",
                "reason": "busy",
                "attempts": 1,
                "outcome": "busy",
                "disposition": None,
                "disposition_by": None,
                "callback_at": None,
                "next_attempt_at": later.isoformat().replace("+00:00", "Z"),
                "last_call_id": None,
                "external_id": None,
                "timezone": None,
                "alternative_numbers": [],
                "priority": 0,
            },
        ],
        "total": 2,
        "page": 1,
        "page_size": 50,
        "total_pages": 1,
    }


def test_attempt_that_was_never_sent_is_not_a_call(ours: Workspace) -> None:
    recipient = make.recipient(make.batch(ours), status="pending", attempts=1)
    sent = called(recipient, sequence=1)
    called(recipient, sequence=2, dialed_at=None, answered_at=None, outcome="cancelled")

    body = make.client(ours).get(f"/batches/{recipient.batch_id}/recipients").json()

    assert body["items"][0]["last_call_id"] == str(sent.pk)


def test_recipients_can_be_filtered_by_status(ours: Workspace) -> None:
    batch = make.batch(ours)
    make.recipient(batch)
    skipped = make.recipient(batch, status="skipped", reason="duplicate", due_at=None)
    client = make.client(ours)

    found = client.get(f"/batches/{batch.pk}/recipients?status=skipped").json()
    unknown = client.get(f"/batches/{batch.pk}/recipients?status=lost")

    assert [item["id"] for item in found["items"]] == [str(skipped.pk)]
    assert unknown.status_code == 422
    assert unknown.json()["detail"][0]["loc"] == ["query", "status"]


@pytest.mark.parametrize("rows", [1, 3])
def test_query_count_of_recipient_list_is_constant(
    ours: Workspace, rows: int, django_assert_num_queries: Any
) -> None:
    batch = make.batch(ours)
    for _ in range(rows):
        called(make.recipient(batch))
    client = make.client(ours)
    client.get("/batches")  # the key's first use is recorded

    with django_assert_num_queries(3):  # key, batch, page with its total
        body = client.get(f"/batches/{batch.pk}/recipients").json()

    assert body["total"] == rows


def test_rejected_rows_are_listed_with_their_cells(ours: Workspace) -> None:
    batch = make.batch(ours)
    make.rejected_row(batch)

    body = make.client(ours, Role.MEMBER).get(f"/batches/{batch.pk}/rejected").json()

    assert body["items"] == [
        {
            "row_number": 18,
            "error_code": "invalid_number",
            "error_message": "Not a number",
            "values": {"phone": "12345", "first_name": ""},
        }
    ]


def test_results_start_with_the_uploaded_columns(ours: Workspace) -> None:
    batch = make.batch(ours)
    call = called(
        make.recipient(
            batch,
            phone_number="+12025550002",
            status="completed",
            attempts=1,
            outcome="answered",
            due_at=None,
        )
    )
    make.recipient(
        batch, status="skipped", reason="suppressed", due_at=None, values=["+1 202 555 0003"]
    )

    response = make.client(ours, Role.MEMBER).get(f"/batches/{batch.pk}/results.csv")

    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert response.headers["Content-Disposition"] == 'attachment; filename="results.csv"'
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert read(response).splitlines() == [
        f"phone,first_name,{HEADER}",
        f"+12025550002,Ada,completed,answered,,1,200,2026-03-02T14:00:00.000Z,20.5,{call.pk}",
        "+1 202 555 0003,,skipped,,suppressed,0,,,,",
    ]


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("=1+1", "'=1+1"),
        ("+1-1", "'+1-1"),
        ("-1+1", "'-1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("+12025550186", "+12025550186"),
        ("plain = text", "plain = text"),
        ("", ""),
    ],
)
def test_formulas_are_escaped(cell: str, written: str) -> None:
    assert escape_formula(cell) == written


def test_results_of_many_recipients_need_few_queries(
    ours: Workspace, django_assert_num_queries: Any
) -> None:
    batch = make.batch(ours)
    recipients = [
        Recipient(
            workspace=ours,
            batch=batch,
            row_number=row,
            phone_number=f"+1202{row:07}",
            values=["", ""],
        )
        for row in range(2, 2002)
    ]
    Recipient.unscoped.bulk_create(recipients)

    with django_assert_num_queries(7):  # three chunks of recipients and calls, and the end
        lines = b"".join(encode_csv(result_rows(batch))).decode().splitlines()

    assert len(lines) == 2001


def test_results_can_be_downloaded_as_workbook(ours: Workspace) -> None:
    batch = make.batch(
        ours, columns=["phone", "näme\x07", "age"], variable_names=[None, "näme", "age"]
    )
    call = called(
        make.recipient(
            batch,
            values=["+12025550002", "=<&>\n ", 36],
            status="completed",
            attempts=1,
            due_at=None,
        )
    )

    response: Any = make.client(ours).get(f"/batches/{batch.pk}/results.xlsx")

    book: Any = openpyxl.load_workbook(io.BytesIO(b"".join(response.streaming_content)))
    rows = list(book.active.values)
    assert rows[0] == ("phone", "näme", "age", *HEADER.split(","))
    assert rows[1] == (
        *("+12025550002", "'=<&>\n ", 36),
        *("completed", None, None, 1, 200, "2026-03-02T14:00:00.000Z", 20.5, str(call.pk)),
    )
    assert response.headers["Content-Disposition"] == 'attachment; filename="results.xlsx"'


def test_recipient_in_review_can_be_released(ours: Workspace) -> None:
    batch = make.batch(
        ours, status=Batch.Status.COMPLETED, ended_at=timezone.now(), started_at=timezone.now()
    )
    recipient = make.recipient(
        batch, status="review", outcome="unknown", reason="in_doubt", due_at=None
    )
    client = make.client(ours, Role.MANAGER)

    response = client.post(
        f"/batches/{batch.pk}/recipients/{recipient.pk}/release", {"reason": "no ring heard"}
    )
    again = client.post(f"/batches/{batch.pk}/recipients/{recipient.pk}/release")

    body = response.json()
    assert response.status_code == 200
    assert (body["status"], body["reason"], body["outcome"]) == ("pending", "no ring heard", None)
    assert (again.status_code, again.json()) == (400, {"detail": "Recipient is not in review"})
    batch.refresh_from_db()
    assert (batch.status, batch.ended_at) == ("running", None)
    assert AuditEntry.unscoped.get(action="recipient.released").changes == {
        "reason": "no ring heard"
    }


def test_recipient_in_review_can_be_closed(ours: Workspace) -> None:
    recipient = make.recipient(
        make.batch(ours, status="running"), status="review", outcome="unknown", due_at=None
    )

    response = make.client(ours).post(
        f"/batches/{recipient.batch_id}/recipients/{recipient.pk}/close"
    )

    body = response.json()
    assert (response.status_code, body["status"], body["reason"], body["outcome"]) == (
        200,
        "failed",
        "closed",
        "unknown",
    )


def test_recipient_of_another_batch_is_not_found(ours: Workspace) -> None:
    batch, stranger = make.batch(ours), make.recipient(make.batch(ours), status="review")

    response = make.client(ours).post(f"/batches/{batch.pk}/recipients/{stranger.pk}/close")

    assert (response.status_code, response.json()) == (404, {"detail": "Recipient not found"})


def test_cells_beyond_the_header_follow_the_reason(ours: Workspace) -> None:
    batch = make.batch(ours)
    make.rejected_row(batch, error_code="too_many_columns", values=["12345", "Ada", "more"])

    rows = list(rejected_rows(batch))

    assert rows[1] == ["12345", "Ada", 18, "too_many_columns", "Not a number", "more"]


def test_recipients_are_walked_in_the_order_of_their_list(ours: Workspace) -> None:
    batch = make.batch(ours)
    people = [make.recipient(batch) for _ in range(3)]
    client = make.client(ours)
    path = f"/batches/{batch.pk}/recipients"

    def rows(query: dict[str, Any]) -> list[int]:
        page = client.get(path, query).json()
        assert (page["page"], page["total"]) == (None, 3)
        return [item["row_number"] for item in page["items"]]

    assert rows({"after_id": UUID(int=0), "page_size": 2}) == [2, 3]
    assert rows({"after_id": people[1].pk}) == [4]
    assert rows({"before_id": people[2].pk}) == [3, 2]


def test_walk_of_recipients_refuses_the_id_of_another_batch(ours: Workspace) -> None:
    batch = make.batch(ours)
    stranger = make.recipient(make.batch(ours))

    response = make.client(ours).get(
        f"/batches/{batch.pk}/recipients", {"after_id": str(stranger.pk)}
    )

    assert response.status_code == 422
    (detail,) = response.json()["detail"]
    assert detail["loc"] == ["query", "after_id"]
    assert detail["msg"] == "no recipient of this batch has this id"
