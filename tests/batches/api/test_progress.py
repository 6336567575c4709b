import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.auth.principal import Principal, is_still_valid
from accounts.models import ApiKey, Membership, Session, User, Workspace
from accounts.roles import Role
from batches.models import Batch, Recipient
from batches.reporting import progress
from batches.reporting.progress import progress_of
from batches.views import progress as progress_stream
from tests import make
from tests.batches.api.test_batches import COUNTS

NOW = datetime(2026, 3, 2, 14, 0, tzinfo=UTC)


def running(of: Workspace, **fields: Any) -> Batch:
    return make.batch(
        of, status=Batch.Status.RUNNING, started_at=NOW - timedelta(seconds=100), **fields
    )


def test_progress_contains_counts_rates_and_estimated_end(ours: Workspace) -> None:
    batch = running(ours, rejected_count=2)
    for outcome, status in (
        ("answered", "completed"),
        ("answered", "completed"),
        ("busy", "failed"),
        ("voicemail", "completed"),
    ):
        make.recipient(batch, status=status, outcome=outcome, due_at=None)
    make.recipient(batch, status="retrying", outcome="busy", due_at=NOW)
    make.recipient(batch, status="pending", due_at=NOW)

    result = progress_of(batch, now=NOW)

    assert result == {
        "status": "running",
        "counts": COUNTS
        | {"total": 6, "pending": 1, "retrying": 1, "completed": 3, "failed": 1, "rejected": 2},
        "calls_per_second": 0.0,
        "answer_rate": 0.5,
        "outcomes": {"answered": 2, "busy": 1, "voicemail": 1},
        "estimated_end_at": NOW + timedelta(seconds=2),
        "elapsed_seconds": 100.0,
        "cost": {"amount": 0.0, "currency": "USD"},
    }


def test_calls_per_second_cover_the_last_ten_seconds(ours: Workspace, monkeypatch: Any) -> None:
    batch = running(ours)
    monkeypatch.setattr(
        progress, "lowest_call_id", lambda since: "00000000-0000-0000-0000-000000000000"
    )
    for ago in (1, 2, 3, 9, 11, 50):
        make.call(ours, batch_id=batch.pk, dialed_at=NOW - timedelta(seconds=ago))

    result = progress_of(batch, now=NOW)

    assert result["calls_per_second"] == 0.4


def test_recent_call_is_above_the_lowest_id(ours: Workspace) -> None:
    call = make.call(ours)

    assert progress.lowest_call_id(call.created_at - timedelta(seconds=10)) < call.pk
    assert progress.lowest_call_id(call.created_at + timedelta(minutes=10)) > call.pk


def test_estimated_end_is_not_before_the_last_retry(ours: Workspace) -> None:
    batch = running(ours)
    make.recipient(batch, status="retrying", attempts=1, due_at=NOW + timedelta(hours=1))

    assert progress_of(batch, now=NOW)["estimated_end_at"] == NOW + timedelta(hours=1)


def test_progress_of_ended_batch_is_constant(ours: Workspace) -> None:
    batch = make.batch(
        ours,
        status="completed",
        started_at=NOW - timedelta(seconds=90),
        ended_at=NOW - timedelta(seconds=30),
    )

    result = progress_of(batch, now=NOW)

    assert result == {
        "status": "completed",
        "counts": COUNTS,
        "calls_per_second": 0.0,
        "answer_rate": None,
        "outcomes": {},
        "estimated_end_at": None,
        "elapsed_seconds": 60.0,
        "cost": {"amount": 0.0, "currency": "USD"},
    }


def test_progress_is_returned_as_json(ours: Workspace) -> None:
    batch = make.batch(ours)

    response = make.client(ours, Role.MEMBER).get(f"/batches/{batch.pk}/progress")

    assert response.status_code == 200
    assert response.json() == {
        "status": "ready",
        "counts": COUNTS,
        "calls_per_second": 0.0,
        "answer_rate": None,
        "outcomes": {},
        "estimated_end_at": None,
        "elapsed_seconds": 0.0,
        "cost": {"amount": 0.0, "currency": "USD"},
    }


def test_stream_follows_batch_until_it_ends(ours: Workspace, monkeypatch: Any) -> None:
    batch = running(ours)
    monkeypatch.setattr(progress_stream, "EVENT_INTERVAL_SECONDS", 0.0)

    response: Any = make.client(ours, Role.MEMBER).get(
        f"/batches/{batch.pk}/progress", headers={"Accept": "text/event-stream"}
    )

    assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    events = iter(response.streaming_content)
    first = next(events).removeprefix(b"retry: 2000\n")  # sets the reconnection time
    assert json.loads(first.removeprefix(b"data: "))["status"] == "running"
    Batch.unscoped.filter(pk=batch.pk).update(status=Batch.Status.COMPLETED, ended_at=NOW)
    last = list(events)
    assert [json.loads(event.removeprefix(b"data: "))["status"] for event in last] == ["completed"]


def test_stream_of_a_stopped_batch_ends_with_its_last_call(
    ours: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress_stream, "EVENT_INTERVAL_SECONDS", 0.0)
    batch = make.batch(ours, status=Batch.Status.STOPPED, started_at=NOW, ended_at=NOW)
    person = make.recipient(batch, status=Recipient.Status.IN_CALL, due_at=None)
    events = progress_stream.progress_events(batch)
    first = json.loads(next(events).partition(b"data: ")[2])
    Recipient.unscoped.filter(pk=person.pk).update(status=Recipient.Status.COMPLETED)

    last = [json.loads(event.removeprefix(b"data: ")) for event in events]

    assert first["counts"]["in_call"] == 1
    assert [(each["counts"]["in_call"], each["counts"]["completed"]) for each in last] == [(0, 1)]


@pytest.mark.django_db(transaction=True)
def test_stream_sends_one_event_when_all_places_are_in_use() -> None:
    ours, others = running(make.workspace()), running(make.workspace())
    streams = [
        progress_stream.progress_events(batch)
        for batch in [ours] * progress_stream.MAX_STREAMS_PER_WORKSPACE
    ]
    for stream in streams:
        next(stream)

    late = list(progress_stream.progress_events(ours))
    another = progress_stream.progress_events(others)
    next(another)
    later = list(progress_stream.progress_events(running(make.workspace())))

    for stream in (*streams, another):
        stream.close()
    assert (len(late), len(later)) == (1, 1)
    assert progress_stream.stream_places.by_workspace.total() == 0


def test_stream_ends_when_the_batch_is_deleted(ours: Workspace) -> None:
    batch = running(ours)
    events = progress_stream.progress_events(batch)
    next(events)
    batch.delete()

    assert list(events) == []


def test_stream_ends_when_access_is_lost(ours: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_stream, "EVENT_INTERVAL_SECONDS", 0.0)
    batch = make.batch(ours, status="running")
    permissions = iter([True, False])

    events = list(progress_stream.progress_events(batch, has_access=lambda: next(permissions)))

    assert len(events) == 2


@pytest.mark.parametrize("ended", ["logged out", "removed", "disabled", "revoked"])
def test_principal_is_invalid_after_access_is_lost(ours: Workspace, ended: str) -> None:
    now = timezone.now()
    user, key = make.member(ours), make.api_key(ours)[0]
    login = make.session(user)
    by_key = Principal(key=key, workspace=ours)
    principal = (
        by_key if ended == "revoked" else Principal(user=user, session=login, workspace=ours)
    )
    before = is_still_valid(principal, now=now)

    ends: dict[str, Callable[[], object]] = {
        "logged out": lambda: Session.objects.update(revoked_at=now),
        "removed": lambda: Membership.unscoped.all().delete(),
        "disabled": lambda: User.objects.update(is_active=False),
        "revoked": lambda: ApiKey.unscoped.update(revoked_at=now),
    }
    ends[ended]()

    assert (before, is_still_valid(principal, now=now)) == (True, False)
