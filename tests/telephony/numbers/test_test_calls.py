from datetime import timedelta
from typing import Any

import pytest

from accounts.models import Workspace
from telephony.models import NumberPace, PhoneNumber, Stage
from tests import make
from tests.sandbox_server import RunningSandbox
from voiceops.core.clock import database_now


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


@pytest.mark.parametrize(
    ("to", "expected"),
    [
        ("+12025550110", ("answered", 200, "OK", "The callee answered (200 OK)")),
        ("+12025550171", ("busy", 486, "Busy Here", "The callee's line was busy (486 Busy Here)")),
        (
            "+12025550181",
            ("declined", 603, "Decline", "The callee declined the call (603 Decline)"),
        ),
        (
            "+12025550186",
            ("invalid_number", 404, "Not Found", "The number does not exist (404 Not Found)"),
        ),
        (
            "+12025550160",
            (
                "no_answer",
                None,
                None,
                "Nobody answered before the ringing timeout (sip request timed out)",
            ),
        ),
        (
            "+12025550198",
            (
                "blocked",
                607,
                "Unwanted",
                "The carrier blocked the call (607 Unwanted)",
            ),
        ),
    ],
)
def test_the_carriers_answer_is_described(
    number: PhoneNumber, to: str, expected: tuple[Any, ...]
) -> None:
    response = ring(number, to)

    assert response.status_code == 200
    assert response.json() == dict(
        zip(("outcome", "sip_status_code", "sip_status", "text"), expected, strict=True)
    )


def test_a_suppressed_number_gets_no_test_call(number: PhoneNumber, box: RunningSandbox) -> None:
    make.suppression(number.workspace, phone_number="+12025550110")

    response = ring(number, "+12025550110")

    assert (response.status_code, response.json()) == (
        400,
        {"detail": "The number is on the suppression list"},
    )
    assert box.dials() == []


def test_an_answered_test_call_is_hung_up(number: PhoneNumber, box: RunningSandbox) -> None:
    ring(number, "+12025550110")

    [dial] = box.dials()
    assert (dial["number"], dial["caller_id"]) == ("+12025550110", "+12025550100")
    box.wait_for(lambda: box.rooms() == [] and box.calls()[0]["status"] == "ended")


def test_a_test_call_with_a_lost_answer_is_reported_as_unknown(
    number: PhoneNumber, box: RunningSandbox
) -> None:
    box.set_faults(drop_after_dial_rate=1)

    response = ring(number, "+12025550110")

    assert response.json() == {
        "outcome": "unknown",
        "sip_status_code": None,
        "sip_status": None,
        "text": "Nobody can prove whether the phone rang",
    }
    assert len(box.dials()) == 1


def test_a_test_call_reserves_a_time_slot(number: PhoneNumber) -> None:
    ring(number, "+12025550171")

    assert NumberPace.unscoped.get().next_slot_at is not None


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
    assert box.dials() == []


def test_the_callee_of_a_test_call_is_a_phone_number(number: PhoneNumber) -> None:
    response = ring(number, "unknown")

    assert (response.status_code, response.json()) == (400, {"detail": "Invalid phone number"})
