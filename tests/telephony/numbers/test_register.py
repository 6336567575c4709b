import pytest
from livekit.protocol import sip

from accounts.models import Workspace
from accounts.roles import Role
from telephony.models import NumberPace, PhoneNumber, SipTrunk
from telephony.services.trunk_config import decrypt_password
from tests import make
from tests.sandbox_server import RunningSandbox
from tests.telephony.numbers.livekit import everything
from tests.telephony.numbers.registration import NUMBER, SIP, body


def test_registering_returns_the_number(ours: Workspace, box: RunningSandbox) -> None:
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
            "dial_format": None,
            "dial_prefix": None,
            "codecs": None,
            "headers": {},
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
    # The agent is dispatched when the call is known to us.
    assert list(rule.room_config.agents) == []
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
        "dial_format": None,
        "dial_prefix": None,
        "codecs": None,
        "headers": {},
    }
    assert (answer["label"], answer["inbound_agent_id"]) == ("", None)
    assert (answer["calls_per_second"], answer["max_concurrent_calls"]) == (1.0, 10)
    assert everything()["rules"] == []


def test_the_password_is_encrypted_at_rest_and_never_returned(
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


def test_private_addresses_are_accepted_with_the_sandbox(
    ours: Workspace, box: RunningSandbox
) -> None:
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


def test_a_number_on_a_standalone_trunk_is_a_conflict(ours: Workspace, theirs: Workspace) -> None:
    make.sip_trunk(theirs, numbers=["+12025550199", NUMBER])

    response = make.client(ours).post("/phone-numbers", body())

    assert (response.status_code, response.json()) == (
        409,
        {"detail": "Phone number already registered"},
    )
