from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from accounts.models import AuditEntry, Workspace
from accounts.roles import Role
from batches.domain.suppressed_numbers import find_suppressed
from batches.models import Suppression
from batches.services.suppressions import NewSuppression, merge_suppressions
from tests import make

NOW = "2026-11-23T12:00:00Z"
INSTANT = datetime(2026, 11, 23, 12, tzinfo=UTC)
ADA, BOB, CAT = "+12025550100", "+12025550101", "+12025550102"


def send_list(of: Workspace, content: str | bytes, **fields: str) -> Any:
    body = content.encode() if isinstance(content, str) else content
    file = SimpleUploadedFile("numbers.csv", body)
    return make.client(of, Role.MANAGER).post(
        "/suppressions/import", {"file": file, **fields}, format="multipart"
    )


@time_machine.travel(NOW, tick=False)
def test_number_is_suppressed_in_any_spelling(ours: Workspace) -> None:
    body = {
        "phone_number": "+1 (202) 555-0100",
        "reason": "asked",
        "proof": "letter 7",
        "expires_at": "2027-01-01",
    }

    response = make.client(ours, Role.MANAGER).post("/suppressions", body)

    row = ours.suppressions.get()
    assert response.status_code == 201
    assert response.json() == {
        "id": str(row.pk),
        "phone_number": ADA,
        "reason": "asked",
        "source": "manual",
        "proof": "letter 7",
        "expires_at": "2027-01-01T00:00:00Z",
        "created_at": NOW,
    }


@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        (
            {},
            422,
            [
                {
                    "loc": ["body", "phone_number"],
                    "msg": "field required",
                    "type": "value_error.missing",
                }
            ],
        ),
        ({"phone_number": "12"}, 400, "Invalid phone number"),
        ({"phone_number": ADA}, 409, "Phone number already suppressed"),
        (
            {"phone_number": BOB, "expires_at": "2020-01-01T00:00:00Z"},
            400,
            "expires_at lies in the past",
        ),
    ],
)
def test_invalid_suppression_is_refused_with_reason(
    ours: Workspace, body: dict[str, str], status: int, detail: Any
) -> None:
    make.suppression(ours, phone_number=ADA)

    response = make.client(ours).post("/suppressions", body)

    assert (response.status_code, response.json()) == (status, {"detail": detail})
    assert ours.suppressions.count() == 1


def test_expired_suppression_can_be_replaced(ours: Workspace) -> None:
    make.suppression(ours, phone_number=ADA, expires_at=timezone.now() - timedelta(days=1))

    response = make.client(ours).post("/suppressions", {"phone_number": ADA})

    assert response.status_code == 201
    assert ours.suppressions.get().expires_at is None


def test_two_workspaces_can_suppress_the_same_number(ours: Workspace, theirs: Workspace) -> None:
    make.suppression(theirs, phone_number=ADA)

    response = make.client(ours).post("/suppressions", {"phone_number": ADA})

    assert response.status_code == 201
    assert find_suppressed(ours.pk, [ADA, BOB]) == {ADA}


def test_lifting_a_suppression_is_audited(ours: Workspace) -> None:
    row = make.suppression(ours, phone_number=ADA)
    client = make.client(ours, Role.MANAGER)

    answers = [client.delete(f"/suppressions/{row.pk}") for _ in range(2)]

    entry = AuditEntry.unscoped.get(action="suppression.lifted")
    assert [(a.status_code, a.json()) for a in answers] == [
        (200, {"detail": "Deleted"}),
        (404, {"detail": "Suppression not found"}),
    ]
    assert (entry.object_id, entry.changes) == (
        str(row.pk),
        {"phone_number": "+1202•••••00", "source": "manual"},
    )


def test_members_may_only_read_suppressions(ours: Workspace) -> None:
    row = make.suppression(ours)
    client = make.client(ours, Role.MEMBER)

    answers = [
        client.post("/suppressions", {}),
        client.post("/suppressions/import", {}),
        client.delete(f"/suppressions/{row.pk}"),
    ]

    assert {(a.status_code, a.json()["detail"]) for a in answers} == {
        (403, "Insufficient permissions")
    }
    assert [item["id"] for item in client.get("/suppressions").json()["items"]] == [str(row.pk)]


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("", [CAT, BOB, ADA]),
        ("sort=phone_number", [ADA, BOB, CAT]),
        ("search=0101", [BOB]),
        ("search=%2B1 (202) 555-0101", [BOB]),
        ("search=202.555.01%E2%81%A901", [BOB]),  # with a character that nobody sees
        ("search=x", []),
        ("source=opt_out", [CAT]),
        ("active=true", [CAT, ADA]),
        ("active=false", [BOB]),
    ],
)
def test_suppressions_can_be_filtered(ours: Workspace, query: str, numbers: list[str]) -> None:
    make.suppression(ours, phone_number=ADA)
    make.suppression(ours, phone_number=BOB, expires_at=timezone.now() - timedelta(seconds=1))
    make.suppression(ours, phone_number=CAT, source="opt_out")

    body = make.client(ours).get(f"/suppressions?{query}").json()

    assert [item["phone_number"] for item in body["items"]] == numbers


@pytest.mark.parametrize("rows", [1, 3])
def test_query_count_of_suppression_list_is_constant(
    ours: Workspace, rows: int, django_assert_num_queries: Any
) -> None:
    for _ in range(rows):
        make.suppression(ours)
    client = make.client(ours)
    client.get("/suppressions")

    with django_assert_num_queries(2):  # key, page with its total
        body = client.get("/suppressions").json()

    assert body["total"] == rows


@time_machine.travel(NOW, tick=False)
def test_import_counts_added_numbers_and_lists_rejected_rows(ours: Workspace) -> None:
    make.suppression(ours, phone_number=ADA, reason="first")
    lines = [
        "Phone,Reason,Expires_At",
        f"{ADA},again,",
        "202-555-0101,moved,2027-01-01",
        f"{BOB},,",
        "12345,,",
    ]

    response = send_list(
        ours, "\n".join([*lines, f"{CAT},,soon", f"{CAT},,2020-01-01", ""]), default_country="us"
    )

    damaged = {"Phone": CAT, "Reason": ""}
    assert response.status_code == 200
    body = response.json()
    assert body.pop("rejected")[1:] == [
        {
            "row_number": 6,
            "error_code": "invalid_expiry",
            "error_message": "The expiry is not a date such as 2027-01-31",
            "values": {**damaged, "Expires_At": "soon"},
        },
        {
            "row_number": 7,
            "error_code": "invalid_expiry",
            "error_message": "The expiry lies in the past",
            "values": {**damaged, "Expires_At": "2020-01-01"},
        },
    ]
    assert body == {"added": 1, "already": 2, "rejected_count": 3}
    assert list(
        ours.suppressions.order_by("phone_number").values_list("phone_number", "reason", "source")
    ) == [
        (ADA, "first", "manual"),
        (BOB, "", "import"),
    ]


@pytest.mark.parametrize(
    "content", [f"{ADA}\n{BOB}\n", f"\ufeff{ADA};left\r\n{BOB};\r\n", f'"{ADA}","left"\n{BOB}']
)
def test_file_of_bare_numbers_needs_no_header(ours: Workspace, content: str) -> None:
    response = send_list(ours, content, reason="list of May")

    assert (response.status_code, response.json()) == (
        200,
        {"added": 2, "already": 0, "rejected_count": 0, "rejected": []},
    )
    assert ours.suppressions.get(phone_number=BOB).reason == "list of May"


def test_rows_of_a_file_without_header_count_from_one(ours: Workspace) -> None:
    response = send_list(ours, f"{ADA}\nnonsense\n")

    assert [refused["row_number"] for refused in response.json()["rejected"]] == [2]


@pytest.mark.parametrize("content", [b"", b"name,city\nAda,London\n", b"PK\x03\x04 no workbook"])
def test_unreadable_file_is_refused(ours: Workspace, content: bytes) -> None:
    response = send_list(ours, content)

    assert response.status_code == 400
    assert isinstance(response.json()["detail"], str)
    assert not ours.suppressions.exists()


@pytest.mark.parametrize("form", ["multipart", "json"])
def test_import_without_a_file_is_invalid(ours: Workspace, form: str) -> None:
    response = make.client(ours).post("/suppressions/import", {}, format=form)

    missing = {"loc": ["body", "file"], "msg": "field required", "type": "value_error.missing"}
    assert (response.status_code, response.json()) == (422, {"detail": [missing]})


def test_import_never_shortens_a_suppression(ours: Workspace) -> None:
    soon, later = INSTANT + timedelta(days=1), INSTANT + timedelta(days=9)
    make.suppression(ours, phone_number=ADA)
    make.suppression(ours, phone_number=BOB, expires_at=soon)
    make.suppression(ours, phone_number=CAT, expires_at=INSTANT)
    rows = [NewSuppression(number, "list", later) for number in (ADA, BOB, CAT)]

    added = merge_suppressions(ours, rows, INSTANT)

    assert added == 1
    assert list(
        ours.suppressions.order_by("phone_number").values_list("phone_number", "expires_at")
    ) == [
        (ADA, None),
        (BOB, later),
        (CAT, later),
    ]


def test_more_numbers_than_one_statement_allows_are_checked(ours: Workspace) -> None:
    numbers = [f"+1202{n:07}" for n in range(12_000)]
    Suppression.unscoped.bulk_create(
        [Suppression(workspace=ours, phone_number=number, source="import") for number in numbers]
    )

    found = find_suppressed(ours.pk, [*numbers, "+4989123456"])

    assert found == set(numbers)
