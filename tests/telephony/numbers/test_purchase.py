import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings as configured
from pytest_django import Settings

from accounts.models import Workspace
from telephony.clients.twilio.client import Twilio
from telephony.models import PhoneNumber, SipTrunk
from telephony.services.numbers import clean_provisioning
from telephony.services.trunk_config import decrypt_password
from tests import make
from tests.sandbox_server import RunningSandbox
from tests.telephony.numbers.livekit import NOTHING, everything
from tests.telephony.numbers.relay import Break, Relay, relay_to

NUMBER = "+14155550123"
PURCHASE = {"phone_number": NUMBER}
IMPORT = {"phone_number": NUMBER, "provider": "twilio"}
TABLES = (
    "numbers",
    "trunks",
    "origination_urls",
    "credential_lists",
    "credentials",
    "trunk_credential_lists",
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


def at_twilio(box: RunningSandbox) -> dict[str, int]:
    state = box.control("GET", "twilio")
    return {table: len(state[table]) for table in TABLES}


NOTHING_AT_TWILIO = dict.fromkeys(TABLES, 0)
NUMBER_ONLY = {**NOTHING_AT_TWILIO, "numbers": 1}


def breaks(path: str, method: str = "POST", **fault: Any) -> dict[str, Any]:
    return {"method": method, "path": path, **fault}


def refusal(words: str) -> tuple[int, dict[str, str]]:
    return 500, {"detail": f"Twilio error: {words}"}


@pytest.fixture
def relay(box: RunningSandbox, settings: Settings) -> Iterator[Relay]:
    """Only LiveKit is behind it."""
    with relay_to(box.url) as running:
        settings.LIVEKIT_URL = running.url
        yield running


def buy_by_hand(number: str = NUMBER) -> str:
    """Somebody buys a number in Twilio's console."""
    return Twilio().buy(number, "Bought by hand").sid


def test_the_inventory_is_a_page_of_numbers(ours: Workspace, box: RunningSandbox) -> None:
    response = make.client(ours).get(
        "/phone-numbers/available?country=us&type=local&area_code=415&page_size=1"
    )

    body = response.json()
    assert (response.status_code, len(body["items"])) == (200, 1)
    assert body["items"][0] == {
        "phone_number": "+14155550100",
        "friendly_name": "(415) 555-0100",
        "country": "US",
        "type": "local",
        "locality": "San Francisco",
        "region": "CA",
        "postal_code": None,
        "address_requirements": "none",
        "capabilities": {"voice": True, "sms": True, "mms": False},
    }
    assert (body["page"], body["page_size"], body["total"], body["total_pages"]) == (1, 1, 100, 100)


def test_an_empty_inventory_is_an_empty_page(ours: Workspace, box: RunningSandbox) -> None:
    box.twilio(inventory=[])

    response = make.client(ours).get("/phone-numbers/available")

    assert response.status_code == 200
    assert response.json() == {
        "items": [],
        "total": 0,
        "page": 1,
        "page_size": 50,
        "total_pages": 0,
    }


def test_a_kind_that_a_country_does_not_have_is_told(ours: Workspace, box: RunningSandbox) -> None:
    response = make.client(ours).get("/phone-numbers/available?country=US&type=mobile")

    assert (response.status_code, response.json()) == refusal("no mobile numbers are sold in US")


def test_the_query_is_validated(ours: Workspace) -> None:
    response = make.client(ours).get(
        "/phone-numbers/available?country=U1&type=fax&area_code=x&contains=%27&page=0"
    )

    permitted = "value is not a valid enumeration member; permitted: 'local', 'toll_free', 'mobile'"
    told = {tuple(mistake["loc"]): mistake["msg"] for mistake in response.json()["detail"]}
    assert response.status_code == 422
    assert told == {
        ("query", "country"): "a country code of two letters is expected",
        ("query", "type"): permitted,
        ("query", "area_code"): "value is not a valid integer",
        ("query", "contains"): "only digits, letters, * and + are permitted",
        ("query", "page"): "ensure this value is greater than or equal to 1",
    }


def test_a_purchase_connects_twilio_to_livekit(ours: Workspace, box: RunningSandbox) -> None:
    agent = make.agent(ours)

    response = make.client(ours).post(
        "/phone-numbers/purchase",
        {**PURCHASE, "label": "Bay Area", "inbound_agent_id": str(agent.pk)},
    )

    number = PhoneNumber.unscoped.get()
    trunks = {trunk.direction: str(trunk.pk) for trunk in SipTrunk.unscoped.all()}
    domain = f"voiceops-{number.pk.hex}.pstn.twilio.com"
    assert response.status_code == 201
    assert response.json() == {
        "id": str(number.pk),
        "phone_number": NUMBER,
        "label": "Bay Area",
        "provider": "twilio",
        "status": "active",
        "sip": {
            "address": domain,
            "transport": "tcp",
            "auth_username": number.sip_auth_username,
            "has_password": True,
        },
        "inbound_agent_id": str(agent.pk),
        "calls_per_second": 1.0,
        "max_concurrent_calls": 10,
        "sip_trunk_ids": {"inbound": trunks["inbound"], "outbound": trunks["outbound"]},
        "created_at": number.created_at.isoformat().replace("+00:00", "Z"),
    }
    twilio = box.control("GET", "twilio")
    [bought], [trunk], [origination] = (
        twilio["numbers"],
        twilio["trunks"],
        twilio["origination_urls"],
    )
    assert (bought["phone_number"], bought["trunk_sid"]) == (NUMBER, trunk["sid"])
    assert (trunk["domain_name"], trunk["transfer_mode"]) == (domain, "enable-all")
    assert origination["sip_url"] == "sip:voiceops.sip.livekit.cloud;transport=tcp"
    assert [credential["username"] for credential in twilio["credentials"]] == [
        number.sip_auth_username
    ]
    assert len(twilio["trunk_credential_lists"]) == 1
    found = everything()
    assert found["outbound"][0].address == domain
    assert found["outbound"][0].auth_password == decrypt_password(number)
    assert list(found["inbound"][0].numbers) == [NUMBER]
    assert len(found["rules"]) == 1


def test_the_password_is_strong_and_never_shown(ours: Workspace, box: RunningSandbox) -> None:
    response = make.client(ours).post("/phone-numbers/purchase", PURCHASE)

    password = decrypt_password(PhoneNumber.unscoped.get())
    assert len(password) >= 12
    assert all(re.search(kind, password) for kind in ("[a-z]", "[A-Z]", "[0-9]"))
    assert password not in response.content.decode()


def test_deleting_a_bought_number_releases_it(ours: Workspace, box: RunningSandbox) -> None:
    client = make.client(ours)
    number = client.post("/phone-numbers/purchase", PURCHASE).json()
    assert all(at_twilio(box).values())

    response = client.delete(f"/phone-numbers/{number['id']}")

    assert (response.status_code, response.json()) == (200, {"detail": "Deleted"})
    assert at_twilio(box) == NOTHING_AT_TWILIO
    assert everything() == NOTHING
    assert not PhoneNumber.unscoped.exists()


def test_a_number_owned_already_is_imported_and_kept(ours: Workspace, box: RunningSandbox) -> None:
    sid = buy_by_hand()
    client = make.client(ours)

    imported = client.post("/phone-numbers", IMPORT)
    connected = at_twilio(box)
    deleted = client.delete(f"/phone-numbers/{imported.json()['id']}")

    [kept] = box.control("GET", "twilio")["numbers"]
    assert (imported.status_code, imported.json()["provider"], deleted.status_code) == (
        201,
        "twilio",
        200,
    )
    assert connected == dict.fromkeys(TABLES, 1)
    assert at_twilio(box) == NUMBER_ONLY
    assert (kept["sid"], kept["friendly_name"], kept["trunk_sid"]) == (sid, "Bought by hand", None)
    assert everything() == NOTHING


def test_an_imported_number_gets_its_application_back(ours: Workspace, box: RunningSandbox) -> None:
    sid = buy_by_hand()
    application = "AP" + "0" * 32
    Twilio().restore_application(sid, application)
    client = make.client(ours)
    number = client.post("/phone-numbers", IMPORT).json()

    client.delete(f"/phone-numbers/{number['id']}")

    [kept] = box.control("GET", "twilio")["numbers"]
    assert kept["voice_application_sid"] == application


def test_a_twilio_number_with_a_trunk_of_ones_own_needs_no_account(
    ours: Workspace, box: RunningSandbox, settings: Settings
) -> None:
    settings.TWILIO_ACCOUNT_SID = settings.TWILIO_AUTH_TOKEN = ""
    sip = {
        "address": "mine.pstn.twilio.com",
        "auth_username": "me",
        "auth_password": "Secret123456",
    }

    response = make.client(ours).post("/phone-numbers", {**IMPORT, "sip": sip})

    assert (response.status_code, response.json()["sip"]["address"]) == (
        201,
        "mine.pstn.twilio.com",
    )
    assert at_twilio(box) == NOTHING_AT_TWILIO


def test_the_sip_settings_of_a_connected_number_are_fixed(
    ours: Workspace, box: RunningSandbox
) -> None:
    client = make.client(ours)
    number = client.post("/phone-numbers/purchase", PURCHASE).json()

    response = client.patch(
        f"/phone-numbers/{number['id']}", {"sip": {"address": "elsewhere.example"}}
    )
    relabelled = client.patch(f"/phone-numbers/{number['id']}", {"label": "x"})

    words = "The SIP settings of a number connected through Twilio are not ours to change"
    assert (response.status_code, response.json()) == (400, {"detail": words})
    assert relabelled.json() == {**number, "label": "x"}


def test_what_was_read_of_a_connected_number_may_be_sent_back(
    ours: Workspace, box: RunningSandbox
) -> None:
    client = make.client(ours)
    number = client.post("/phone-numbers/purchase", PURCHASE).json()

    response = client.patch(f"/phone-numbers/{number['id']}", number)

    assert (response.status_code, response.json()) == (200, number)


def test_importing_a_number_that_is_not_owned_is_refused(
    ours: Workspace, box: RunningSandbox
) -> None:
    response = make.client(ours).post("/phone-numbers", IMPORT)

    assert (response.status_code, response.json()) == refusal(
        "the account does not own this number; buy it first"
    )
    assert not PhoneNumber.unscoped.exists()


def test_importing_from_another_trunk_is_refused_and_leaves_it(
    ours: Workspace, box: RunningSandbox
) -> None:
    twilio = Twilio()
    sid = buy_by_hand()
    trunk = twilio.create_trunk("Somebody's", "somebodys.pstn.twilio.com")
    twilio.attach_number(trunk, sid)

    response = make.client(ours).post("/phone-numbers", IMPORT)

    words = "the number is connected to another SIP trunk; disconnect it in the Twilio console"
    assert (response.status_code, response.json()) == refusal(words)
    assert [row["trunk_sid"] for row in box.control("GET", "twilio")["numbers"]] == [trunk]


def test_buying_what_is_owned_already_is_refused_and_keeps_it(
    ours: Workspace, box: RunningSandbox
) -> None:
    buy_by_hand()

    response = make.client(ours).post("/phone-numbers/purchase", PURCHASE)

    words = "the account owns this number already; register it with provider twilio"
    assert (response.status_code, response.json()) == refusal(words)
    assert at_twilio(box) == NUMBER_ONLY


def test_a_registered_number_is_not_bought(
    ours: Workspace, theirs: Workspace, box: RunningSandbox
) -> None:
    make.phone_number(theirs, phone_number=NUMBER)

    response = make.client(ours).post("/phone-numbers/purchase", PURCHASE)

    assert (response.status_code, response.json()) == (
        409,
        {"detail": "Phone number already registered"},
    )
    assert at_twilio(box) == NOTHING_AT_TWILIO


@pytest.mark.parametrize(
    ("offer", "words"),
    [
        (
            {"address_requirements": "any"},
            "Twilio requires an address for this number; add one in the Twilio console and buy it there",
        ),
        (
            {"bundle": True},
            "Twilio requires a regulatory bundle for this number; get one approved in its console and buy it there",
        ),
    ],
)
def test_what_a_number_requires_is_told(
    ours: Workspace, box: RunningSandbox, offer: dict[str, Any], words: str
) -> None:
    box.twilio(inventory=[{"phone_number": NUMBER, **offer}])

    response = make.client(ours).post("/phone-numbers/purchase", PURCHASE)

    assert (response.status_code, response.json()) == refusal(words)
    assert at_twilio(box) == NOTHING_AT_TWILIO
    assert not PhoneNumber.unscoped.exists()


def test_no_funds_are_told(ours: Workspace, box: RunningSandbox) -> None:
    box.twilio(balance=0)

    response = make.client(ours).post("/phone-numbers/purchase", PURCHASE)

    words = "the account is not active; add funds or have it reactivated in the Twilio console"
    assert (response.status_code, response.json()) == refusal(words)


def test_a_number_that_is_gone_is_told(ours: Workspace, box: RunningSandbox) -> None:
    box.twilio(inventory=[])

    response = make.client(ours).post("/phone-numbers/purchase", PURCHASE)

    assert (response.status_code, response.json()) == refusal(
        "the number is no longer available; search for another"
    )


def test_bad_credentials_are_told_without_them(
    ours: Workspace, box: RunningSandbox, settings: Settings
) -> None:
    settings.TWILIO_AUTH_TOKEN = "a token that is wrong"

    response = make.client(ours).post("/phone-numbers/purchase", PURCHASE)

    words = "the account SID or the auth token was refused; check TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN"
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


def test_twilio_that_cannot_be_reached_is_told(
    ours: Workspace, box: RunningSandbox, settings: Settings
) -> None:
    settings.TWILIO_BASE_URL = "http://127.0.0.1:9"

    response = make.client(ours).get("/phone-numbers/available")

    assert (response.status_code, response.json()) == refusal("could not be reached")


@pytest.mark.parametrize("step", ["Local.json", "IncomingPhoneNumbers.json"])
def test_an_answer_that_is_not_twilios_is_told(
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


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_one_request_too_many_is_sent_again(
    ours: Workspace, box: RunningSandbox, method: str
) -> None:
    box.twilio(
        faults=[breaks("IncomingPhoneNumbers.json", method=method, status=429, code=20429, times=2)]
    )

    response = make.client(ours).post("/phone-numbers/purchase", PURCHASE)

    assert response.status_code == 201


@pytest.mark.parametrize("status", [0, 400, 503], ids=["dropped", "refused", "failed"])
@pytest.mark.parametrize("step", STEPS)
def test_a_purchase_broken_before_any_step_leaves_nothing(
    ours: Workspace, box: RunningSandbox, step: str, status: int
) -> None:
    box.twilio(faults=[breaks(step, status=status)])

    response = make.client(ours).post("/phone-numbers/purchase", PURCHASE)

    assert box.control("GET", "twilio")["faults"][0]["times"] == 0
    assert response.status_code == 500
    assert response.json()["detail"].startswith("Twilio error: ")
    assert at_twilio(box) == NOTHING_AT_TWILIO
    assert everything() == NOTHING
    assert not PhoneNumber.unscoped.exists()


@pytest.mark.parametrize("status", [0, 500], ids=["dropped", "failed"])
@pytest.mark.parametrize("step", STEPS)
def test_a_step_whose_answer_is_lost_is_found_and_not_done_twice(
    ours: Workspace, box: RunningSandbox, step: str, status: int
) -> None:
    box.twilio(faults=[breaks(step, when="after", status=status)])

    response = make.client(ours).post("/phone-numbers/purchase", PURCHASE)

    assert box.control("GET", "twilio")["faults"][0]["times"] == 0
    assert response.status_code == 201
    assert at_twilio(box) == dict.fromkeys(TABLES, 1)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    "step", ["CreateSIPInboundTrunk", "CreateSIPOutboundTrunk", "CreateSIPDispatchRule"]
)
def test_a_purchase_that_livekit_breaks_leaves_nothing_anywhere(
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
def test_an_import_broken_at_any_step_keeps_the_number(
    ours: Workspace, box: RunningSandbox, step: str
) -> None:
    sid = buy_by_hand()
    box.twilio(faults=[breaks(step, status=400)])

    response = make.client(ours).post("/phone-numbers", IMPORT)

    expected = 201 if step == STEPS[0] else 500
    left = dict.fromkeys(TABLES, 1) if expected == 201 else NUMBER_ONLY
    assert response.status_code == expected
    assert at_twilio(box) == left
    assert box.control("GET", "twilio")["numbers"][0]["sid"] == sid


@pytest.mark.parametrize(
    "step", ["/v1/Trunks", "OriginationUrls", "CredentialLists", "PhoneNumbers"]
)
def test_an_undo_that_breaks_is_finished_later(
    ours: Workspace, box: RunningSandbox, step: str
) -> None:
    box.twilio(
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


def test_other_peoples_things_at_twilio_stay(ours: Workspace, box: RunningSandbox) -> None:
    twilio = Twilio()
    for name in ("one", "two"):
        twilio.create_trunk(name, f"{name}.pstn.twilio.com")
        twilio.create_credential_list(name)
    client = make.client(ours)
    number = client.post("/phone-numbers/purchase", PURCHASE).json()

    client.delete(f"/phone-numbers/{number['id']}")

    assert at_twilio(box) == {**NOTHING_AT_TWILIO, "trunks": 2, "credential_lists": 2}
