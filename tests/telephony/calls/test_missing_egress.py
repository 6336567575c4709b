"""Without an egress service LiveKit does not answer the request for a recording at all."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from livekit import api

from accounts.models import Workspace
from telephony.models import Call, Recording, Stage
from telephony.services import recordings
from tests import make
from voiceops.core.clock import database_now
from voiceops.core.errors import ProviderError

NO_EGRESS = "no egress service answers LiveKit"


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recordings, "_pause", {"starts_until": 0.0})


def failure(cause: Exception, text: str = "LiveKit error: no answer in time") -> ProviderError:
    error = ProviderError(text)
    error.__cause__ = cause
    return error


def timeline(call: Call) -> list[tuple[str, str]]:
    return list(call.events.order_by("at", "pk").values_list("type", "text"))


@pytest.mark.parametrize(
    "cause",
    [TimeoutError(), api.ServerError("unavailable", "no response from servers", status=503)],
)
def test_recording_that_cannot_be_started_is_in_the_timeline_once(
    ours: Workspace, cause: Exception
) -> None:
    call = make.call(ours, stage=Stage.IN_PROGRESS, answered_at=timezone.now())

    for _ in range(2):
        recordings.record_failed_start(call, failure(cause))

    text = f"The recording could not be started: {NO_EGRESS}"
    assert timeline(call) == [("recording_failed", text)]
    # It is still tried again: the service may come back during the call.
    assert not Recording.unscoped.exists()


def test_other_failures_keep_livekits_words(ours: Workspace) -> None:
    call = make.call(ours, stage=Stage.IN_PROGRESS, answered_at=timezone.now())
    refused = api.ServerError("invalid_argument", "bad output", status=400)

    recordings.record_failed_start(call, failure(refused, "LiveKit error: bad output"))

    assert timeline(call) == [
        ("recording_failed", "The recording could not be started: LiveKit error: bad output")
    ]


async def test_sweep_is_not_held_up_by_starts_that_are_never_answered(
    ours: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_: Any) -> None:
        raise AssertionError("must not be asked")

    async def db(function: Any, *arguments: Any) -> Any:
        return calls if function is recordings.list_unrecorded_calls else database_now

    calls = [Call(stage=Stage.IN_PROGRESS)]
    recordings._pause["starts_until"] = float("inf")
    monkeypatch.setattr(recordings, "ensure_recording", never)

    assert await recordings.follow_recordings(None, db) == 1  # type: ignore[arg-type]


@pytest.mark.parametrize(("minutes", "status"), [(1, None), (3, "failed")])
def test_recording_of_an_ended_call_is_given_up_after_two_minutes(
    ours: Workspace, minutes: int, status: str | None
) -> None:
    ended_at = timezone.now() - timedelta(minutes=minutes)
    times = {"answered_at": ended_at, "ended_at": ended_at}
    call = make.call(ours, stage=Stage.ENDED, outcome="answered", **times)

    recordings.record_failed_check(call, failure(TimeoutError()))

    row = Recording.unscoped.filter(call=call).first()
    assert (row and row.status) == status
    assert (row.error if row else "") == (NO_EGRESS if status else "")


def test_end_of_the_recording_dates_a_call_whose_end_no_source_saw(ours: Workspace) -> None:
    now = timezone.now().replace(microsecond=0)
    times = {"answered_at": now - timedelta(seconds=30), "ended_at": now}
    call = make.call(
        ours, stage=Stage.ENDED, outcome="answered", end_reason="left_unnoticed", **times
    )
    ended_ns = str(int((now - timedelta(seconds=23)).timestamp()) * 1_000_000_000)
    file = {"filename": "x.ogg", "size": "1028", "duration": "7000000000"}
    info = {"egressId": "EG_1", "status": "EGRESS_COMPLETE", "endedAt": ended_ns}

    recordings.apply_egress(call, {**info, "fileResults": [file]}, at=now)

    assert Call.unscoped.get(pk=call.pk).duration_seconds == 7.0
