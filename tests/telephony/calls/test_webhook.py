import time
from datetime import timedelta
from typing import Any

import jwt
import orjson
import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone

from accounts.models import Workspace
from telephony.dialing.reconciliation import callee_events
from telephony.domain import call_states, room_names
from telephony.models import Call, InboxEvent, Outcome, Stage
from telephony.services.inbox import apply_pending_events, inapplicable
from tests import make
from tests.telephony.calls import livekit
from voiceops.core.ids import uuid7


def talking(of: Workspace, **fields: Any) -> Call:
    now = timezone.now()
    times = {"intent_at": now, "dialed_at": now, "answered_at": now}
    return make.call(of, stage=Stage.IN_PROGRESS, **{**times, **fields})


def timeline(call: Call) -> list[tuple[str, str]]:
    return list(call.events.order_by("at", "pk").values_list("type", "text"))


def test_callee_joining_the_room_proves_the_call_was_placed(ours: Workspace) -> None:
    call = make.call(ours, stage=Stage.INTENT, intent_at=timezone.now())

    response = livekit.post(
        livekit.event("participant_joined", call, participant=livekit.callee(call))
    )

    call.refresh_from_db()
    assert (response.status_code, response.json()) == (200, {"detail": "Received"})
    assert call.stage == Stage.DIALING
    assert call.answered_at is None
    assert timeline(call) == [("dialing", "Calling +12025550186")]


def test_event_delivered_five_times_is_one_row_and_one_transition(ours: Workspace) -> None:
    call = talking(ours)
    event = livekit.event(
        "participant_left", call, participant=livekit.callee(call, disconnectReason="ROOM_DELETED")
    )

    statuses = [livekit.post(event).status_code for _ in range(5)]

    call.refresh_from_db()
    assert statuses == [200] * 5
    assert InboxEvent.objects.count() == 1
    assert (call.stage, call.outcome, call.end_reason) == (
        Stage.ENDED,
        Outcome.ANSWERED,
        "room_deleted",
    )
    assert timeline(call) == [("ended", "The call ended")]


def test_agent_leaving_does_not_end_the_call(ours: Workspace) -> None:
    call = talking(ours)

    livekit.post(
        livekit.event(
            "participant_left", call, participant={"identity": "agent-AJ_1", "kind": "AGENT"}
        )
    )

    call.refresh_from_db()
    assert call.stage == Stage.IN_PROGRESS
    assert InboxEvent.objects.count() == 0


def test_callees_track_is_evidence_for_a_call_in_doubt(ours: Workspace) -> None:
    call = make.call(ours, stage=Stage.UNKNOWN, intent_at=timezone.now())

    livekit.post(
        livekit.event("track_published", call, participant={"identity": call.callee_identity})
    )

    assert InboxEvent.objects.get().applied_at is not None
    assert callee_events(call)


def test_closed_room_ends_an_answered_call(ours: Workspace) -> None:
    call = talking(ours, detected="machine")

    livekit.post(livekit.event("room_finished", call, roomEndReason="ROOM_END_API_DELETE"))

    call.refresh_from_db()
    assert (call.stage, call.outcome, call.end_reason) == (
        Stage.ENDED,
        Outcome.VOICEMAIL,
        "room_closed",
    )


@pytest.mark.parametrize("reason", ["USER_REJECTED", "USER_UNAVAILABLE", ""])
def test_departure_before_the_answer_is_decided_by_the_dials_answer(
    ours: Workspace, reason: str
) -> None:
    lease = timezone.now() + timedelta(seconds=15)
    call = make.call(ours, stage=Stage.RINGING, intent_at=timezone.now(), lease_expires_at=lease)

    livekit.post(
        livekit.event(
            "participant_left", call, participant=livekit.callee(call, disconnectReason=reason)
        )
    )

    call.refresh_from_db()
    assert (call.stage, call.outcome) == (Stage.RINGING, None)
    assert InboxEvent.objects.get().applied_at is not None


def test_late_callee_of_a_closed_attempt_raises_an_alarm_and_changes_nothing(
    ours: Workspace,
) -> None:
    call = make.call(ours, stage=Stage.ENDED, outcome=Outcome.CANCELLED, end_reason="not_placed")

    livekit.post(livekit.event("participant_joined", call, participant=livekit.callee(call)))

    call.refresh_from_db()
    assert (call.stage, call.outcome, call.dialed_at) == (Stage.ENDED, Outcome.CANCELLED, None)
    assert timeline(call) == [
        ("alarm", "The callee was called after the attempt had been closed as never sent")
    ]


@pytest.mark.parametrize("room", ["somebody-elses", "vo-", "vo-not-an-id", ""])
def test_foreign_rooms_are_ignored(db: None, room: str) -> None:
    response = livekit.post(
        livekit.event("participant_joined", room, participant={"identity": "x"})
    )

    assert response.status_code == 200
    assert InboxEvent.objects.count() == 0


def test_events_of_deleted_calls_are_ignored(ours: Workspace) -> None:
    call = make.call(ours)
    call.delete()

    response = livekit.post(
        livekit.event("participant_joined", "vo-01933b5e-0000-7000-8000-000000000000")
    )

    assert response.status_code == 200


def signed_by(secret: str, body: bytes) -> str:
    claims = jwt.decode(livekit.token(body), options={"verify_signature": False})
    return jwt.encode(claims, secret, algorithm="HS256")


BODY = orjson.dumps(
    {"event": "room_started", "id": "EV_1", "createdAt": "1", "room": {"name": "vo-1"}}
)


@pytest.mark.parametrize(
    "authorization",
    [
        pytest.param(lambda: "", id="none"),
        pytest.param(
            lambda: f"Bearer {livekit.token(BODY)}",
            id="with the word Bearer, which LiveKit does not send",
        ),
        pytest.param(
            lambda: signed_by("another-secret-of-at-least-32-bytes", BODY), id="another secret"
        ),
        pytest.param(lambda: livekit.token(BODY + b" "), id="of another body"),
        pytest.param(lambda: livekit.token(BODY, sha256=""), id="an API token without a hash"),
        pytest.param(lambda: livekit.token(BODY, iss="somebody"), id="another key"),
        pytest.param(lambda: livekit.token(BODY, exp=int(time.time()) - 120), id="expired"),
    ],
)
def test_bad_signature_is_401(db: None, authorization: Any) -> None:
    response = livekit.post(BODY, Authorization=authorization())

    assert (response.status_code, response.json()) == (401, {"detail": "Invalid or missing token"})


@pytest.mark.parametrize(
    "body", [b"[]", b"{", b"{}", b'{"id": 1, "event": "x"}', b'{"id": "", "event": "x"}']
)
def test_malformed_event_is_400(db: None, body: bytes) -> None:
    response = livekit.post(body)

    assert (response.status_code, response.json()) == (400, {"detail": "Malformed request body"})


@pytest.mark.parametrize(
    ("spelling", "stored"),
    [
        (rb"Ann\u0000a", "Anna"),
        (rb"C:\\u0000", "C:\\u0000"),
        (rb"C:\\\u0000\\", "C:\\\\"),
    ],
    ids=["a NUL", "a backslash and a word", "both"],
)
def test_a_name_with_a_nul_is_stored_without_it(
    ours: Workspace, spelling: bytes, stored: str
) -> None:
    call = make.call(ours, stage=Stage.INTENT, intent_at=timezone.now())
    event = livekit.event("participant_joined", call, participant=livekit.callee(call, name="?"))
    body = orjson.dumps(event).replace(b'"name":"?"', b'"name":"%s"' % spelling)

    response = livekit.post(body)

    assert (response.status_code, response.json()) == (200, {"detail": "Received"})
    assert InboxEvent.objects.get().body["participant"]["name"] == stored


def test_body_over_256_kib_is_413(db: None) -> None:
    response = livekit.post(b" " * (256 * 1024 + 1))

    assert (response.status_code, response.json()) == (413, {"detail": "Request body too large"})


def test_get_with_no_signature_is_401(db: None) -> None:
    response = Client().get("/livekit/webhook")

    assert response.status_code == 401


def test_unreachable_database_makes_livekit_send_again(db: None) -> None:
    def fail(*args: Any) -> None:
        raise OperationalError("the server is gone")

    with connection.execute_wrapper(fail):
        response = livekit.post(
            livekit.event("room_finished", "vo-01933b5e-0000-7000-8000-000000000000")
        )

    assert (response.status_code, response.json()) == (
        503,
        {"detail": "The database cannot be reached"},
    )


def test_event_is_stored_by_the_request_and_applied_by_a_worker(ours: Workspace) -> None:
    call = talking(ours)

    response = livekit.send(livekit.event("room_finished", call))
    call.refresh_from_db()
    before = call.stage
    applied = apply_pending_events()

    call.refresh_from_db()
    assert (response.status_code, applied) == (200, 1)
    assert (before, call.stage) == (Stage.IN_PROGRESS, Stage.ENDED)


def test_event_of_an_inbound_call_that_is_locked_waits_for_a_worker(ours: Workspace) -> None:
    room = f"{room_names.room_prefix(uuid7())}_x"
    call = make.call(ours, stage=Stage.RINGING, direction="inbound", room=room)
    caller = {"identity": "sip_1", "kind": "SIP"}

    def locked(execute: Any, sql: str, *args: Any) -> Any:
        if sql.startswith('UPDATE "telephony_call"'):
            raise OperationalError("canceling statement due to lock timeout")
        return execute(sql, *args)

    with connection.execute_wrapper(locked):
        response = livekit.send(livekit.event("participant_joined", call, participant=caller))
    waiting = InboxEvent.objects.filter(applied_at=None).count()
    applied = apply_pending_events()

    call.refresh_from_db()
    assert (response.status_code, waiting, applied) == (200, 1, 1)
    assert call.callee_joined_at is not None


def test_sweep_applies_pending_events(ours: Workspace) -> None:
    call = talking(ours)
    body = livekit.event("room_finished", call)
    long_ago = timezone.now() - timedelta(minutes=4)
    InboxEvent.objects.create(
        event_id="EV_1", event="room_finished", room=call.room, body=body, received_at=long_ago
    )

    applied = apply_pending_events()

    call.refresh_from_db()
    assert (applied, apply_pending_events()) == (1, 0)
    assert call.stage == Stage.ENDED


def test_malformed_event_does_not_stop_the_sweep(ours: Workspace) -> None:
    call = talking(ours)
    long_ago = timezone.now() - timedelta(minutes=4)
    never = {"createdAt": "9" * 20}
    for name, body in (
        ("EV_1", {"createdAt": "soon"}),
        ("EV_2", never),
        ("EV_3", livekit.event("room_finished", call)),
    ):
        InboxEvent.objects.create(
            event_id=name, event="room_finished", room=call.room, body=body, received_at=long_ago
        )

    apply_pending_events()

    call.refresh_from_db()
    assert call.stage == Stage.ENDED
    assert InboxEvent.objects.filter(applied_at=None).count() == 0


def test_malformed_event_is_stored_as_applied(ours: Workspace, caplog: Any) -> None:
    call = talking(ours)

    response = livekit.post({**livekit.event("room_finished", call), "createdAt": "soon"})

    assert response.status_code == 200
    assert InboxEvent.objects.exclude(applied_at=None).count() == 1
    assert "cannot be understood" in caplog.text


def test_ignored_event_costs_no_query(db: None, django_assert_num_queries: Any) -> None:
    body = livekit.event("agent_job_started", "vo-01933b5e-0000-7000-8000-000000000000")

    with django_assert_num_queries(0):
        livekit.send(body)


def test_event_to_be_applied_costs_one_query(
    ours: Workspace, django_assert_num_queries: Any
) -> None:
    call = make.call(ours, stage=Stage.INTENT, intent_at=timezone.now())
    agent = {"identity": "agent-AJ_1", "kind": "AGENT"}
    for parts in (
        {"participant": livekit.callee(call)},
        {"participant": agent},
    ):
        for name in ("participant_joined", "participant_left"):
            with django_assert_num_queries(1):
                livekit.send(livekit.event(name, call, **parts))


def test_a_chunk_of_events_costs_six_queries_and_two_more_for_each_call_that_moves(
    ours: Workspace, django_assert_num_queries: Any
) -> None:
    for count in (1, 3):
        for _ in range(count):
            call = make.call(ours, stage=Stage.INTENT, intent_at=timezone.now())
            event = livekit.event("participant_joined", call, participant=livekit.callee(call))
            livekit.send(event)
            livekit.send(event)
        with django_assert_num_queries(6 + 2 * count):
            assert apply_pending_events() == count


def test_events_of_one_call_are_applied_in_one_chunk_in_their_order(ours: Workspace) -> None:
    call = make.call(ours, stage=Stage.INTENT, intent_at=timezone.now())
    answered = livekit.callee(
        call, disconnectReason="CLIENT_INITIATED", attributes={"sip.callStatus": "hangup"}
    )
    for event in (
        livekit.event("participant_joined", call, participant=livekit.callee(call)),
        livekit.event("participant_left", call, participant=answered),
        livekit.event("room_finished", call),
    ):
        livekit.send(event)

    applied = apply_pending_events()

    call.refresh_from_db()
    assert (applied, call.stage, call.outcome) == (3, Stage.ENDED, Outcome.ANSWERED)
    assert [kind for kind, _ in timeline(call)] == ["dialing", "answered", "ended"]


def test_a_chunk_that_fails_is_applied_event_by_event(
    ours: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = [talking(ours) for _ in range(3)]
    for call in calls:
        livekit.send(livekit.event("room_finished", call))
    mark_hung_up = call_states.mark_hung_up

    def fail_for_one(call: Call, **fields: Any) -> bool:
        if call.pk == calls[1].pk:
            raise ZeroDivisionError
        return mark_hung_up(call, **fields)

    monkeypatch.setattr(call_states, "mark_hung_up", fail_for_one)
    applied = apply_pending_events()
    inapplicable.forget()

    stages = [Call.unscoped.get(pk=call.pk).stage for call in calls]
    assert applied == 2
    assert stages == [Stage.ENDED, Stage.IN_PROGRESS, Stage.ENDED]
    assert InboxEvent.objects.get(applied_at=None).room == calls[1].room
