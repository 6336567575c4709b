"""Buying a number: searched for, looked at with its price, confirmed, once."""

import pytest
from pytest_django import Settings

from accounts.models import Workspace
from accounts.roles import Role
from telephony.models import PhoneNumber
from tests import make
from tests.console.browsers import reader, text_of
from tests.sandbox_server import RunningSandbox

SEARCH = {"country": "US", "type": "local", "area_code": "415", "contains": ""}
NUMBER = "+14155550100"


def test_number_is_searched_for_and_bought_after_a_look_at_its_price(
    ours: Workspace, box: RunningSandbox
) -> None:
    agent = make.agent(ours, name="Reception")
    browser = reader(make.member(ours, Role.ADMIN))

    found = browser.get("/console/numbers/buy", SEARCH)
    asked = browser.get("/console/numbers/buy", {**SEARCH, "number": NUMBER})
    before = PhoneNumber.unscoped.count()
    order = {"phone_number": NUMBER, "label": "Desk", "inbound_agent_id": str(agent.pk)}
    bought = browser.post("/console/numbers/buy", order)

    row = PhoneNumber.unscoped.get()
    assert f"{NUMBER} San Francisco, CA 1.15 USD Buy" in text_of(found)
    assert "number=%2B14155550100" in found.content.decode()
    assert "It costs 1.15 USD a month until it is given back" in text_of(asked)
    assert before == 0
    assert bought["Location"] == f"/console/numbers/{row.pk}"
    assert (row.phone_number, row.label, row.inbound_agent_id) == (NUMBER, "Desk", agent.pk)
    assert "is yours" in text_of(browser.get(bought["Location"]))


def test_a_purchase_that_is_refused_says_why_and_can_be_repeated(
    ours: Workspace, box: RunningSandbox
) -> None:
    box.set_twilio(balance=0)
    browser = reader(make.member(ours, Role.ADMIN))
    address = f"/console/numbers/buy?country=US&type=local&number=%2B{NUMBER[1:]}"

    refused = browser.post(address, {"phone_number": NUMBER, "label": "Desk"})

    assert refused.status_code == 422
    assert "The account is not active" in text_of(refused).replace("the account", "The account")
    assert 'value="Desk"' in refused.content.decode()
    assert not PhoneNumber.unscoped.exists()


def test_numbers_that_need_an_address_are_not_offered_here(
    ours: Workspace, box: RunningSandbox
) -> None:
    page = reader(make.member(ours, Role.ADMIN)).get(
        "/console/numbers/buy", {**SEARCH, "country": "DE", "area_code": ""}
    )

    assert "Needs an address: buy it at Twilio, then register it" in text_of(page)
    assert "number=" not in page.content.decode()


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"area_code": "533"}, "No number like this is for sale"),
        ({"area_code": "x"}, "A whole number is expected."),
        ({"contains": "';"}, "Only digits, letters, * and + are permitted."),
    ],
)
def test_search_without_a_result_leads_on(
    query: dict[str, str], words: str, ours: Workspace, box: RunningSandbox
) -> None:
    page = reader(make.member(ours, Role.ADMIN)).get("/console/numbers/buy", {**SEARCH, **query})

    assert words in text_of(page)


def test_installation_without_an_account_says_so(ours: Workspace, settings: Settings) -> None:
    settings.TWILIO_ACCOUNT_SID = ""

    page = reader(make.member(ours, Role.ADMIN)).get("/console/numbers/buy", SEARCH)

    assert "No Twilio account is connected to this installation." in text_of(page)
