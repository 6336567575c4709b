from typing import Any

import pytest

from accounts.models import Workspace
from telephony.models import PhoneNumber
from telephony.services.numbers import clean_provisioning
from tests import make
from tests.sandbox_server import RunningSandbox
from tests.telephony.numbers.livekit import NOTHING, everything
from tests.telephony.numbers.relay import Break, Relay
from tests.telephony.numbers.twilio import (
    IMPORT,
    NOTHING_AT_TWILIO,
    NUMBER_ONLY,
    PURCHASE,
    TABLES,
    at_twilio,
    buy_by_hand,
)

STEPS = [
    "IncomingPhoneNumbers.json",
    "/v1/Trunks",
    "/OriginationUrls",
    "CredentialLists.json",
    "/Credentials.json",
    "/CredentialLists",
    "/PhoneNumbers",
]


def breaks(path: str, method: str = "POST", **fault: Any) -> dict[str, Any]:
    return {"method": method, "path": path, **fault}


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_rate_limited_request_is_sent_again(
    ours: Workspace, box: RunningSandbox, method: str
) -> None:
    box.set_twilio(
        faults=[breaks("IncomingPhoneNumbers.json", method=method, status=429, code=20429, times=2)]
    )

    response = make.client(ours).post("/phone-numbers/purchase", PURCHASE)

    assert response.status_code == 201


@pytest.mark.parametrize("status", [0, 400, 503], ids=["dropped", "refused", "failed"])
@pytest.mark.parametrize("step", STEPS)
def test_a_purchase_that_fails_at_any_step_leaves_nothing(
    ours: Workspace, box: RunningSandbox, step: str, status: int
) -> None:
    box.set_twilio(faults=[breaks(step, status=status)])

    response = make.client(ours).post("/phone-numbers/purchase", PURCHASE)

    assert box.control("GET", "twilio")["faults"][0]["times"] == 0
    assert response.status_code == 500
    assert response.json()["detail"].startswith("Twilio error: ")
    assert at_twilio(box) == NOTHING_AT_TWILIO
    assert everything() == NOTHING
    assert not PhoneNumber.unscoped.exists()


@pytest.mark.parametrize("status", [0, 500], ids=["dropped", "failed"])
@pytest.mark.parametrize("step", STEPS)
def test_a_step_whose_answer_is_lost_is_found_and_not_repeated(
    ours: Workspace, box: RunningSandbox, step: str, status: int
) -> None:
    box.set_twilio(faults=[breaks(step, when="after", status=status)])

    response = make.client(ours).post("/phone-numbers/purchase", PURCHASE)

    assert box.control("GET", "twilio")["faults"][0]["times"] == 0
    assert response.status_code == 201
    assert at_twilio(box) == dict.fromkeys(TABLES, 1)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    "step", ["CreateSIPInboundTrunk", "CreateSIPOutboundTrunk", "CreateSIPDispatchRule"]
)
def test_a_purchase_that_livekit_fails_leaves_nothing_anywhere(
    ours: Workspace, box: RunningSandbox, relay: Relay, step: str, after: bool
) -> None:
    relay.breaks = [Break(step, after=after)]
    agent = make.agent(ours)

    response = make.client(ours).post(
        "/phone-numbers/purchase", {**PURCHASE, "inbound_agent_id": str(agent.pk)}
    )

    assert (response.status_code, response.json()) == (
        500,
        {"detail": "LiveKit SIP error: could not be reached"},
    )
    assert at_twilio(box) == NOTHING_AT_TWILIO
    assert everything() == NOTHING
    assert not PhoneNumber.unscoped.exists()


@pytest.mark.parametrize("step", STEPS)
def test_an_import_that_fails_at_any_step_keeps_the_number(
    ours: Workspace, box: RunningSandbox, step: str
) -> None:
    sid = buy_by_hand()
    box.set_twilio(faults=[breaks(step, status=400)])

    response = make.client(ours).post("/phone-numbers", IMPORT)

    expected = 201 if step == STEPS[0] else 500
    left = dict.fromkeys(TABLES, 1) if expected == 201 else NUMBER_ONLY
    assert response.status_code == expected
    assert at_twilio(box) == left
    assert box.control("GET", "twilio")["numbers"][0]["sid"] == sid


@pytest.mark.parametrize(
    "step", ["/v1/Trunks", "OriginationUrls", "CredentialLists", "PhoneNumbers"]
)
def test_an_undo_that_fails_is_finished_later(
    ours: Workspace, box: RunningSandbox, step: str
) -> None:
    box.set_twilio(
        faults=[
            breaks("/PhoneNumbers", when="before", status=400),
            breaks(step, method="DELETE", status=503),
        ]
    )

    response = make.client(ours).post("/phone-numbers/purchase", PURCHASE)

    assert response.status_code == 500
    assert PhoneNumber.unscoped.get().status == "error"
    assert clean_provisioning() == 1
    assert at_twilio(box) == NOTHING_AT_TWILIO
    assert everything() == NOTHING
    assert not PhoneNumber.unscoped.exists()


def test_a_key_whose_purchase_failed_at_twilio_may_be_used_again(
    ours: Workspace, box: RunningSandbox
) -> None:
    box.set_twilio(faults=[breaks("/v1/Trunks", status=503)])
    client = make.client(ours)
    key = {"Idempotency-Key": "one"}

    answers = [client.post("/phone-numbers/purchase", PURCHASE, headers=key) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [500, 201, 201]
    assert answers[2]["Idempotent-Replay"] == "true"
    assert PhoneNumber.unscoped.count() == 1
