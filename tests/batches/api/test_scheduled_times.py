"""`scheduled_at` with and without an offset, in a new batch, a preview and a change."""

from typing import Any

import pytest

from accounts.models import Workspace
from tests import make
from tests.batches.api.bodies import order

NEW_YORK = {
    "days": [1, 2, 3, 4, 5],
    "start": "09:00",
    "end": "18:00",
    "timezone": "America/New_York",
}
RECIPIENTS = [{"phone_number": "+12025550186"}]


def scheduled(of: Workspace, at: str, **fields: Any) -> Any:
    body = order(
        make.agent(of),
        make.phone_number(of),
        recipients=RECIPIENTS,
        start="scheduled",
        scheduled_at=at,
        **fields,
    )
    return make.client(of).post("/batches", body)


def refusal(message: str, kind: str = "value_error") -> dict[str, Any]:
    return {"detail": [{"loc": ["body", "scheduled_at"], "msg": message, "type": kind}]}


@pytest.mark.parametrize(
    ("zone", "at", "instant"),
    [
        ("UTC", "2027-03-01T09:00:00", "2027-03-01T09:00:00Z"),
        ("Europe/Berlin", "2027-03-01T09:00:00", "2027-03-01T08:00:00Z"),
        ("Europe/Berlin", "2027-07-01T09:00", "2027-07-01T07:00:00Z"),
        ("Europe/Berlin", "2027-03-01T09:00:00Z", "2027-03-01T09:00:00Z"),
        ("Europe/Berlin", "2027-03-01T09:00:00-05:00", "2027-03-01T14:00:00Z"),
        ("Europe/Berlin", " 2027-03-01T09:00:00Z ", "2027-03-01T09:00:00Z"),
        ("Europe/Berlin", "2027-03-01t09:00:00z", "2027-03-01T09:00:00Z"),
        ("America/New_York", "2027-11-07T01:30:00", "2027-11-07T05:30:00Z"),
    ],
)
def test_time_without_an_offset_is_in_the_zone_of_the_workspace(
    ours: Workspace, zone: str, at: str, instant: str
) -> None:
    Workspace.unscoped.filter(pk=ours.pk).update(timezone=zone)
    batch = make.batch(ours)

    created = scheduled(ours, at)
    changed = make.client(ours).patch(
        f"/batches/{batch.pk}", {"start": "scheduled", "scheduled_at": at}
    )

    assert (created.status_code, created.json()["scheduled_at"]) == (201, instant)
    assert (changed.status_code, changed.json()["scheduled_at"]) == (200, instant)


@pytest.mark.parametrize(
    ("at", "response"),
    [
        (
            "2027-03-01",
            refusal("a time of day is missing, expected for example 2027-03-01T09:00:00Z"),
        ),
        (
            "2027-03-01 ",
            refusal("a time of day is missing, expected for example 2027-03-01T09:00:00Z"),
        ),
        ("tomorrow", refusal("invalid datetime format", "value_error.datetime")),
        ("2027-02-30T09:00:00", refusal("invalid datetime format", "value_error.datetime")),
        (
            "2027-03-14T02:30:00",
            refusal("clocks in America/New_York skip this time on that day"),
        ),
        ("2099-12-31T23:59:59", refusal("expected a time within the next ten years")),
    ],
)
def test_time_that_does_not_say_when_is_refused(
    ours: Workspace, at: str, response: dict[str, Any]
) -> None:
    Workspace.unscoped.filter(pk=ours.pk).update(timezone="America/New_York")
    batch = make.batch(ours)

    created = scheduled(ours, at)
    changed = make.client(ours).patch(f"/batches/{batch.pk}", {"scheduled_at": at})

    assert (created.status_code, created.json()) == (422, response)
    assert (changed.status_code, changed.json()) == (422, response)


def test_window_in_another_zone_than_the_default_one_asks_for_an_offset(ours: Workspace) -> None:
    asks = refusal(
        "give an offset, for example 2027-03-01T09:00:00Z: the calling window is in "
        "America/New_York, and the workspace's time zone is UTC"
    )
    batch = make.batch(ours, calling_window=NEW_YORK)

    created = scheduled(ours, "2027-03-01T09:00:00", calling_window=NEW_YORK)
    changed = make.client(ours).patch(
        f"/batches/{batch.pk}", {"scheduled_at": "2027-03-01T09:00:00"}
    )
    exact = scheduled(ours, "2027-03-01T09:00:00Z", calling_window=NEW_YORK)

    assert (created.status_code, created.json()) == (422, asks)
    assert (changed.status_code, changed.json()) == (422, asks)
    assert (exact.status_code, exact.json()["scheduled_at"]) == (201, "2027-03-01T09:00:00Z")
