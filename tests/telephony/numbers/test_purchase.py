import re

from pytest_django import Settings

from accounts.models import Workspace
from telephony.clients.twilio.client import Twilio
from telephony.models import PhoneNumber, SipTrunk
from telephony.services.trunk_config import decrypt_password
from tests import make
from tests.sandbox_server import RunningSandbox
from tests.telephony.numbers.livekit import NOTHING, everything
from tests.telephony.numbers.twilio import (
    IMPORT,
    NOTHING_AT_TWILIO,
    NUMBER,
    NUMBER_ONLY,
    PURCHASE,
    TABLES,
    at_twilio,
    buy_by_hand,
    refusal,
)


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
            "dial_format": None,
            "dial_prefix": None,
            "codecs": None,
            "headers": {},
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


def test_the_password_is_strong_and_never_returned(ours: Workspace, box: RunningSandbox) -> None:
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


def test_a_number_already_owned_is_imported_and_kept(ours: Workspace, box: RunningSandbox) -> None:
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


def test_a_twilio_number_with_its_own_trunk_needs_no_account(
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

    words = "The SIP settings of a number connected through Twilio cannot be changed"
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


def test_buying_a_number_already_owned_is_refused_and_keeps_it(
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


def test_foreign_objects_at_twilio_stay(ours: Workspace, box: RunningSandbox) -> None:
    twilio = Twilio()
    for name in ("one", "two"):
        twilio.create_trunk(name, f"{name}.pstn.twilio.com")
        twilio.create_credential_list(name)
    client = make.client(ours)
    number = client.post("/phone-numbers/purchase", PURCHASE).json()

    client.delete(f"/phone-numbers/{number['id']}")

    assert at_twilio(box) == {**NOTHING_AT_TWILIO, "trunks": 2, "credential_lists": 2}
