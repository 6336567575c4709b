from typing import Any

import pytest

from accounts.models import Workspace
from telephony.clients.livekit import trunks as livekit_trunks
from telephony.clients.livekit.trunks import Inbound, TrunkConfig, TrunkIds
from telephony.models import SipTrunk
from telephony.services.trunk_config import decrypt_password
from tests import make
from tests.sandbox_server import RunningSandbox
from tests.telephony.numbers.livekit import NOTHING, everything
from tests.telephony.numbers.relay import Break, Relay

OUTBOUND: dict[str, Any] = {
    "direction": "outbound",
    "address": "sip.carrier.example",
    "transport": "udp",
    "auth_username": "voice",
    "auth_password": "s3cret of the trunk",
    "numbers": ["+12025550101", "+1 202 555 0102"],
}


def test_an_outbound_trunk_is_made_at_livekit(ours: Workspace, box: RunningSandbox) -> None:
    response = make.client(ours).post("/sip-trunks", OUTBOUND)

    trunk = SipTrunk.unscoped.get()
    [made] = everything()["outbound"]
    assert response.status_code == 201
    assert response.json() == {
        "id": str(trunk.pk),
        "direction": "outbound",
        "livekit_trunk_id": made.sip_trunk_id,
        "phone_number_id": None,
        "address": "sip.carrier.example",
        "numbers": ["+12025550101", "+12025550102"],
        "status": "active",
        "created_at": trunk.created_at.isoformat().replace("+00:00", "Z"),
    }
    assert (made.address, made.auth_password) == ("sip.carrier.example", "s3cret of the trunk")
    assert decrypt_password(trunk) == "s3cret of the trunk"


def test_an_inbound_trunk_needs_no_address(ours: Workspace, box: RunningSandbox) -> None:
    body = {
        "direction": "inbound",
        "numbers": ["+12025550101"],
        "allowed_addresses": ["203.0.113.7"],
    }

    response = make.client(ours).post("/sip-trunks", body)

    [made] = everything()["inbound"]
    assert (response.status_code, response.json()["address"]) == (201, "")
    assert (list(made.numbers), list(made.allowed_addresses)) == (["+12025550101"], ["203.0.113.7"])


def test_an_outbound_trunk_needs_an_address_and_numbers(ours: Workspace) -> None:
    response = make.client(ours).post("/sip-trunks", {"direction": "outbound"})

    assert response.status_code == 422
    assert response.json() == {
        "detail": [
            {"loc": ["body", "address"], "msg": "field required", "type": "value_error.missing"},
            {"loc": ["body", "numbers"], "msg": "field required", "type": "value_error.missing"},
        ]
    }


def test_numbers_of_other_workspaces_are_a_conflict(ours: Workspace, theirs: Workspace) -> None:
    number = make.phone_number(theirs)

    response = make.client(ours).post("/sip-trunks", {**OUTBOUND, "numbers": [number.phone_number]})

    assert (response.status_code, response.json()) == (
        409,
        {"detail": "Phone number already registered"},
    )


@pytest.mark.parametrize("body", [OUTBOUND, {"direction": "inbound"}], ids=["outbound", "inbound"])
def test_a_number_is_in_a_trunk_once_in_any_spelling(ours: Workspace, body: dict[str, Any]) -> None:
    numbers = ["+12025550101", "+12025550102", "+1 (202) 555-0101"]

    response = make.client(ours).post("/sip-trunks", {**body, "numbers": numbers})

    twice = {
        "loc": ["body", "numbers", 2],
        "msg": "this number is given twice",
        "type": "value_error",
    }
    assert (response.status_code, response.json()) == (422, {"detail": [twice]})


def test_livekits_conflict_is_reported_like_our_own(ours: Workspace, box: RunningSandbox) -> None:
    inbound = Inbound(numbers=("+12025550101",))
    livekit_trunks.apply_trunks(
        TrunkConfig(tag="voiceops:of-another", name="first at LiveKit", inbound=inbound)
    )
    client = make.client(ours)
    mine = client.post("/sip-trunks", {"direction": "inbound", "numbers": ["+12025550102"]}).json()

    answers = [
        client.post("/sip-trunks", {"direction": "inbound", "numbers": ["+12025550101"]}),
        client.patch(f"/sip-trunks/{mine['id']}", {"numbers": ["+12025550101"]}),
        client.post(
            "/phone-numbers",
            {"phone_number": "+12025550101", "provider": "sip", "sip": {"address": "a.b"}},
        ),
    ]

    conflict = (409, {"detail": "Phone number already registered"})
    assert [(answer.status_code, answer.json()) for answer in answers] == [conflict] * 3
    assert SipTrunk.unscoped.get().numbers == ["+12025550102"]
    assert sorted(list(trunk.numbers) for trunk in everything()["inbound"]) == [
        ["+12025550101"],
        ["+12025550102"],
    ]
    assert everything()["outbound"] == []


def test_a_number_registered_during_a_change_is_given_back(
    ours: Workspace, theirs: Workspace, box: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, change = make.client(ours), livekit_trunks.replace_trunks
    trunk = client.post("/sip-trunks", OUTBOUND).json()

    def meanwhile(before: TrunkConfig, after: TrunkConfig) -> TrunkIds:
        monkeypatch.setattr(livekit_trunks, "replace_trunks", change)
        make.phone_number(theirs, phone_number="+12025550109")
        return change(before, after)

    monkeypatch.setattr(livekit_trunks, "replace_trunks", meanwhile)

    response = client.patch(
        f"/sip-trunks/{trunk['id']}", {"numbers": ["+12025550109"], "auth_password": "other"}
    )

    [made] = everything()["outbound"]
    row = SipTrunk.unscoped.get(pk=trunk["id"])
    assert (response.status_code, response.json()) == (
        409,
        {"detail": "Phone number already registered"},
    )
    assert list(made.numbers) == row.numbers == trunk["numbers"]
    assert made.auth_password == decrypt_password(row) == "s3cret of the trunk"


def test_a_trunk_is_changed_in_place(ours: Workspace, box: RunningSandbox) -> None:
    client = make.client(ours)
    trunk = client.post("/sip-trunks", OUTBOUND).json()

    response = client.patch(
        f"/sip-trunks/{trunk['id']}",
        {"address": "sip2.carrier.example", "numbers": ["+12025550102", "+12025550103"]},
    )

    [made] = everything()["outbound"]
    assert response.json() == {
        **trunk,
        "address": "sip2.carrier.example",
        "numbers": ["+12025550102", "+12025550103"],
    }
    assert made.sip_trunk_id == trunk["livekit_trunk_id"]
    assert (made.address, list(made.numbers)) == (
        "sip2.carrier.example",
        ["+12025550102", "+12025550103"],
    )
    assert made.auth_password == "s3cret of the trunk"


def test_all_numbers_of_a_trunk_can_be_replaced(ours: Workspace, box: RunningSandbox) -> None:
    client = make.client(ours)
    trunk = client.post("/sip-trunks", OUTBOUND).json()

    client.patch(f"/sip-trunks/{trunk['id']}", {"numbers": ["+12025550109"]})

    [made] = everything()["outbound"]
    assert (made.sip_trunk_id, list(made.numbers)) == (trunk["livekit_trunk_id"], ["+12025550109"])


def test_deleting_removes_the_trunk_at_livekit(ours: Workspace, box: RunningSandbox) -> None:
    client = make.client(ours)
    trunk = client.post("/sip-trunks", OUTBOUND).json()

    response = client.delete(f"/sip-trunks/{trunk['id']}")

    assert (response.status_code, response.json()) == (200, {"detail": "Deleted"})
    assert everything() == NOTHING
    assert not SipTrunk.unscoped.exists()


@pytest.mark.parametrize("method", ["patch", "delete"])
def test_a_phone_numbers_trunk_is_changed_through_the_number(ours: Workspace, method: str) -> None:
    make.phone_number(ours)
    trunk = SipTrunk.unscoped.get()

    response = getattr(make.client(ours), method)(f"/sip-trunks/{trunk.pk}", {})

    assert (response.status_code, response.json()) == (
        400,
        {"detail": "SIP trunk belongs to a phone number"},
    )


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_trunk_that_livekit_fails_leaves_nothing(
    ours: Workspace, relay: Relay, after: bool
) -> None:
    relay.breaks = [Break("CreateSIPOutboundTrunk", after=after)]

    response = make.client(ours).post("/sip-trunks", OUTBOUND)

    assert (response.status_code, response.json()) == (
        500,
        {"detail": "LiveKit SIP error: could not be reached"},
    )
    assert everything() == NOTHING
    assert not SipTrunk.unscoped.exists()
