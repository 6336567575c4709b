from typing import Any

import pytest
from django.conf import settings as configured
from pytest_django import Settings

from accounts.models import Workspace
from telephony.models import PhoneNumber
from tests import make
from tests.sandbox_server import RunningSandbox
from tests.telephony.numbers.relay import Break, relay_to
from tests.telephony.numbers.twilio import (
    IMPORT,
    NOTHING_AT_TWILIO,
    NUMBER,
    PURCHASE,
    at_twilio,
    refusal,
)


@pytest.mark.parametrize(
    ("offer", "words"),
    [
        (
            {"address_requirements": "any"},
            "Twilio requires an address for this number; "
            "add one in the Twilio console and buy it there",
        ),
        (
            {"bundle": True},
            "Twilio requires a regulatory bundle for this number; "
            "get one approved in its console and buy it there",
        ),
    ],
)
def test_requirements_of_a_number_are_reported(
    ours: Workspace, box: RunningSandbox, offer: dict[str, Any], words: str
) -> None:
    box.set_twilio(inventory=[{"phone_number": NUMBER, **offer}])

    response = make.client(ours).post("/phone-numbers/purchase", PURCHASE)

    assert (response.status_code, response.json()) == refusal(words)
    assert at_twilio(box) == NOTHING_AT_TWILIO
    assert not PhoneNumber.unscoped.exists()


def test_missing_funds_are_reported(ours: Workspace, box: RunningSandbox) -> None:
    box.set_twilio(balance=0)

    response = make.client(ours).post("/phone-numbers/purchase", PURCHASE)

    words = "the account is not active; add funds or have it reactivated in the Twilio console"
    assert (response.status_code, response.json()) == refusal(words)


def test_a_number_no_longer_available_is_reported(ours: Workspace, box: RunningSandbox) -> None:
    box.set_twilio(inventory=[])

    response = make.client(ours).post("/phone-numbers/purchase", PURCHASE)

    assert (response.status_code, response.json()) == refusal(
        "the number is no longer available; search for another"
    )


def test_bad_credentials_are_reported_without_the_secret(
    ours: Workspace, box: RunningSandbox, settings: Settings
) -> None:
    settings.TWILIO_AUTH_TOKEN = "a token that is wrong"

    response = make.client(ours).post("/phone-numbers/purchase", PURCHASE)

    words = (
        "the account SID or the auth token was refused; "
        "check TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN"
    )
    assert (response.status_code, response.json()) == refusal(words)
    assert configured.TWILIO_AUTH_TOKEN not in response.content.decode()


@pytest.mark.parametrize("method", ["available", "purchase", "import"])
def test_without_an_account_twilio_is_not_asked(
    ours: Workspace, box: RunningSandbox, settings: Settings, method: str
) -> None:
    settings.TWILIO_ACCOUNT_SID = settings.TWILIO_AUTH_TOKEN = ""
    client = make.client(ours)
    send = {
        "available": lambda: client.get("/phone-numbers/available"),
        "purchase": lambda: client.post("/phone-numbers/purchase", PURCHASE),
        "import": lambda: client.post("/phone-numbers", IMPORT),
    }

    response = send[method]()

    words = "no account is configured; set TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN"
    assert (response.status_code, response.json()) == refusal(words)
    assert not PhoneNumber.unscoped.exists()


def test_unreachable_twilio_is_reported(
    ours: Workspace, box: RunningSandbox, settings: Settings
) -> None:
    settings.TWILIO_BASE_URL = "http://127.0.0.1:9"

    response = make.client(ours).get("/phone-numbers/available")

    assert (response.status_code, response.json()) == refusal("could not be reached")


@pytest.mark.parametrize("step", ["Local.json", "IncomingPhoneNumbers.json"])
def test_a_malformed_answer_from_twilio_is_reported(
    ours: Workspace, box: RunningSandbox, settings: Settings, step: str
) -> None:
    with relay_to(box.url) as between:
        settings.TWILIO_BASE_URL = between.url
        between.breaks = [Break(step, status=200, body=b"<html>Please log in</html>")]
        client = make.client(ours)

        response = (
            client.get("/phone-numbers/available")
            if step == "Local.json"
            else client.post("/phone-numbers/purchase", PURCHASE)
        )

    assert (response.status_code, response.json()) == refusal(
        "an answer that could not be understood"
    )
    assert at_twilio(box) == NOTHING_AT_TWILIO
    assert not PhoneNumber.unscoped.exists()
