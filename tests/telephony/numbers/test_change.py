from typing import Any

import pytest
from livekit.protocol import sip
from pytest_django import Settings

from accounts.models import Workspace
from accounts.roles import Role
from batches.models import Batch
from telephony.models import NumberPace, PhoneNumber, SipTrunk, Stage
from telephony.services.drift import check_number
from telephony.services.numbers import (
    PROVISIONING_TIMEOUT,
    change_number,
    clean_provisioning,
    remove_number,
)
from telephony.services.trunk_config import decrypt_password
from tests import make
from tests.sandbox_server import RunningSandbox
from tests.telephony.numbers.livekit import NOTHING, everything
from tests.telephony.numbers.relay import Break, Relay
from voiceops.core.clock import database_now
from voiceops.core.errors import NotFound

NUMBER = "+12025550100"
SIP = {
    "address": "sip.carrier.example",
    "auth_username": "voice",
    "auth_password": "s3cret of the trunk",
}


def register(workspace: Workspace, **fields: Any) -> dict[str, Any]:
    body = {"phone_number": NUMBER, "provider": "sip", "sip": SIP, **fields}
    answer: dict[str, Any] = make.client(workspace).post("/phone-numbers", body).json()
    return answer


def test_a_changed_label_and_pace_need_no_livekit(
    ours: Workspace, box: RunningSandbox, settings: Settings
) -> None:
    number = register(ours)
    settings.LIVEKIT_URL = "http://127.0.0.1:9"

    response = make.client(ours).patch(
        f"/phone-numbers/{number['id']}",
        {"label": "Sales", "calls_per_second": 5, "max_concurrent_calls": 50},
    )

    assert response.status_code == 200
    assert response.json() == {
        **number,
        "label": "Sales",
        "calls_per_second": 5.0,
        "max_concurrent_calls": 50,
    }


def test_inbound_calls_are_routed_rerouted_and_unrouted_in_place(
    ours: Workspace, box: RunningSandbox
) -> None:
    number = register(ours)
    client, url = make.client(ours), f"/phone-numbers/{number['id']}"
    first, second = make.agent(ours), make.agent(ours)

    routed = client.patch(url, {"inbound_agent_id": str(first.pk)})
    [rule] = everything()["rules"]
    client.patch(url, {"inbound_agent_id": str(second.pk)})
    [rerouted] = everything()["rules"]
    unrouted = client.patch(url, {"inbound_agent_id": None})

    assert routed.json() == {**number, "inbound_agent_id": str(first.pk)}
    assert rerouted.sip_dispatch_rule_id == rule.sip_dispatch_rule_id
    assert rerouted.attributes["voiceops.agent_id"] == str(second.pk)
    assert unrouted.json() == number
    assert everything()["rules"] == []
    assert len(everything()["inbound"]) == 1


def test_a_changed_address_keeps_trunk_and_password(ours: Workspace, box: RunningSandbox) -> None:
    number = register(ours)
    [before] = everything()["outbound"]

    response = make.client(ours).patch(
        f"/phone-numbers/{number['id']}", {"sip": {"address": "sip2.carrier.example"}}
    )

    [after] = everything()["outbound"]
    assert response.json() == {
        **number,
        "sip": {**number["sip"], "address": "sip2.carrier.example"},
    }
    assert (after.sip_trunk_id, after.address) == (before.sip_trunk_id, "sip2.carrier.example")
    assert after.auth_password == "s3cret of the trunk"
    assert SipTrunk.unscoped.get(direction="outbound").address == "sip2.carrier.example"


def test_a_changed_password_is_encrypted_and_used(ours: Workspace, box: RunningSandbox) -> None:
    number = register(ours)

    make.client(ours).patch(
        f"/phone-numbers/{number['id']}", {"sip": {"auth_password": "another one"}}
    )

    row = PhoneNumber.unscoped.get()
    assert decrypt_password(row) == "another one"
    assert "another one" not in row.sip_auth_password
    assert everything()["outbound"][0].auth_password == "another one"


def test_a_number_that_was_read_may_be_sent_back(ours: Workspace, box: RunningSandbox) -> None:
    number = register(ours)

    response = make.client(ours).patch(f"/phone-numbers/{number['id']}", number)

    assert (response.status_code, response.json()) == (200, number)
    assert decrypt_password(PhoneNumber.unscoped.get()) == "s3cret of the trunk"


def test_null_sip_settings_are_rejected(ours: Workspace, box: RunningSandbox) -> None:
    number = register(ours)

    response = make.client(ours).patch(f"/phone-numbers/{number['id']}", {"sip": None})

    assert response.status_code == 422
    assert response.json() == {
        "detail": [
            {
                "loc": ["body", "sip"],
                "msg": "none is not an allowed value",
                "type": "type_error.none.not_allowed",
            }
        ]
    }


def test_simultaneous_changes_are_both_made_at_livekit(
    ours: Workspace, box: RunningSandbox
) -> None:
    register(ours)
    read_before = PhoneNumber.unscoped.get()
    change_number(
        number=PhoneNumber.unscoped.get(), changes={"sip_address": "sip2.carrier.example"}
    )

    change_number(number=read_before, changes={"sip_transport": "tls"})

    [trunk] = everything()["outbound"]
    assert (trunk.address, trunk.transport) == ("sip2.carrier.example", sip.SIP_TRANSPORT_TLS)
    assert check_number(number=PhoneNumber.unscoped.get()) == []


def test_a_change_during_removal_leaves_nothing(ours: Workspace, box: RunningSandbox) -> None:
    register(ours)
    read_before = PhoneNumber.unscoped.get()
    remove_number(number=PhoneNumber.unscoped.get())

    with pytest.raises(NotFound, match="Phone number not found"):
        change_number(number=read_before, changes={"sip_transport": "tls"})

    assert everything() == NOTHING


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_change_that_livekit_fails_changes_nothing(
    ours: Workspace, relay: Relay, after: bool
) -> None:
    number = register(ours)
    relay.breaks = [Break("UpdateSIPOutboundTrunk", after=after)]

    response = make.client(ours).patch(
        f"/phone-numbers/{number['id']}", {"sip": {"address": "elsewhere.example"}}
    )

    assert (response.status_code, response.json()) == (
        500,
        {"detail": "LiveKit SIP error: could not be reached"},
    )
    assert PhoneNumber.unscoped.get().sip_address == "sip.carrier.example"
    assert everything()["outbound"][0].address == "sip.carrier.example"


def test_deleting_removes_everything(ours: Workspace, box: RunningSandbox) -> None:
    number = register(ours, inbound_agent_id=str(make.agent(ours).pk))
    assert all(everything().values())

    response = make.client(ours).delete(f"/phone-numbers/{number['id']}")

    assert (response.status_code, response.json()) == (200, {"detail": "Deleted"})
    assert everything() == NOTHING
    assert not PhoneNumber.unscoped.exists()
    assert not SipTrunk.unscoped.exists()
    assert not NumberPace.unscoped.exists()


def test_a_number_of_a_running_batch_cannot_be_deleted(
    ours: Workspace, box: RunningSandbox
) -> None:
    number = register(ours)
    make.batch(ours, phone_number=PhoneNumber.unscoped.get(), status=Batch.Status.RUNNING)

    response = make.client(ours).delete(f"/phone-numbers/{number['id']}")

    assert (response.status_code, response.json()) == (400, {"detail": "Phone number is in use"})
    assert PhoneNumber.unscoped.get().status == "active"
    assert len(everything()["outbound"]) == 1


def test_a_number_of_an_open_call_cannot_be_deleted(ours: Workspace, box: RunningSandbox) -> None:
    number = register(ours)
    make.call(ours, number=PhoneNumber.unscoped.get(), stage=Stage.IN_PROGRESS)

    response = make.client(ours).delete(f"/phone-numbers/{number['id']}")

    assert (response.status_code, response.json()) == (400, {"detail": "Phone number is in use"})


def test_a_used_number_is_deleted_and_its_calls_stay(ours: Workspace, box: RunningSandbox) -> None:
    number = register(ours)
    call = make.call(ours, number=PhoneNumber.unscoped.get(), stage=Stage.ENDED)

    response = make.client(ours).delete(f"/phone-numbers/{number['id']}")

    call.refresh_from_db()
    assert response.status_code == 200
    assert (call.number, call.from_number) == (None, "+12025550100")


@pytest.mark.parametrize("step", ["DeleteSIPDispatchRule", "DeleteSIPTrunk"])
def test_a_deletion_that_livekit_fails_is_finished_later(
    ours: Workspace, relay: Relay, step: str
) -> None:
    number = register(ours, inbound_agent_id=str(make.agent(ours).pk))
    relay.breaks = [Break(step, after=True)]

    response = make.client(ours).delete(f"/phone-numbers/{number['id']}")

    assert (response.status_code, response.json()) == (
        500,
        {"detail": "LiveKit SIP error: could not be reached"},
    )
    assert PhoneNumber.unscoped.get().status == "error"
    assert clean_provisioning() == 1
    assert everything() == NOTHING
    assert not PhoneNumber.unscoped.exists()


def test_a_number_that_is_being_removed_cannot_be_changed(
    ours: Workspace, box: RunningSandbox
) -> None:
    number = register(ours)
    PhoneNumber.unscoped.update(status=PhoneNumber.Status.ERROR)

    response = make.client(ours).patch(f"/phone-numbers/{number['id']}", {"label": "x"})

    assert (response.status_code, response.json()) == (
        400,
        {"detail": "Phone number is not active"},
    )


def test_an_interrupted_registration_is_cleaned_up(ours: Workspace, box: RunningSandbox) -> None:
    register(ours)
    PhoneNumber.unscoped.update(status=PhoneNumber.Status.PROVISIONING)

    young = clean_provisioning()
    PhoneNumber.unscoped.update(created_at=database_now() - PROVISIONING_TIMEOUT)
    old = clean_provisioning()

    assert (young, old) == (0, 1)
    assert everything() == NOTHING
    assert not PhoneNumber.unscoped.exists()


def test_clean_up_continues_when_livekit_is_reachable_again(
    ours: Workspace, box: RunningSandbox, settings: Settings
) -> None:
    register(ours)
    PhoneNumber.unscoped.update(status=PhoneNumber.Status.ERROR)
    settings.LIVEKIT_URL = "http://127.0.0.1:9"

    cleaned = clean_provisioning()

    assert cleaned == 0
    assert PhoneNumber.unscoped.get().drift == ["LiveKit SIP error: could not be reached"]
    settings.LIVEKIT_URL = box.url
    assert clean_provisioning() == 1


@pytest.mark.parametrize("method", ["get", "patch", "delete"])
@pytest.mark.parametrize("path", ["/phone-numbers", "/sip-trunks"])
def test_another_workspaces_numbers_are_not_found(
    ours: Workspace, theirs: Workspace, box: RunningSandbox, path: str, method: str
) -> None:
    number = make.phone_number(theirs)
    row = number if path == "/phone-numbers" else SipTrunk.unscoped.get()
    thing = "Phone number" if path == "/phone-numbers" else "SIP trunk"

    for pk in (row.pk, "not-an-id"):
        response = getattr(make.client(ours), method)(f"{path}/{pk}", {})

        assert (response.status_code, response.json()) == (404, {"detail": f"{thing} not found"})


def test_members_may_read_but_not_change(ours: Workspace, box: RunningSandbox) -> None:
    number = make.phone_number(ours)
    member = make.client(ours, Role.MEMBER)

    answers = [
        member.patch(f"/phone-numbers/{number.pk}", {}),
        member.delete(f"/phone-numbers/{number.pk}"),
        member.post(f"/phone-numbers/{number.pk}/test", {}),
        member.post("/phone-numbers/purchase", {}),
        member.get("/phone-numbers/available"),
        member.post("/sip-trunks", {}),
    ]

    assert member.get(f"/phone-numbers/{number.pk}").status_code == 200
    assert [(a.status_code, a.json()) for a in answers] == [
        (403, {"detail": "Admin access required"})
    ] * 6


@pytest.mark.parametrize("rows", [1, 3])
def test_the_list_costs_the_same_queries_for_any_number_of_rows(
    ours: Workspace, rows: int, django_assert_num_queries: Any
) -> None:
    for _ in range(rows):
        make.phone_number(ours)
    client = make.client(ours)
    client.get("/phone-numbers")  # stores the key's first use

    with django_assert_num_queries(3):  # key, page with its total, trunks
        response = client.get("/phone-numbers?page_size=2")

    body = response.json()
    assert (body["total"], body["page"], body["page_size"]) == (rows, 1, 2)
    assert len(body["items"]) == min(rows, 2)
