from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections

from accounts.models import Workspace
from telephony.models import Call, NumberPace, PhoneNumber, Stage
from tests import make
from tests.sandbox_server import RunningSandbox
from tests.telephony.dialled_calls import dialling, follow
from voiceops.core.clock import database_now

# A dispatcher's threads read what the requests have committed.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def number(ours: Workspace, box: RunningSandbox) -> PhoneNumber:
    body = {
        "phone_number": "+12025550100",
        "provider": "sip",
        "sip": {"address": "sip.carrier.example"},
    }
    make.client(ours).post("/phone-numbers", {**body, "calls_per_second": 20})
    return PhoneNumber.unscoped.get()


def ring(number: PhoneNumber, to: str) -> Any:
    return make.client(number.workspace).post(f"/phone-numbers/{number.pk}/test", {"to": to})


def test_a_test_call_is_returned_at_once_as_a_queued_call(
    number: PhoneNumber, box: RunningSandbox
) -> None:
    response = ring(number, "+12025550110")

    body = response.json()
    read = make.client(number.workspace).get(f"/calls/{body['id']}").json()
    names = ("direction", "from", "to", "agent_id", "status", "outcome", "dialed_at")
    assert (response.status_code, body) == (201, read)
    assert [body[name] for name in names] == [
        "outbound",
        "+12025550100",
        "+12025550110",
        None,
        "queued",
        None,
        None,
    ]
    assert box.dials() == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("to", "expected"),
    [
        ("+12025550110", ("answered", "test_call", 200, "OK")),
        ("+12025550171", ("busy", "busy", 486, "Busy Here")),
        ("+12025550186", ("invalid_number", "invalid_number", 404, "Not Found")),
    ],
)
def test_the_carriers_answer_stands_in_the_call(
    number: PhoneNumber, box: RunningSandbox, to: str, expected: tuple[Any, ...]
) -> None:
    call_id = ring(number, to).json()["id"]
    with dialling():
        call = follow(box, number.workspace, call_id)

    names = ("outcome", "end_reason", "sip_status_code", "sip_status")
    assert tuple(call[name] for name in names) == expected


@pytest.mark.slow
def test_an_answered_test_call_is_hung_up(number: PhoneNumber, box: RunningSandbox) -> None:
    call_id = ring(number, "+12025550110").json()["id"]
    with dialling():
        call = follow(box, number.workspace, call_id)
        box.wait_for(lambda: box.rooms() == [] and box.calls()[0]["status"] == "ended")

    [dial] = box.dials()
    assert (dial["number"], dial["caller_id"]) == ("+12025550110", "+12025550100")
    assert call["duration_seconds"] < 2
    events = make.client(number.workspace).get(f"/calls/{call['id']}/events").json()["items"]
    assert events[-1]["text"] == "The test call was answered"


@pytest.mark.slow
def test_an_exchange_is_tested_in_the_form_that_it_wants(
    number: PhoneNumber, box: RunningSandbox
) -> None:
    PhoneNumber.unscoped.update(dial_format="national", dial_prefix="9")

    call_id = ring(number, "+12025550171").json()["id"]
    with dialling():
        call = follow(box, number.workspace, call_id)

    assert [dial["number"] for dial in box.dials()] == ["92025550171"]
    assert (call["to"], call["outcome"]) == ("+12025550171", "busy")


def test_a_suppressed_number_gets_no_test_call(number: PhoneNumber, box: RunningSandbox) -> None:
    make.suppression(number.workspace, phone_number="+12025550110")

    response = ring(number, "+12025550110")

    assert (response.status_code, response.json()) == (
        400,
        {"detail": "The number is on the suppression list"},
    )
    assert not Call.unscoped.exists()


@pytest.mark.slow
def test_a_number_that_is_suppressed_meanwhile_is_not_dialled(
    number: PhoneNumber, box: RunningSandbox
) -> None:
    call_id = ring(number, "+12025550110").json()["id"]
    make.suppression(number.workspace, phone_number="+12025550110")

    with dialling():
        call = follow(box, number.workspace, call_id)

    assert call["end_reason"] == "suppressed"
    assert box.dials() == []


def test_the_limit_of_the_day_holds_for_test_calls(
    number: PhoneNumber, box: RunningSandbox
) -> None:
    Workspace.unscoped.update(max_calls_per_day=2)

    answers = [ring(number, f"+120255501{at:02}").status_code for at in range(10, 15)]

    assert answers == [201, 201, 400, 400, 400]


def test_a_number_whose_carrier_is_out_of_channels_is_not_tested(number: PhoneNumber) -> None:
    NumberPace.unscoped.update(backoff_until=database_now() + timedelta(minutes=1))

    response = ring(number, "+12025550110")

    assert (response.status_code, response.json()) == (400, {"detail": "Phone number is busy"})


def test_a_number_without_free_capacity_is_not_tested(
    number: PhoneNumber, box: RunningSandbox
) -> None:
    PhoneNumber.unscoped.update(max_concurrent_calls=1)
    make.call(number.workspace, number=number, stage=Stage.IN_PROGRESS)

    response = ring(number, "+12025550110")

    assert (response.status_code, response.json()) == (400, {"detail": "Phone number is busy"})


def test_of_twenty_simultaneous_requests_only_the_places_are_used(
    number: PhoneNumber, box: RunningSandbox
) -> None:
    PhoneNumber.unscoped.update(max_concurrent_calls=1)
    Workspace.unscoped.update(max_calls_per_day=2)
    client = make.client(number.workspace)

    def request(at: int) -> int:
        try:
            url = f"/phone-numbers/{number.pk}/test"
            return int(client.post(url, {"to": f"+120255501{at:02}"}).status_code)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(20) as pool:
        answers = sorted(pool.map(request, range(10, 30)))

    assert answers == [201] + [400] * 19
    assert Call.unscoped.count() == 1


def test_the_callee_of_a_test_call_is_a_phone_number(number: PhoneNumber) -> None:
    response = ring(number, "unknown")

    assert (response.status_code, response.json()) == (400, {"detail": "Invalid phone number"})
