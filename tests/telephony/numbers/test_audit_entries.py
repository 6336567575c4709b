from typing import Any

from accounts.models import AuditEntry, Workspace
from tests import make
from tests.sandbox_server import RunningSandbox
from voiceops.core.pii import mask_number

NUMBER = "+12025550100"


def entries(of: Workspace) -> list[tuple[str, str, Any]]:
    rows = AuditEntry.unscoped.filter(workspace=of).order_by("pk")
    return list(rows.values_list("action", "object_id", "changes"))


def test_a_number_is_audited_from_registration_to_removal(
    ours: Workspace, box: RunningSandbox
) -> None:
    client = make.client(ours)
    body = {"phone_number": NUMBER, "provider": "sip", "sip": {"address": "sip.example.com"}}

    number = client.post("/phone-numbers", body).json()
    path = f"/phone-numbers/{number['id']}"
    client.patch(path, {"label": "Front desk", "calls_per_second": 2})
    client.post(f"{path}/repair")
    call = client.post(f"{path}/test", {"to": "+12025550110"}).json()
    client.post(f"/calls/{call['id']}/hangup")
    client.delete(path)

    assert entries(ours) == [
        ("phone_number.created", number["id"], {"phone_number": NUMBER, "bought": False}),
        ("phone_number.changed", number["id"], {"changed": ["calls_per_second", "label"]}),
        ("phone_number.repaired", number["id"], {}),
        (
            "phone_number.tested",
            number["id"],
            {"to": mask_number("+12025550110"), "call_id": call["id"]},
        ),
        ("call.hung_up", call["id"], {}),
        ("phone_number.deleted", number["id"], {"phone_number": NUMBER}),
    ]


def test_a_trunk_is_audited_from_creation_to_removal(ours: Workspace, box: RunningSandbox) -> None:
    client = make.client(ours)
    body = {"direction": "inbound", "numbers": [NUMBER]}

    trunk = client.post("/sip-trunks", body).json()
    path = f"/sip-trunks/{trunk['id']}"
    client.patch(path, {"numbers": [NUMBER, "+12025550101"]})
    client.delete(path)

    assert entries(ours) == [
        ("sip_trunk.created", trunk["id"], {}),
        ("sip_trunk.changed", trunk["id"], {"changed": ["numbers"]}),
        ("sip_trunk.deleted", trunk["id"], {}),
    ]


def test_a_refused_registration_is_not_audited(ours: Workspace) -> None:
    make.phone_number(ours, phone_number=NUMBER)
    body = {"phone_number": NUMBER, "provider": "sip", "sip": {"address": "sip.example.com"}}

    response = make.client(ours).post("/phone-numbers", body)

    assert response.status_code == 409
    assert entries(ours) == []
