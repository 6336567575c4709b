from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Workspace
from accounts.roles import Role
from telephony.models import Call, CallEvent, Outcome, PhoneNumber, Stage, Turn
from tests import make
from voiceops.core.ids import uuid7

MISSING = "01933b5e-0000-7000-8000-000000000000"
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def ended(of: Workspace, **fields: Any) -> Call:
    times = {
        "dialed_at": NOON,
        "ringing_at": NOON + timedelta(seconds=1),
        "answered_at": NOON + timedelta(seconds=8),
        "ended_at": NOON + timedelta(seconds=49, milliseconds=200),
    }
    return make.call(of, **{"stage": Stage.ENDED, "outcome": Outcome.ANSWERED, **times, **fields})


def listed(of: Workspace, query: str) -> list[str]:
    response = make.client(of, Role.MEMBER).get(f"/calls?{query}")
    assert response.status_code == 200, response.json()
    return [item["id"] for item in response.json()["items"]]


def test_call_has_the_documented_shape(ours: Workspace) -> None:
    call = ended(
        ours,
        end_reason="callee_hangup",
        hung_up_by="callee",
        sip_status_code=200,
        sip_status="OK",
        variables={"name": "Ada"},
        metadata={"crm": 7},
        has_recording=True,
    )
    client = make.client(ours, Role.MEMBER)

    one, page = client.get(f"/calls/{call.pk}").json(), client.get("/calls").json()

    call.refresh_from_db()
    assert one == {
        "id": str(call.pk),
        "direction": "outbound",
        "from": "+12025550100",
        "to": "+12025550186",
        "agent_id": str(call.agent_id),
        "agent_version": 1,
        "batch_id": None,
        "recipient_id": None,
        "attempt": 1,
        "status": "ended",
        "outcome": "answered",
        "end_reason": "callee_hangup",
        "hung_up_by": "callee",
        "sip_status_code": 200,
        "sip_status": "OK",
        "variables": {"name": "Ada"},
        "metadata": {"crm": 7},
        "has_recording": True,
        "created_at": call.created_at.isoformat().replace("+00:00", "Z"),
        "dialed_at": "2026-11-23T12:00:00Z",
        "ringing_at": "2026-11-23T12:00:01Z",
        "answered_at": "2026-11-23T12:00:08Z",
        "ended_at": "2026-11-23T12:00:49.200000Z",
        "duration_seconds": 41.2,
    }
    assert page == {"items": [one], "total": 1, "page": 1, "page_size": 50, "total_pages": 1}


@pytest.mark.parametrize(
    ("stage", "status"),
    [
        (Stage.RESERVED, "queued"),
        (Stage.INTENT, "dialing"),
        (Stage.UNKNOWN, "dialing"),
        (Stage.DIALING, "dialing"),
        (Stage.RINGING, "ringing"),
        (Stage.IN_PROGRESS, "in_progress"),
        (Stage.ENDED, "ended"),
    ],
)
def test_stages_are_shown_as_the_documented_status(
    ours: Workspace, stage: Stage, status: str
) -> None:
    call = make.call(ours, stage=stage)

    shown = make.client(ours).get(f"/calls/{call.pk}").json()["status"]

    assert shown == status
    assert listed(ours, f"status={status}") == [str(call.pk)]
    assert listed(ours, f"status={'queued' if status != 'queued' else 'ended'}") == []


def test_attempt_of_a_batch_that_was_never_sent_is_no_call(ours: Workspace) -> None:
    batch = make.batch(ours)
    unsent = make.call(ours, batch_id=batch.pk, recipient_id=uuid7())
    sent = make.call(ours, batch_id=batch.pk, recipient_id=uuid7(), dialed_at=NOON)
    client = make.client(ours)

    one = client.get(f"/calls/{unsent.pk}")

    assert (one.status_code, one.json()) == (404, {"detail": "Call not found"})
    assert listed(ours, f"batch_id={batch.pk}") == [str(sent.pk)]


@pytest.mark.parametrize("rows", [1, 3])
def test_list_costs_the_same_for_any_number_of_calls(
    ours: Workspace, rows: int, django_assert_num_queries: Any
) -> None:
    for _ in range(rows):
        ended(ours)
    client = make.client(ours)
    client.get("/calls")  # the key's last use is written once a minute

    with django_assert_num_queries(3):  # key, count, page
        response = client.get("/calls?page_size=2")

    assert response.json()["total"] == rows
    assert len(response.json()["items"]) == min(rows, 2)


def filters(of: Workspace) -> dict[str, Call]:
    """One call that each filter finds, beside one that none finds."""
    agent, batch = make.agent(of), make.batch(of)
    long = {"answered_at": NOON, "ended_at": NOON + timedelta(seconds=90)}
    found = {
        "outcome=busy": ended(of, outcome=Outcome.BUSY),
        "direction=inbound": ended(of, direction="inbound"),
        f"agent_id={agent.pk}": ended(of, agent=agent),
        f"batch_id={batch.pk}": ended(of, batch_id=batch.pk, recipient_id=uuid7()),
        "from=%2B12025550111": ended(of, from_number="+12025550111"),
        "to=+1 (202) 555-0112": ended(of, to_number="+12025550112"),
        "min_duration=60.5": ended(of, **long),
        "search=555-0113": ended(of, to_number="+1202555-0113"),
        "search=TUESDAY": ended(of),
    }
    said = found["search=TUESDAY"]
    Turn.unscoped.create(
        workspace=of,
        call=said,
        role="user",
        text="On tuesday, please",
        started_at=NOON,
        external_id="1",
    )
    return found


def test_every_filter_finds_its_call_and_no_other(ours: Workspace, theirs: Workspace) -> None:
    expected = {query: [str(call.pk)] for query, call in filters(ours).items()}
    filters(theirs)

    found = {query: listed(ours, query) for query in expected}

    assert found == expected


def test_calls_are_found_by_when_they_started(ours: Workspace) -> None:
    early, late = ended(ours), ended(ours)
    moment = NOON - timedelta(days=1)
    Call.unscoped.filter(pk=late.pk).update(created_at=late.created_at + timedelta(seconds=1))
    between = (late.created_at + timedelta(milliseconds=500)).isoformat().replace("+00:00", "Z")

    after, before = (
        listed(ours, f"started_after={between}"),
        listed(ours, f"started_before={between}"),
    )

    assert (after, before) == ([str(late.pk)], [str(early.pk)])
    assert listed(ours, f"started_before={moment:%Y-%m-%dT%H:%M:%SZ}") == []
    assert len(listed(ours, f"started_after={moment:%Y-%m-%dT%H:%M:%SZ}")) == 2


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("started_after=0001-01-01", 1),
        ("started_after=9999-12-31T23:59:59Z", 0),
        ("started_before=0001-01-01", 0),
        ("started_before=1969-12-31", 0),
        ("started_before=9999-12-31T23:59:59Z", 1),
    ],
)
def test_the_ends_of_the_calendar_are_times_too(ours: Workspace, query: str, found: int) -> None:
    ended(ours)

    assert len(listed(ours, query)) == found


@pytest.mark.parametrize("sort", ["created_at", "-created_at", "ended_at", "-ended_at"])
def test_calls_are_sorted_as_asked(ours: Workspace, sort: str) -> None:
    first = ended(ours)
    second = ended(ours, ended_at=NOON + timedelta(minutes=5))

    found = listed(ours, f"sort={sort}")

    expected = [str(first.pk), str(second.pk)]
    assert found == (expected[::-1] if sort.startswith("-") else expected)


def test_queries_that_make_no_sense_are_422_all_at_once(ours: Workspace) -> None:
    query = "status=gone&agent_id=x&started_after=soon&min_duration=-1&sort=colour&page=0"

    response = make.client(ours).get(f"/calls?{query}")

    mistakes = {tuple(mistake["loc"]): mistake["type"] for mistake in response.json()["detail"]}
    assert response.status_code == 422
    assert mistakes == {
        ("query", "page"): "value_error.number.not_ge",
        ("query", "status"): "type_error.enum",
        ("query", "agent_id"): "type_error.uuid",
        ("query", "started_after"): "value_error.datetime",
        ("query", "min_duration"): "value_error.number.not_ge",
        ("query", "sort"): "type_error.enum",
    }


def test_events_are_a_page_oldest_first(ours: Workspace) -> None:
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


def test_transcript_is_in_the_order_of_speech(ours: Workspace) -> None:
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


def test_placed_call_is_queued(ours: Workspace) -> None:
    number, agent = make.phone_number(ours), make.agent(ours)
    order = {
        "agent_id": str(agent.pk),
        "to": "+1 202 555 0186",
        "variables": {"name": "Ada"},
        "metadata": {"crm": 7},
    }

    response = make.client(ours, Role.MANAGER).post("/calls", order)

    call = Call.unscoped.get()
    body = response.json()
    assert response.status_code == 201
    assert body == make.client(ours).get(f"/calls/{call.pk}").json()
    assert {
        name: body[name]
        for name in ("status", "from", "to", "agent_version", "variables", "metadata")
    } == {
        "status": "queued",
        "from": number.phone_number,
        "to": "+12025550186",
        "agent_version": 1,
        "variables": {"name": "Ada"},
        "metadata": {"crm": 7},
    }
    assert (call.stage, call.lease_owner, call.room) == (Stage.RESERVED, None, f"vo-{call.pk}")


def test_call_is_made_from_the_number_asked_for_or_the_newest_active(ours: Workspace) -> None:
    older, newer = make.phone_number(ours), make.phone_number(ours)
    make.phone_number(ours, status=PhoneNumber.Status.ERROR)
    client, agent = make.client(ours), make.agent(ours)
    order = {"agent_id": str(agent.pk), "to": "+12025550186"}

    default = client.post("/calls", order).json()["from"]
    chosen = client.post("/calls", {**order, "from_number_id": str(older.pk)}).json()["from"]

    assert (default, chosen) == (newer.phone_number, older.phone_number)


def refused(of: Workspace, **changes: Any) -> tuple[int, Any]:
    agent = changes.pop("agent", None) or make.agent(of)
    response = make.client(of).post(
        "/calls", {"agent_id": str(agent.pk), "to": "+12025550186", **changes}
    )
    assert Call.unscoped.count() == 0
    return response.status_code, response.json()["detail"]


def test_call_with_a_draft_is_refused(ours: Workspace) -> None:
    make.phone_number(ours)

    assert refused(ours, agent=make.agent(ours, published=False)) == (400, "Agent is not published")


def test_call_without_a_required_variable_is_refused_by_name(ours: Workspace) -> None:
    make.phone_number(ours)
    agent = make.agent(ours, variables=[{"name": "first_name", "required": True, "default": None}])

    assert refused(ours, agent=agent) == (400, "Missing required variables: first_name")


def test_call_without_any_number_is_refused(ours: Workspace, theirs: Workspace) -> None:
    make.phone_number(theirs)

    assert refused(ours) == (400, "The workspace has no active phone number")


def test_call_from_a_number_out_of_use_is_refused(ours: Workspace) -> None:
    number = make.phone_number(ours, status=PhoneNumber.Status.ERROR)

    assert refused(ours, from_number_id=str(number.pk)) == (400, "Phone number is not active")


@pytest.mark.parametrize("path", ["/calls", "/calls/web"])
def test_variables_longer_than_livekit_takes_are_refused_in_words(
    ours: Workspace, path: str
) -> None:
    make.phone_number(ours)
    order = {"agent_id": str(make.agent(ours).pk), "variables": {"story": "話" * 180_000}}

    response = make.client(ours).post(
        path, order if path == "/calls/web" else {**order, "to": "+12025550186"}
    )

    words = "The variables are too long: LiveKit takes 512 KiB, and the agent's settings count"
    assert (response.status_code, response.json()) == (400, {"detail": words})
    assert not Call.unscoped.exists()


def test_variables_that_just_fit_are_taken(ours: Workspace) -> None:
    make.phone_number(ours)
    order = {
        "agent_id": str(make.agent(ours).pk),
        "to": "+12025550186",
        "variables": {"story": "x" * 500_000},
    }

    assert make.client(ours).post("/calls", order).status_code == 201


@pytest.mark.parametrize("to", ["12345", "+1911", "Ada", "+1202555018"])
def test_call_to_what_is_no_number_is_refused(ours: Workspace, to: str) -> None:
    make.phone_number(ours)

    assert refused(ours, to=to) == (400, "Invalid phone number")


def test_call_to_a_suppressed_number_is_refused(ours: Workspace, theirs: Workspace) -> None:
    make.phone_number(ours)
    make.suppression(theirs, phone_number="+12025550187")
    make.suppression(
        ours, phone_number="+12025550188", expires_at=timezone.now() - timedelta(days=1)
    )
    make.suppression(ours, phone_number="+12025550186")

    assert refused(ours) == (400, "The number is on the suppression list")
    for to in ("+12025550187", "+12025550188"):
        order = {"agent_id": str(make.agent(ours).pk), "to": to}
        assert make.client(ours).post("/calls", order).status_code == 201


@pytest.mark.parametrize("field", ["agent_id", "from_number_id"])
def test_things_of_others_do_not_exist(ours: Workspace, theirs: Workspace, field: str) -> None:
    make.phone_number(ours)
    foreign = {"agent_id": make.agent(theirs).pk, "from_number_id": make.phone_number(theirs).pk}
    sentence = {"agent_id": "Agent not found", "from_number_id": "Phone number not found"}

    answers = [refused(ours, **{field: str(value)}) for value in (foreign[field], MISSING)]

    assert answers == [(404, sentence[field])] * 2


def test_number_left_open_with_null_is_chosen_for_the_caller(ours: Workspace) -> None:
    number = make.phone_number(ours)
    order = {"agent_id": str(make.agent(ours).pk), "to": "+12025550186", "from_number_id": None}

    response = make.client(ours).post("/calls", order)

    assert (response.status_code, response.json()["from"]) == (201, number.phone_number)


def test_story_of_a_call_begins_with_its_order(ours: Workspace) -> None:
    make.phone_number(ours)
    client = make.client(ours)
    order = {"agent_id": str(make.agent(ours).pk), "to": "+12025550186"}
    call = client.post("/calls", order).json()

    client.post(f"/calls/{call['id']}/hangup")

    story = [
        (event["type"], event["text"])
        for event in client.get(f"/calls/{call['id']}/events").json()["items"]
    ]
    assert story == [
        ("queued", "A call to +12025550186 was ordered"),
        ("ended", "Hung up before it was dialled"),
    ]


@pytest.mark.parametrize("digits", ["xyz", "1 2", "\uff11", "1;2"])
def test_keys_that_no_telephone_has_are_refused(ours: Workspace, digits: str) -> None:
    call = make.call(ours, stage=Stage.IN_PROGRESS, answered_at=NOON)

    response = make.client(ours).post(f"/calls/{call.pk}/dtmf", {"digits": digits})

    assert (response.status_code, response.json()["detail"]) == (
        422,
        [
            {
                "loc": ["body", "digits"],
                "msg": "only 0 to 9, *, #, A to D and w are permitted",
                "type": "value_error",
            }
        ],
    )


def test_order_that_fails_its_schema_is_422(ours: Workspace) -> None:
    body = {"agent_id": 7, "variables": [], "metadata": None, "mood": "good"}

    response = make.client(ours).post("/calls", body)

    assert (response.status_code, response.json()) == (
        422,
        {
            "detail": [
                {
                    "loc": ["body", "agent_id"],
                    "msg": "value is not a valid uuid",
                    "type": "type_error.uuid",
                },
                {"loc": ["body", "to"], "msg": "field required", "type": "value_error.missing"},
                {
                    "loc": ["body", "variables"],
                    "msg": "value is not a valid dict",
                    "type": "type_error.dict",
                },
                {
                    "loc": ["body", "metadata"],
                    "msg": "none is not an allowed value",
                    "type": "type_error.none.not_allowed",
                },
                {
                    "loc": ["body", "mood"],
                    "msg": "extra fields not permitted",
                    "type": "value_error.extra",
                },
            ]
        },
    )


def test_queued_call_is_cancelled_while_livekit_is_away(ours: Workspace) -> None:
    call = make.call(ours)

    response = make.client(ours, Role.MANAGER).post(f"/calls/{call.pk}/hangup")

    assert response.status_code == 200
    assert (response.json()["status"], response.json()["outcome"]) == ("ended", "cancelled")


def test_phone_that_may_ring_on_while_livekit_is_away_is_an_alarm(ours: Workspace) -> None:
    call = make.call(ours, stage=Stage.RINGING, intent_at=NOON, dialed_at=NOON)

    response = make.client(ours, Role.MANAGER).post(f"/calls/{call.pk}/hangup")

    assert (response.status_code, response.json()) == (
        500,
        {"detail": "LiveKit error: could not be reached"},
    )
    assert list(call.events.order_by("pk").values_list("type", "text")) == [
        ("ended", "Hung up before it was answered"),
        ("alarm", "The phone may ring on: LiveKit could not be asked to end the call"),
    ]


def test_member_may_listen_and_not_call(ours: Workspace) -> None:
    call = make.call(ours)
    client = make.client(ours, Role.MEMBER)

    refusals = [
        client.post(path, {}).status_code
        for path in ("/calls", f"/calls/{call.pk}/hangup", "/calls/web")
    ]

    assert refusals == [403, 403, 403]
    assert client.get(f"/calls/{call.pk}").status_code == 200


def test_recording_of_a_call_without_one_is_404(ours: Workspace) -> None:
    response = make.client(ours).get(f"/calls/{make.call(ours).pk}/recording")

    assert (response.status_code, response.json()) == (404, {"detail": "Recording not found"})
