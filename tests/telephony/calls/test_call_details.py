from datetime import timedelta

from accounts.models import Workspace
from accounts.roles import Role
from telephony.models import CallEvent, Turn
from tests import make
from tests.telephony.calls.samples import NOON


def test_events_are_paged_oldest_first(ours: Workspace) -> None:
    call = make.call(ours)
    for minute, text in ((5, "second"), (0, "first")):
        at = NOON + timedelta(minutes=minute)
        CallEvent.unscoped.create(
            workspace=ours, call=call, type="note", text=text, at=at, data={"n": minute}
        )

    body = make.client(ours, Role.MEMBER).get(f"/calls/{call.pk}/events?page_size=1").json()

    first = call.events.get(text="first")
    assert body == {
        "items": [
            {
                "id": str(first.pk),
                "type": "note",
                "text": "first",
                "at": "2026-11-23T12:00:00Z",
                "data": {"n": 0},
            }
        ],
        "total": 2,
        "page": 1,
        "page_size": 1,
        "total_pages": 2,
    }


def test_transcript_is_in_spoken_order(ours: Workspace) -> None:
    call = make.call(ours)
    for second, text in ((2, "Hi"), (0, "Hello!")):
        at = NOON + timedelta(seconds=second)
        Turn.unscoped.create(
            workspace=ours,
            call=call,
            role="user",
            text=text,
            started_at=at,
            interrupted=second == 2,
            external_id=text,
        )

    body = make.client(ours, Role.MEMBER).get(f"/calls/{call.pk}/transcript").json()

    assert body == {
        "turns": [
            {
                "role": "user",
                "text": "Hello!",
                "started_at": "2026-11-23T12:00:00Z",
                "interrupted": False,
            },
            {
                "role": "user",
                "text": "Hi",
                "started_at": "2026-11-23T12:00:02Z",
                "interrupted": True,
            },
        ]
    }


def test_timeline_begins_when_the_call_is_queued(ours: Workspace) -> None:
    make.phone_number(ours)
    client = make.client(ours)
    order = {"agent_id": str(make.agent(ours).pk), "to": "+12025550186"}
    call = client.post("/calls", order).json()

    client.post(f"/calls/{call['id']}/hangup")

    timeline = [
        (event["type"], event["text"])
        for event in client.get(f"/calls/{call['id']}/events").json()["items"]
    ]
    assert timeline == [
        ("queued", "A call to +12025550186 was ordered"),
        ("ended", "Hung up before it was dialled"),
    ]


def test_missing_recording_is_404(ours: Workspace) -> None:
    response = make.client(ours).get(f"/calls/{make.call(ours).pk}/recording")

    assert (response.status_code, response.json()) == (404, {"detail": "Recording not found"})
