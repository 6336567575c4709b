"""Ranges of days under a name, and who gets them each Monday."""

from datetime import UTC, datetime

import pytest

from accounts.models import AuditEntry, Workspace
from accounts.roles import Role
from batches.services.saved_reports import MAX_SAVED_REPORTS, next_monday
from tests import make

WEEK = {"name": "The week", "days": 7}
MARCH = {"name": "March", "first_day": "2027-03-01", "last_day": "2027-03-31"}


def test_report_is_saved_subscribed_to_and_deleted(ours: Workspace) -> None:
    user = make.member(ours, Role.MANAGER)
    client, colleague = make.bearer(user), make.client(ours, Role.MEMBER)

    saved = client.post("/saved-reports", WEEK, format="json")
    path = f"/saved-reports/{saved.json()['id']}"
    subscribed = [client.post(f"{path}/subscribe").json() for _ in range(2)]
    theirs = make.bearer(make.member(ours)).get("/saved-reports").json()["items"]
    of_a_key = colleague.get("/saved-reports").json()["items"]
    mine = client.get("/saved-reports").json()["items"]
    ended = client.post(f"{path}/unsubscribe")
    deleted = client.delete(path)

    row = saved.json()
    assert saved.status_code == 201
    assert row == {
        "id": row["id"],
        **WEEK,
        "first_day": None,
        "last_day": None,
        "weekly_mail": False,
        "created_at": row["created_at"],
    }
    assert subscribed == [{**row, "weekly_mail": True}] * 2
    assert theirs == of_a_key == [row]
    assert mine == [{**row, "weekly_mail": True}]
    assert (ended.status_code, ended.json()) == (200, row)
    assert (deleted.status_code, deleted.json()) == (200, {"detail": "Deleted"})
    actions = AuditEntry.unscoped.filter(workspace=ours).order_by("pk")
    assert list(actions.values_list("action", flat=True)) == [
        "saved_report.created",
        "saved_report.subscribed",
        "saved_report.unsubscribed",
        "saved_report.deleted",
    ]


def test_mail_is_in_the_language_that_was_asked_for_last(ours: Workspace) -> None:
    client = make.bearer(make.member(ours))
    report = make.saved_report(ours)
    path = f"/saved-reports/{report.pk}/subscribe"

    languages: list[str] = []
    for body in ({}, {"language": "fr"}):
        client.post(path, body, format="json")
        languages += report.subscriptions.values_list("language", flat=True)
    refused = client.post(path, {"language": "xx"}, format="json")

    assert languages == ["en", "fr"]
    assert (refused.status_code, refused.json()["detail"][0]["loc"]) == (422, ["body", "language"])


def test_report_may_be_of_fixed_days_but_not_by_mail(ours: Workspace) -> None:
    client = make.bearer(make.member(ours))

    saved = client.post("/saved-reports", MARCH, format="json")
    refused = client.post(f"/saved-reports/{saved.json()['id']}/subscribe")

    assert {name: saved.json()[name] for name in MARCH} == MARCH
    assert (refused.status_code, refused.json()) == (
        400,
        {"detail": "A weekly e-mail needs a number of days, not fixed ones"},
    )


@pytest.mark.parametrize(
    ("days", "field", "words"),
    [
        ({}, "days", "give either days, or first_day and last_day"),
        ({"days": 7, "last_day": "2027-03-31"}, "days", "give either days"),
        ({"first_day": "2027-03-01"}, "days", "give either days"),
        ({"days": 367}, "days", "less than or equal to 366"),
        ({"first_day": "1 March", "last_day": "2027-03-31"}, "first_day", "a date is expected"),
        (
            {"first_day": "2027-03-02", "last_day": "2027-03-01"},
            "last_day",
            "the last day must not be before the first one",
        ),
    ],
)
def test_days_that_are_no_range_are_refused_at_their_field(
    days: dict[str, object], field: str, words: str, ours: Workspace
) -> None:
    answer = make.client(ours).post("/saved-reports", {"name": "x", **days}, format="json")

    (error,) = answer.json()["detail"]
    assert answer.status_code == 422
    assert error["loc"] == ["body", field]
    assert words in error["msg"]


def test_names_are_unique_and_reports_limited(
    ours: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = make.client(ours)
    client.post("/saved-reports", WEEK, format="json")

    again = client.post("/saved-reports", WEEK, format="json")
    monkeypatch.setattr("batches.services.saved_reports.MAX_SAVED_REPORTS", 1)
    beyond = client.post("/saved-reports", {**WEEK, "name": "Another"}, format="json")

    assert (again.status_code, again.json()) == (409, {"detail": "Saved report already exists"})
    assert (beyond.status_code, beyond.json()) == (
        400,
        {"detail": "A workspace keeps at most 1 reports"},
    )
    assert MAX_SAVED_REPORTS == 50


def test_key_gets_no_mail(ours: Workspace) -> None:
    report = make.saved_report(ours)

    answer = make.client(ours, Role.ADMIN).post(f"/saved-reports/{report.pk}/subscribe")

    assert (answer.status_code, answer.json()) == (403, {"detail": "Insufficient permissions"})


@pytest.mark.parametrize(
    ("now", "zone", "due"),
    [
        ("2027-03-01T06:59Z", "UTC", "2027-03-01T07:00Z"),  # a Monday
        ("2027-03-01T07:00Z", "UTC", "2027-03-08T07:00Z"),
        ("2027-03-07T23:00Z", "Asia/Tokyo", "2027-03-14T22:00Z"),  # there, it is Monday at eight
        ("2027-03-27T12:00Z", "Europe/Berlin", "2027-03-29T05:00Z"),  # summer begins on Sunday
    ],
)
def test_mail_is_due_on_monday_at_seven_of_the_workspace(now: str, zone: str, due: str) -> None:
    workspace = Workspace(timezone=zone)

    found = next_monday(datetime.fromisoformat(now), workspace)

    assert found.astimezone(UTC) == datetime.fromisoformat(due)
