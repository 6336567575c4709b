"""The Twilio resources, through Twilio's own client."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.rest import Client

from tests import sandbox_server
from tests.sandbox.clients import twilio
from tests.sandbox_server import RunningSandbox


@pytest.fixture
def box() -> Iterator[RunningSandbox]:
    with sandbox_server.start() as running:
        yield running


@pytest.fixture
def client(box: RunningSandbox) -> Client:
    return twilio(box)


def refusal(error: TwilioRestException) -> tuple[int, int]:
    return error.status, error.code


def test_search_lists_numbers_of_the_area(client: Client) -> None:
    found = client.available_phone_numbers("US").local.list(
        area_code=415, voice_enabled=True, limit=3
    )

    assert [n.phone_number for n in found] == ["+14155550100", "+14155550101", "+14155550102"]
    assert found[0].friendly_name == "(415) 555-0100"
    assert found[0].capabilities == {"voice": True, "SMS": True, "MMS": False}
    assert (found[0].locality, found[0].region, found[0].address_requirements) == (
        "San Francisco",
        "CA",
        "none",
    )


def test_search_without_matches_is_empty(client: Client) -> None:
    assert client.available_phone_numbers("US").local.list(area_code=533, limit=5) == []
    assert client.available_phone_numbers("US").local.list(contains="999999", limit=5) == []
    assert (
        client.available_phone_numbers("DE").local.list(exclude_all_address_required=True, limit=5)
        == []
    )


def test_unknown_number_type_is_not_found(client: Client) -> None:
    with pytest.raises(
        TwilioException, match=r"HTTP 404 .*20404"
    ):  # list() does not raise a TwilioRestException
        client.available_phone_numbers("US").mobile.list(limit=1)


def test_search_accepts_alphabetic_and_wildcard_characters(client: Client) -> None:
    found = client.available_phone_numbers("US").local.list(
        area_code=212, contains="JKL01*9", limit=20
    )

    assert [n.phone_number for n in found] == [f"+121255501{tens}9" for tens in range(10)]


def test_bought_number_is_no_longer_for_sale_and_is_paid(
    box: RunningSandbox, client: Client
) -> None:
    bought = client.incoming_phone_numbers.create(
        phone_number="+14155550100", friendly_name="Support"
    )

    assert bought.sid is not None
    assert bought.sid.startswith("PN")
    assert bought.capabilities == {"voice": True, "sms": True, "mms": False, "fax": False}
    assert [n.sid for n in client.incoming_phone_numbers.list(phone_number="+14155550100")] == [
        bought.sid
    ]
    left = client.available_phone_numbers("US").local.list(area_code=415, limit=1)
    assert left[0].phone_number == "+14155550101"
    assert client.api.v2010.account.balance.fetch().balance == "98.85"
    assert box.control("GET", "twilio")["balance"] == 98.85


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ({"phone_number": "+15005550000"}, (400, 21422)),
        ({"phone_number": "+15005550001"}, (400, 21421)),
        ({"phone_number": "+12065551234"}, (400, 21422)),
        ({"phone_number": "4155550100"}, (400, 21421)),
        ({"area_code": "533"}, (400, 21452)),
        ({"area_code": "4"}, (400, 21451)),
        ({"phone_number": "+447700900023"}, (400, 21649)),
        ({"phone_number": "+493023125000"}, (400, 21631)),
        ({"phone_number": "+14155550100", "trunk_sid": "TK" + "0" * 32}, (400, 21609)),
        ({}, (400, 20001)),
    ],
)
def test_invalid_purchase_is_refused_with_twilios_code(
    client: Client, order: dict[str, str], expected: tuple[int, int]
) -> None:
    with pytest.raises(TwilioRestException) as refused:
        client.incoming_phone_numbers.create(**order)

    assert refusal(refused.value) == expected


def test_refusal_has_twilios_message(client: Client) -> None:
    with pytest.raises(TwilioRestException) as refused:
        client.incoming_phone_numbers.create(phone_number="+447700900023")

    sentence = "Bundle required and not provided for country: [GB] and numberType: [MOBILE]"
    assert refused.value.msg == f"Unable to create record: {sentence}"


def test_magic_numbers_can_be_bought(client: Client) -> None:
    assert (
        client.incoming_phone_numbers.create(phone_number="+15005550006").phone_number
        == "+15005550006"
    )
    assert client.incoming_phone_numbers.create(area_code="500").phone_number == "+15005550006"


def test_number_cannot_be_bought_twice(client: Client) -> None:
    client.incoming_phone_numbers.create(phone_number="+14155550100")

    with pytest.raises(TwilioRestException) as refused:
        client.incoming_phone_numbers.create(phone_number="+14155550100")

    assert refusal(refused.value) == (400, 21422)


def test_purchase_needs_a_sufficient_balance(box: RunningSandbox, client: Client) -> None:
    box.set_twilio(balance=0.5)

    with pytest.raises(TwilioRestException) as refused:
        client.incoming_phone_numbers.create(phone_number="+14155550100")

    assert refusal(refused.value) == (403, 20005)
    assert client.incoming_phone_numbers.list() == []


def test_inventory_can_be_set(box: RunningSandbox, client: Client) -> None:
    box.set_twilio(inventory=["+12025550111", {"phone_number": "+447700900001", "type": "Mobile"}])

    assert [n.phone_number for n in client.available_phone_numbers("US").local.list()] == [
        "+12025550111"
    ]
    assert [n.phone_number for n in client.available_phone_numbers("GB").mobile.list()] == [
        "+447700900001"
    ]
    assert client.incoming_phone_numbers.create(phone_number="+447700900001").type == "mobile"


def test_released_number_is_for_sale_again(client: Client) -> None:
    bought = client.incoming_phone_numbers.create(phone_number="+14155550100")

    assert client.incoming_phone_numbers(bought.sid).delete() is True

    with pytest.raises(TwilioRestException) as refused:
        client.incoming_phone_numbers(bought.sid).delete()
    assert refusal(refused.value) == (404, 20404)
    assert (
        client.available_phone_numbers("US").local.list(area_code=415, limit=1)[0].phone_number
        == "+14155550100"
    )


def test_wrong_credentials_are_refused(box: RunningSandbox) -> None:
    with pytest.raises(TwilioRestException) as refused:
        twilio(box, token="wrong").api.v2010.account.balance.fetch()

    assert refusal(refused.value) == (401, 20003)


def test_number_is_connected_to_livekit_and_disconnected(
    box: RunningSandbox, client: Client
) -> None:
    number = client.incoming_phone_numbers.create(phone_number="+14155550100")
    trunk = client.trunking.v1.trunks.create(
        friendly_name="VoiceOps", domain_name="vo-1.pstn.twilio.com", transfer_mode="enable-all"
    )
    here = client.trunking.v1.trunks(trunk.sid)
    url = here.origination_urls.create(
        weight=1,
        priority=1,
        enabled=True,
        friendly_name="LiveKit",
        sip_url="sip:x.sip.livekit.cloud;transport=tcp",
    )
    credentials = client.sip.credential_lists.create(friendly_name="VoiceOps")
    client.sip.credential_lists(credentials.sid).credentials.create(
        username="voiceops", password="Abcdefghij12"
    )
    here.credentials_lists.create(credential_list_sid=credentials.sid)
    here.phone_numbers.create(phone_number_sid=number.sid)

    assert client.incoming_phone_numbers(number.sid).fetch().trunk_sid == trunk.sid
    assert [n.phone_number for n in here.phone_numbers.list()] == ["+14155550100"]
    assert [u.sip_url for u in here.origination_urls.list()] == [
        "sip:x.sip.livekit.cloud;transport=tcp"
    ]
    assert [c.sid for c in here.credentials_lists.list()] == [credentials.sid]
    assert here.fetch().auth_type_set == ["CREDENTIAL_LIST"]

    here.phone_numbers(number.sid).delete()
    here.credentials_lists(credentials.sid).delete()
    client.sip.credential_lists(credentials.sid).delete()
    here.origination_urls(url.sid).delete()
    here.delete()
    client.incoming_phone_numbers(number.sid).delete()

    state = box.control("GET", "twilio")
    left = {
        name: state[name]
        for name in ("numbers", "trunks", "origination_urls", "credential_lists", "credentials")
    }
    assert left == {
        "numbers": [],
        "trunks": [],
        "origination_urls": [],
        "credential_lists": [],
        "credentials": [],
    }


def test_termination_domain_stays_reserved_after_its_trunk_is_deleted(client: Client) -> None:
    trunk = client.trunking.v1.trunks.create(domain_name="vo-1.pstn.twilio.com")
    client.trunking.v1.trunks(trunk.sid).delete()

    with pytest.raises(TwilioRestException) as refused:
        client.trunking.v1.trunks.create(domain_name="vo-1.pstn.twilio.com")

    assert refusal(refused.value) == (400, 21248)


def test_domain_must_be_twilios(client: Client) -> None:
    with pytest.raises(TwilioRestException) as refused:
        client.trunking.v1.trunks.create(domain_name="vo-1.example.com")

    assert refusal(refused.value) == (400, 21232)


@pytest.mark.parametrize("password", ["Short1", "alllowercase1", "NoDigitsAtAll"])
def test_weak_sip_passwords_are_refused(client: Client, password: str) -> None:
    credentials = client.sip.credential_lists.create(friendly_name="VoiceOps")

    with pytest.raises(TwilioRestException) as refused:
        client.sip.credential_lists(credentials.sid).credentials.create(
            username="voiceops", password=password
        )

    assert refusal(refused.value) == (400, 20001)


def test_lists_are_paged(box: RunningSandbox, client: Client) -> None:
    for number in range(5):
        client.incoming_phone_numbers.create(phone_number=f"+1415555010{number}")
        client.trunking.v1.trunks.create(domain_name=f"vo-{number}.pstn.twilio.com")

    numbers = client.incoming_phone_numbers.list(page_size=2)
    trunks = client.trunking.v1.trunks.list(page_size=2)

    assert [n.phone_number for n in numbers] == [f"+1415555010{number}" for number in range(5)]
    assert [t.domain_name for t in trunks] == [
        f"vo-{number}.pstn.twilio.com" for number in range(5)
    ]
    assert client.trunking.v1.trunks.page(page_size=2).next_page_url == (
        "https://trunking.twilio.com/v1/Trunks?PageSize=2&Page=1"
    )


def test_fault_before_the_purchase_buys_nothing(box: RunningSandbox, client: Client) -> None:
    box.set_twilio(
        faults=[{"method": "POST", "path": "IncomingPhoneNumbers", "status": 429, "code": 20429}]
    )

    with pytest.raises(TwilioRestException) as refused:
        client.incoming_phone_numbers.create(phone_number="+14155550100")

    assert refusal(refused.value) == (429, 20429)
    assert client.incoming_phone_numbers.list() == []


def test_fault_after_the_purchase_leaves_the_number_bought(
    box: RunningSandbox, client: Client
) -> None:
    box.set_twilio(faults=[{"method": "POST", "path": "IncomingPhoneNumbers", "when": "after"}])

    with pytest.raises(requests.exceptions.ConnectionError):
        client.incoming_phone_numbers.create(phone_number="+14155550100")

    assert [n.phone_number for n in client.incoming_phone_numbers.list()] == ["+14155550100"]


def test_bought_numbers_survive_a_restart(tmp_path: Path) -> None:
    with sandbox_server.start(data_dir=tmp_path) as box:
        box.set_twilio(balance=50, inventory=["+12025550111", "+12025550112"])
        twilio(box).incoming_phone_numbers.create(phone_number="+12025550111")

    with sandbox_server.start(data_dir=tmp_path) as box:
        client = twilio(box)
        assert [n.phone_number for n in client.incoming_phone_numbers.list()] == ["+12025550111"]
        assert [n.phone_number for n in client.available_phone_numbers("US").local.list()] == [
            "+12025550112"
        ]
        assert client.api.v2010.account.balance.fetch().balance == "48.85"
