from collections.abc import Iterator
from typing import Any

import pytest
from livekit.protocol import sip
from pytest_django import Settings

from accounts.models import Workspace
from accounts.roles import Role
from telephony.models import NumberPace, PhoneNumber, SipTrunk
from telephony.services.trunk_config import decrypt_password
from tests import make
from tests.sandbox_server import RunningSandbox
from tests.telephony.numbers.livekit import NOTHING, everything
from tests.telephony.numbers.relay import Break, Relay, relay_to

NUMBER = "+12025550100"
SIP: dict[str, Any] = {
    "address": "sip.carrier.example:5061",
    "transport": "tls",
    "auth_username": "voice",
    "auth_password": "s3cret of the trunk",
}


def body(**fields: Any) -> dict[str, Any]:
    return {"phone_number": NUMBER, "provider": "sip", "sip": SIP, **fields}


def mistake(loc: list[str], msg: str, kind: str) -> dict[str, Any]:
    return {"loc": ["body", *loc], "msg": msg, "type": kind}


@pytest.fixture
def relay(box: RunningSandbox, settings: Settings) -> Iterator[Relay]:
    with relay_to(box.url) as running:
        settings.LIVEKIT_URL = running.url
        yield running


def test_registering_answers_the_number(ours: Workspace, box: RunningSandbox) -> None:
    agent = make.agent(ours)

    response = make.client(ours).post(
        "/phone-numbers",
        body(
            label="Front desk",
            inbound_agent_id=str(agent.pk),
            calls_per_second=2.5,
            max_concurrent_calls=7,
        ),
    )

    number = PhoneNumber.unscoped.get()
    trunks = {trunk.direction: trunk for trunk in SipTrunk.unscoped.all()}
    assert response.status_code == 201
    assert response.json() == {
        "id": str(number.pk),
        "phone_number": NUMBER,
        "label": "Front desk",
        "provider": "sip",
        "status": "active",
        "sip": {
            "address": "sip.carrier.example:5061",
            "transport": "tls",
            "auth_username": "voice",
            "has_password": True,
        },
        "inbound_agent_id": str(agent.pk),
        "calls_per_second": 2.5,
        "max_concurrent_calls": 7,
        "sip_trunk_ids": {
            "inbound": str(trunks["inbound"].pk),
            "outbound": str(trunks["outbound"].pk),
        },
        "created_at": number.created_at.isoformat().replace("+00:00", "Z"),
    }
    assert NumberPace.unscoped.filter(number=number).exists()


def test_registering_makes_trunks_and_a_rule_at_livekit(
    ours: Workspace, box: RunningSandbox
) -> None:
    agent = make.agent(ours)

    make.client(ours).post("/phone-numbers", body(inbound_agent_id=str(agent.pk)))

    number = PhoneNumber.unscoped.get()
    found = everything()
    [outbound], [inbound], [rule] = found["outbound"], found["inbound"], found["rules"]
    assert (outbound.address, list(outbound.numbers)) == ("sip.carrier.example:5061", [NUMBER])
    assert (outbound.transport, outbound.auth_username) == (sip.SIP_TRANSPORT_TLS, "voice")
    assert outbound.auth_password == "s3cret of the trunk"
    assert list(inbound.numbers) == [NUMBER]
    assert list(rule.trunk_ids) == [inbound.sip_trunk_id]
    assert rule.rule.dispatch_rule_individual.room_prefix == f"in-{number.pk}"
    assert (
        list(rule.room_config.agents) == []
    )  # the agent is dispatched once the call is known to us
    assert dict(rule.attributes) == {
        "voiceops.phone_number_id": str(number.pk),
        "voiceops.agent_id": str(agent.pk),
    }
    assert number.dispatch_rule_id == rule.sip_dispatch_rule_id
    assert set(SipTrunk.unscoped.values_list("direction", "livekit_trunk_id")) == {
        ("outbound", outbound.sip_trunk_id),
        ("inbound", inbound.sip_trunk_id),
    }


def test_defaults_are_the_documented_ones(ours: Workspace, box: RunningSandbox) -> None:
    response = make.client(ours).post("/phone-numbers", body(sip={"address": "sip.example.com"}))

    answer = response.json()
    assert response.status_code == 201
    assert answer["sip"] == {
        "address": "sip.example.com",
        "transport": "tcp",
        "auth_username": "",
        "has_password": False,
    }
    assert (answer["label"], answer["inbound_agent_id"]) == ("", None)
    assert (answer["calls_per_second"], answer["max_concurrent_calls"]) == (1.0, 10)
    assert everything()["rules"] == []


def test_the_password_is_encrypted_at_rest_and_never_shown(
    ours: Workspace, box: RunningSandbox
) -> None:
    client = make.client(ours)

    made = client.post("/phone-numbers", body())
    listed = client.get("/phone-numbers")

    number = PhoneNumber.unscoped.get()
    assert decrypt_password(number) == "s3cret of the trunk"
    assert (
        "s3cret" not in number.sip_auth_password + made.content.decode() + listed.content.decode()
    )


def test_headers_and_allowed_addresses_reach_livekit(ours: Workspace, box: RunningSandbox) -> None:
    extras = {"headers": {"X-Customer": "42"}, "allowed_addresses": ["203.0.113.0/24"]}

    response = make.client(ours).post("/phone-numbers", body(sip={**SIP, **extras}))

    found = everything()
    assert response.status_code == 201
    assert dict(found["outbound"][0].headers) == {"X-Customer": "42"}
    assert list(found["inbound"][0].allowed_addresses) == ["203.0.113.0/24"]


def test_any_spelling_is_stored_as_e164(ours: Workspace, box: RunningSandbox) -> None:
    response = make.client(ours).post("/phone-numbers", body(phone_number="+1 (202) 555-0100"))

    assert response.json()["phone_number"] == NUMBER


@pytest.mark.parametrize(
    "spelling", ["12345", "+1202555010", "202 555 0100", "+12025550100;ext=5", "anonymous"]
)
def test_what_is_no_phone_number_is_refused(ours: Workspace, spelling: str) -> None:
    response = make.client(ours).post("/phone-numbers", body(phone_number=spelling))

    assert (response.status_code, response.json()) == (400, {"detail": "Invalid phone number"})
    assert not PhoneNumber.unscoped.exists()


def test_every_mistake_is_told_at_once(ours: Workspace) -> None:
    response = make.client(ours).post(
        "/phone-numbers",
        {
            "provider": "fax",
            "sip": {"transport": "ws", "auth_password": None, "realm": "x"},
            "inbound_agent_id": "nobody",
            "calls_per_second": "fast",
            "max_concurrent_calls": 0,
            "colour": "red",
        },
    )

    permitted = "value is not a valid enumeration member; permitted: "
    assert response.status_code == 422
    assert response.json() == {
        "detail": [
            mistake(["phone_number"], "field required", "value_error.missing"),
            mistake(["provider"], permitted + "'sip', 'twilio'", "type_error.enum"),
            mistake(["sip", "address"], "field required", "value_error.missing"),
            mistake(["sip", "transport"], permitted + "'tcp', 'udp', 'tls'", "type_error.enum"),
            mistake(
                ["sip", "auth_password"],
                "none is not an allowed value",
                "type_error.none.not_allowed",
            ),
            mistake(["sip", "realm"], "extra fields not permitted", "value_error.extra"),
            mistake(["inbound_agent_id"], "value is not a valid uuid", "type_error.uuid"),
            mistake(["calls_per_second"], "value is not a valid float", "type_error.float"),
            mistake(
                ["max_concurrent_calls"],
                "ensure this value is greater than or equal to 1",
                "value_error.number.not_ge",
            ),
            mistake(["colour"], "extra fields not permitted", "value_error.extra"),
        ]
    }


def test_a_carrier_number_needs_its_trunk(ours: Workspace) -> None:
    response = make.client(ours).post("/phone-numbers", {"phone_number": NUMBER, "provider": "sip"})

    assert response.status_code == 422
    assert response.json() == {
        "detail": [mistake(["sip"], "field required", "value_error.missing")]
    }


@pytest.mark.parametrize(
    "address",
    [
        "sip:carrier.example",
        "user@carrier.example",
        "carrier.example;transport=tcp",
        "<carrier.example>",
        "carrier.example\r\nVia: x",
        "carrier.example:99999",
        "[nonsense]",
        "two words",
    ],
)
def test_a_malformed_address_is_refused(ours: Workspace, address: str) -> None:
    response = make.client(ours).post("/phone-numbers", body(sip={"address": address}))

    [told] = response.json()["detail"]
    assert (response.status_code, told["loc"], told["type"]) == (
        422,
        ["body", "sip", "address"],
        "value_error",
    )


@pytest.mark.parametrize(
    "headers",
    [
        {"From": "x"},
        {"X-A\r\nVia": "x"},
        {"X-A": "b\r\nVia: c"},
        {"X-A": "b" * 300},
        {f"X-{n}": "" for n in range(21)},
    ],
)
def test_headers_that_are_not_ours_to_set_are_refused(
    ours: Workspace, headers: dict[str, str]
) -> None:
    response = make.client(ours).post("/phone-numbers", body(sip={**SIP, "headers": headers}))

    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"][:3] == ["body", "sip", "headers"]


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.1",
        "0x7f.1",
        "2130706433",
        "10.0.0.8:5060",
        "169.254.169.254",
        "[::1]",
        "[::ffff:10.0.0.1]",
        "[64:ff9b::7f00:1]",
        "localhost",
        "sip.internal",
    ],
)
def test_a_private_address_is_refused(ours: Workspace, settings: Settings, address: str) -> None:
    settings.USES_SANDBOX = False

    response = make.client(ours).post("/phone-numbers", body(sip={"address": address}))

    assert (response.status_code, response.json()) == (
        400,
        {"detail": "SIP address must be public"},
    )
    assert not PhoneNumber.unscoped.exists()


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "[2606:4700::1111]:5061", "sip.carrier.example", "localhost.example.com"]
)
def test_a_public_address_is_taken(
    ours: Workspace, box: RunningSandbox, settings: Settings, address: str
) -> None:
    settings.USES_SANDBOX = False

    response = make.client(ours).post("/phone-numbers", body(sip={"address": address}))

    assert response.status_code == 201


def test_the_sandbox_may_be_given_private_addresses(ours: Workspace, box: RunningSandbox) -> None:
    response = make.client(ours).post("/phone-numbers", body(sip={"address": "127.0.0.1"}))

    assert response.status_code == 201


def test_another_workspaces_agent_is_not_found(ours: Workspace, theirs: Workspace) -> None:
    agent = make.agent(theirs)

    response = make.client(ours).post("/phone-numbers", body(inbound_agent_id=str(agent.pk)))

    assert (response.status_code, response.json()) == (404, {"detail": "Agent not found"})


@pytest.mark.parametrize("role", [Role.MEMBER, Role.MANAGER])
def test_only_admins_register(ours: Workspace, role: Role) -> None:
    response = make.client(ours, role).post("/phone-numbers", body())

    assert (response.status_code, response.json()) == (403, {"detail": "Admin access required"})


def test_a_number_is_registered_once_across_workspaces(
    ours: Workspace, theirs: Workspace, box: RunningSandbox
) -> None:
    make.client(theirs).post("/phone-numbers", body())

    response = make.client(ours).post("/phone-numbers", body())

    assert (response.status_code, response.json()) == (
        409,
        {"detail": "Phone number already registered"},
    )
    assert {kind: len(items) for kind, items in everything().items()} == {
        "outbound": 1,
        "inbound": 1,
        "rules": 0,
    }


def test_a_number_on_somebodys_own_trunk_is_taken_too(ours: Workspace, theirs: Workspace) -> None:
    make.sip_trunk(theirs, numbers=["+12025550199", NUMBER])

    response = make.client(ours).post("/phone-numbers", body())

    assert (response.status_code, response.json()) == (
        409,
        {"detail": "Phone number already registered"},
    )


def test_livekits_refusal_is_passed_on_and_leaves_nothing(ours: Workspace, relay: Relay) -> None:
    words = b'{"code": "invalid_argument", "msg": "twirp error unknown: missing trunk"}'
    relay.breaks = [Break("CreateSIPInboundTrunk", status=400, body=words)]

    response = make.client(ours).post("/phone-numbers", body())

    assert response.status_code == 500
    assert response.json() == {"detail": "LiveKit SIP error: missing trunk"}
    assert everything() == NOTHING
    assert not PhoneNumber.unscoped.exists()


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_an_answer_that_is_not_livekits_is_told_and_leaves_nothing(
    ours: Workspace, relay: Relay, after: bool
) -> None:
    relay.breaks = [
        Break("CreateSIPInboundTrunk", status=200, body=b"<html>Please log in</html>", after=after)
    ]

    response = make.client(ours).post("/phone-numbers", body())

    words = "LiveKit SIP error: an answer that could not be understood"
    assert (response.status_code, response.json()) == (500, {"detail": words})
    assert everything() == NOTHING
    assert not PhoneNumber.unscoped.exists()


def test_a_refused_key_is_told_without_the_secret(
    ours: Workspace, box: RunningSandbox, settings: Settings
) -> None:
    settings.LIVEKIT_API_SECRET = "another secret, long enough for the algorithm"

    response = make.client(ours).post("/phone-numbers", body())

    assert response.status_code == 500
    assert response.json() == {"detail": "LiveKit SIP error: the API key or secret was refused"}
    settings.LIVEKIT_API_SECRET = box.api_secret
    assert everything() == NOTHING


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("status", [0, 500, 503], ids=["dropped", "500", "503"])
@pytest.mark.parametrize(
    "step", ["CreateSIPInboundTrunk", "CreateSIPOutboundTrunk", "CreateSIPDispatchRule"]
)
def test_a_registration_broken_at_any_step_leaves_nothing(
    ours: Workspace, relay: Relay, step: str, status: int, after: bool
) -> None:
    agent = make.agent(ours)
    relay.breaks = [Break(step, after=after, status=status)]

    response = make.client(ours).post("/phone-numbers", body(inbound_agent_id=str(agent.pk)))

    assert any(path.endswith(step) for path in relay.seen)
    assert response.status_code == 500
    assert response.json()["detail"].startswith("LiveKit SIP error: ")
    assert everything() == NOTHING
    assert not PhoneNumber.unscoped.exists()
    assert not SipTrunk.unscoped.exists()


def test_a_number_can_be_registered_after_it_failed(ours: Workspace, relay: Relay) -> None:
    relay.breaks = [Break("CreateSIPOutboundTrunk", after=True)]
    client = make.client(ours)

    first = client.post("/phone-numbers", body())
    second = client.post("/phone-numbers", body())

    assert (first.status_code, second.status_code) == (500, 201)
    assert {kind: len(items) for kind, items in everything().items()} == {
        "outbound": 1,
        "inbound": 1,
        "rules": 0,
    }


def test_livekit_that_cannot_be_reached_is_told(ours: Workspace) -> None:
    response = make.client(ours).post("/phone-numbers", body())

    assert (response.status_code, response.json()) == (
        500,
        {"detail": "LiveKit SIP error: could not be reached"},
    )


def test_a_registration_that_cannot_be_undone_now_is_undone_by_the_next(
    ours: Workspace, relay: Relay
) -> None:
    relay.breaks = [
        Break("CreateSIPOutboundTrunk", status=503),
        Break("DeleteSIPTrunk", status=503),
    ]
    client = make.client(ours)

    first = client.post("/phone-numbers", body())

    assert first.status_code == 500
    assert client.get("/phone-numbers").json()["items"][0]["status"] == "error"
    assert client.post("/phone-numbers", body()).status_code == 201
    assert {kind: len(items) for kind, items in everything().items()} == {
        "outbound": 1,
        "inbound": 1,
        "rules": 0,
    }
