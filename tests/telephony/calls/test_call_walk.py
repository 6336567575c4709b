"""Lists of calls and events walked by id, and bounded by the moment a call started."""

import csv
import io
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from openpyxl import load_workbook
from pytest_django import DjangoAssertNumQueries

from accounts.models import AuditEntry, Workspace
from accounts.roles import Role
from accounts.services import list_export
from telephony.models import Call, Stage
from tests import make
from tests.telephony.calls.samples import NOON

NIL = str(uuid.UUID(int=0))


def walk(of: Workspace, path: str, name: str, start: Any, *, arrive: Any = None) -> list[str]:
    """Read the list two rows at a time; `arrive` is called between the readings."""
    client = make.client(of, Role.MEMBER)
    seen: list[str] = []
    for _ in range(20):
        response = client.get(f"{path}?{name}={start}&page_size=2")
        assert response.status_code == 200, response.json()
        page = response.json()
        assert page["page"] is None
        if not page["items"]:
            return seen
        seen += [item["id"] for item in page["items"]]
        start = seen[-1]
        if arrive:
            arrive()
    raise AssertionError("the walk does not end")


def ids(calls: list[Call]) -> list[str]:
    return [str(call.pk) for call in calls]


def test_walk_forward_meets_every_call_once_while_calls_arrive(ours: Workspace) -> None:
    calls = [make.call(ours) for _ in range(3)]
    arriving = iter(range(2))

    def arrive() -> None:
        if next(arriving, None) is not None:
            calls.append(make.call(ours))

    assert walk(ours, "/calls", "after_id", NIL, arrive=arrive) == ids(calls)


def test_walk_backward_is_not_moved_by_calls_that_arrive(ours: Workspace) -> None:
    calls = [make.call(ours) for _ in range(5)]
    before = calls.pop()

    seen = walk(ours, "/calls", "before_id", before.pk, arrive=lambda: make.call(ours))

    assert seen == ids(calls)[::-1]


def test_walk_keeps_filters_and_total(ours: Workspace, theirs: Workspace) -> None:
    kept = [make.call(ours, to_number="+12025550111") for _ in range(2)]
    make.call(ours)
    make.call(theirs, to_number="+12025550111")

    query = f"to=%2B12025550111&after_id={NIL}&page_size=1"
    page = make.client(ours).get(f"/calls?{query}").json()

    assert [item["id"] for item in page["items"]] == ids(kept)[:1]
    assert {name: page[name] for name in ("total", "page", "page_size", "total_pages")} == {
        "total": 2,
        "page": None,
        "page_size": 1,
        "total_pages": 2,
    }


def test_empty_page_at_the_end_of_a_walk_has_the_true_total(ours: Workspace) -> None:
    kept = [make.call(ours, to_number="+12025550111") for _ in range(3)]
    make.call(ours)
    batch = make.batch(ours)
    people = [make.recipient(batch) for _ in range(2)]
    client = make.client(ours)

    ends = [
        client.get(f"{path}={pk}&page_size=2").json()
        for path, pk in [
            ("/calls?to=%2B12025550111&after_id", kept[-1].pk),
            ("/calls?to=%2B12025550111&before_id", kept[0].pk),
            (f"/batches/{batch.pk}/recipients?status=pending&after_id", people[-1].pk),
        ]
    ]

    end: dict[str, Any] = {"items": [], "page": None, "page_size": 2}
    assert ends == [
        {**end, "total": 3, "total_pages": 2},
        {**end, "total": 3, "total_pages": 2},
        {**end, "total": 2, "total_pages": 1},
    ]


def test_walk_forward_waits_for_an_attempt_that_is_about_to_be_dialled(ours: Workspace) -> None:
    batch = make.batch(ours)
    attempt = make.call(ours, batch_id=batch.pk)  # listed once it is dialled
    later = make.call(ours)

    assert walk(ours, "/calls", "after_id", NIL) == []

    Call.unscoped.filter(pk=attempt.pk).update(
        dialed_at=timezone.now(), ended_at=timezone.now(), stage=Stage.ENDED
    )
    assert walk(ours, "/calls", "after_id", NIL) == ids([attempt, later])


@pytest.mark.parametrize(
    ("query", "name", "problem"),
    [
        ({"after_id": NIL, "before_id": NIL}, "before_id", "cannot be combined with after_id"),
        ({"after_id": NIL, "page": 2}, "page", "cannot be combined with after_id or before_id"),
        (
            {"before_id": NIL, "sort": "created_at"},
            "sort",
            "cannot be combined with after_id or before_id",
        ),
        ({"after_id": "x"}, "after_id", "value is not a valid uuid"),
    ],
)
def test_walk_refuses_what_it_cannot_be_combined_with(
    ours: Workspace, query: dict[str, Any], name: str, problem: str
) -> None:
    response = make.client(ours).get("/calls", query)

    assert response.status_code == 422
    (detail,) = response.json()["detail"]
    assert (detail["loc"], detail["msg"]) == (["query", name], problem)


@pytest.mark.parametrize("rows", [1, 3])
def test_walk_forward_takes_five_queries(
    ours: Workspace, rows: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(rows):
        make.call(ours)
    client = make.client(ours)

    with django_assert_num_queries(5):
        client.get("/calls", {"after_id": NIL})


def test_events_are_walked_in_the_order_of_their_arrival(ours: Workspace) -> None:
    call = make.call(ours)
    events = [
        call.events.create(workspace=ours, type="note", text="Note", at=NOON - timedelta(minutes=n))
        for n in range(3)
    ]

    seen = walk(ours, f"/calls/{call.pk}/events", "after_id", NIL)

    assert seen == [str(event.pk) for event in events]


def test_started_is_when_an_attempt_was_dialled_and_when_any_other_call_was_placed(
    ours: Workspace,
) -> None:
    instant = timezone.now()
    batch = make.batch(ours)
    before = make.call(ours, batch_id=batch.pk, dialed_at=instant - timedelta(seconds=1))
    after = make.call(ours, batch_id=batch.pk, dialed_at=instant + timedelta(seconds=1))
    single = make.call(ours, dialed_at=None)
    Call.unscoped.update(created_at=instant - timedelta(seconds=2))

    client = make.client(ours)
    bound = instant.isoformat()
    earlier = client.get("/calls", {"started_before": bound, "sort": "created_at"}).json()
    later = client.get("/calls", {"started_after": bound}).json()

    assert sorted(item["id"] for item in earlier["items"]) == sorted(ids([before, single]))
    assert [item["id"] for item in later["items"]] == ids([after])


def test_calls_are_exported_as_csv_with_the_filters_of_the_list(
    ours: Workspace, theirs: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(list_export, "CHUNK_ROWS", 2)
    found = [make.call(ours, variables={"note": "=1+1"}, outcome="busy") for _ in range(5)]
    make.call(ours)
    make.call(theirs, outcome="busy")
    client = make.client(ours, Role.MEMBER)

    response: Any = client.get("/calls/export.csv?outcome=busy")
    rows = list(csv.DictReader(io.StringIO(b"".join(response.streaming_content).decode())))

    listed = client.get("/calls?outcome=busy").json()["items"]
    assert response["Content-Disposition"] == 'attachment; filename="calls.csv"'
    assert [row["id"] for row in rows] == ids(found)[::-1]
    assert list(rows[0]) == list(listed[0])
    assert (rows[0]["to"], rows[0]["outcome"], rows[0]["variables"], rows[0]["ended_at"]) == (
        "+12025550186",
        "busy",
        '{"note":"=1+1"}',
        "",
    )
    (entry,) = AuditEntry.unscoped.filter(action="calls.exported")
    assert entry.changes == {"filters": ["outcome"]}


def test_calls_are_exported_as_a_workbook(ours: Workspace) -> None:
    found = [make.call(ours, outcome="busy") for _ in range(3)]
    make.call(ours)
    client = make.client(ours, Role.MEMBER)

    response: Any = client.get("/calls/export.xlsx?outcome=busy")
    book = load_workbook(io.BytesIO(b"".join(response.streaming_content)))

    header, *rows = book.worksheets[0].iter_rows(values_only=True)
    assert response["Content-Disposition"] == 'attachment; filename="calls.xlsx"'
    assert list(header) == list(client.get("/calls").json()["items"][0])
    assert [row[0] for row in rows] == ids(found)[::-1]
    assert AuditEntry.unscoped.get(action="calls.exported").changes == {"filters": ["outcome"]}


def test_export_validates_its_filters(ours: Workspace) -> None:
    response = make.client(ours).get("/calls/export.csv?outcome=nice")

    assert (response.status_code, response.json()["detail"][0]["loc"]) == (
        422,
        ["query", "outcome"],
    )
