from typing import Any

from accounts.models import Workspace
from accounts.roles import Role
from telephony.clients.livekit import trunks as livekit_trunks
from telephony.clients.livekit.trunks import Outbound, TrunkConfig
from telephony.models import PhoneNumber, SipTrunk
from telephony.services.drift import check_all
from telephony.services.trunk_config import config_of_number
from tests import make
from tests.sandbox_server import RunningSandbox
from tests.telephony.numbers.livekit import everything

SIP = {
    "address": "sip.carrier.example",
    "auth_username": "voice",
    "auth_password": "s3cret of the trunk",
}


def register(workspace: Workspace) -> dict[str, Any]:
    agent = make.agent(workspace)
    body = {
        "phone_number": "+12025550100",
        "provider": "sip",
        "sip": SIP,
        "inbound_agent_id": str(agent.pk),
    }
    answer: dict[str, Any] = make.client(workspace).post("/phone-numbers", body).json()
    return answer


def drift_of(workspace: Workspace, number: dict[str, Any]) -> list[str]:
    answer: list[str] = (
        make.client(workspace, Role.MEMBER)
        .get(f"/phone-numbers/{number['id']}/drift")
        .json()["drift"]
    )
    return answer


def disturb(number: PhoneNumber, **outbound: Any) -> None:
    """Change the outbound trunk at LiveKit, and delete the inbound trunk and the rule."""
    wanted = {
        "address": "sip.carrier.example",
        "transport": "tcp",
        "numbers": (number.phone_number,),
        **outbound,
    }
    tag = config_of_number(number).tag
    livekit_trunks.apply_trunks(
        TrunkConfig(tag=tag, name=f"VoiceOps {number.phone_number}", outbound=Outbound(**wanted))
    )


def test_a_fresh_number_has_no_drift(ours: Workspace, box: RunningSandbox) -> None:
    number = register(ours)

    assert drift_of(ours, number) == []
    assert check_all() == ([], [])


def test_changes_at_livekit_are_described(ours: Workspace, box: RunningSandbox) -> None:
    number = register(ours)
    row = PhoneNumber.unscoped.get()
    disturb(row, address="elsewhere.example", auth_username="voice", auth_password="another")

    differences = drift_of(ours, number)

    row.refresh_from_db()
    assert differences == [
        "The outbound trunk differs in address",
        "The outbound trunk differs in auth password",
        "The inbound trunk is missing at LiveKit",
        "The dispatch rule is missing at LiveKit",
    ]
    assert row.drift == differences
    assert dict(SipTrunk.unscoped.values_list("direction", "status")) == {
        "outbound": "active",
        "inbound": "missing",
    }


def test_repairing_restores_livekit(ours: Workspace, box: RunningSandbox) -> None:
    number = register(ours)
    row = PhoneNumber.unscoped.get()
    disturb(row, address="elsewhere.example")
    assert drift_of(ours, number) != []

    response = make.client(ours).post(f"/phone-numbers/{number['id']}/repair")

    assert (response.status_code, response.json()) == (200, number)
    assert drift_of(ours, number) == []
    assert set(SipTrunk.unscoped.values_list("status", flat=True)) == {"active"}
    assert everything()["outbound"][0].auth_password == "s3cret of the trunk"


def test_tagged_trunks_without_a_row_are_found(ours: Workspace, box: RunningSandbox) -> None:
    register(ours)
    found = everything()
    ids = [
        found["outbound"][0].sip_trunk_id,
        found["inbound"][0].sip_trunk_id,
        found["rules"][0].sip_dispatch_rule_id,
    ]
    PhoneNumber.unscoped.all().delete()

    drifted, orphans = check_all()

    assert (drifted, orphans) == ([], ids)
