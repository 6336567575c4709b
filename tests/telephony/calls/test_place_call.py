from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Workspace
from accounts.roles import Role
from telephony.models import Call, PhoneNumber, Stage
from tests import make

MISSING = "01933b5e-0000-7000-8000-000000000000"


def test_placed_call_is_queued(ours: Workspace) -> None:
    number, agent = make.phone_number(ours), make.agent(ours)
    order = {
        "agent_id": str(agent.pk),
        "to": "+1 202 555 0186",
        "variables": {"name": "Ada"},
        "metadata": {"crm": 7},
    }

    response = make.client(ours, Role.MANAGER).post("/calls", order)

    call = Call.unscoped.get()
    body = response.json()
    assert response.status_code == 201
    assert body == make.client(ours).get(f"/calls/{call.pk}").json()
    assert {
        name: body[name]
        for name in ("status", "from", "to", "agent_version", "variables", "metadata")
    } == {
        "status": "queued",
        "from": number.phone_number,
        "to": "+12025550186",
        "agent_version": 1,
        "variables": {"name": "Ada"},
        "metadata": {"crm": 7},
    }
    assert (call.stage, call.lease_owner, call.room) == (Stage.RESERVED, None, f"vo-{call.pk}")


def test_call_uses_the_requested_or_the_newest_active_number(ours: Workspace) -> None:
    older, newer = make.phone_number(ours), make.phone_number(ours)
    make.phone_number(ours, status=PhoneNumber.Status.ERROR)
    client, agent = make.client(ours), make.agent(ours)
    order = {"agent_id": str(agent.pk), "to": "+12025550186"}

    default = client.post("/calls", order).json()["from"]
    chosen = client.post("/calls", {**order, "from_number_id": str(older.pk)}).json()["from"]

    assert (default, chosen) == (newer.phone_number, older.phone_number)


def refused(of: Workspace, **changes: Any) -> tuple[int, Any]:
    agent = changes.pop("agent", None) or make.agent(of)
    response = make.client(of).post(
        "/calls", {"agent_id": str(agent.pk), "to": "+12025550186", **changes}
    )
    assert Call.unscoped.count() == 0
    return response.status_code, response.json()["detail"]


def test_unpublished_agent_is_refused(ours: Workspace) -> None:
    make.phone_number(ours)

    assert refused(ours, agent=make.agent(ours, published=False)) == (400, "Agent is not published")


def test_missing_required_variable_is_refused_by_name(ours: Workspace) -> None:
    make.phone_number(ours)
    agent = make.agent(ours, variables=[{"name": "first_name", "required": True, "default": None}])

    assert refused(ours, agent=agent) == (400, "Missing required variables: first_name")


def test_call_without_any_number_is_refused(ours: Workspace, theirs: Workspace) -> None:
    make.phone_number(theirs)

    assert refused(ours) == (400, "The workspace has no active phone number")


def test_inactive_number_is_refused(ours: Workspace) -> None:
    number = make.phone_number(ours, status=PhoneNumber.Status.ERROR)

    assert refused(ours, from_number_id=str(number.pk)) == (400, "Phone number is not active")


@pytest.mark.parametrize("path", ["/calls", "/calls/web"])
def test_variables_too_long_for_livekit_are_refused(ours: Workspace, path: str) -> None:
    make.phone_number(ours)
    order = {"agent_id": str(make.agent(ours).pk), "variables": {"story": "話" * 180_000}}

    response = make.client(ours).post(
        path, order if path == "/calls/web" else {**order, "to": "+12025550186"}
    )

    words = "The variables are too long: LiveKit accepts 512 KiB, including the agent's settings"
    assert (response.status_code, response.json()) == (400, {"detail": words})
    assert not Call.unscoped.exists()


def test_variables_that_just_fit_are_accepted(ours: Workspace) -> None:
    make.phone_number(ours)
    order = {
        "agent_id": str(make.agent(ours).pk),
        "to": "+12025550186",
        "variables": {"story": "x" * 500_000},
    }

    assert make.client(ours).post("/calls", order).status_code == 201


@pytest.mark.parametrize("to", ["12345", "+1911", "Ada", "+1202555018"])
def test_invalid_number_is_refused(ours: Workspace, to: str) -> None:
    make.phone_number(ours)

    assert refused(ours, to=to) == (400, "Invalid phone number")


def test_suppressed_number_is_refused(ours: Workspace, theirs: Workspace) -> None:
    make.phone_number(ours)
    make.suppression(theirs, phone_number="+12025550187")
    make.suppression(
        ours, phone_number="+12025550188", expires_at=timezone.now() - timedelta(days=1)
    )
    make.suppression(ours, phone_number="+12025550186")

    assert refused(ours) == (400, "The number is on the suppression list")
    for to in ("+12025550187", "+12025550188"):
        order = {"agent_id": str(make.agent(ours).pk), "to": to}
        assert make.client(ours).post("/calls", order).status_code == 201


@pytest.mark.parametrize("field", ["agent_id", "from_number_id"])
def test_objects_of_other_workspaces_are_not_found(
    ours: Workspace, theirs: Workspace, field: str
) -> None:
    make.phone_number(ours)
    foreign = {"agent_id": make.agent(theirs).pk, "from_number_id": make.phone_number(theirs).pk}
    sentence = {"agent_id": "Agent not found", "from_number_id": "Phone number not found"}

    answers = [refused(ours, **{field: str(value)}) for value in (foreign[field], MISSING)]

    assert answers == [(404, sentence[field])] * 2


def test_null_number_means_the_default_number(ours: Workspace) -> None:
    number = make.phone_number(ours)
    order = {"agent_id": str(make.agent(ours).pk), "to": "+12025550186", "from_number_id": None}

    response = make.client(ours).post("/calls", order)

    assert (response.status_code, response.json()["from"]) == (201, number.phone_number)


def test_all_errors_of_an_order_are_reported_together(ours: Workspace) -> None:
    body = {"agent_id": 7, "variables": [], "metadata": None, "mood": "good"}

    response = make.client(ours).post("/calls", body)

    assert (response.status_code, response.json()) == (
        422,
        {
            "detail": [
                {
                    "loc": ["body", "agent_id"],
                    "msg": "value is not a valid uuid",
                    "type": "type_error.uuid",
                },
                {"loc": ["body", "to"], "msg": "field required", "type": "value_error.missing"},
                {
                    "loc": ["body", "variables"],
                    "msg": "value is not a valid dict",
                    "type": "type_error.dict",
                },
                {
                    "loc": ["body", "metadata"],
                    "msg": "none is not an allowed value",
                    "type": "type_error.none.not_allowed",
                },
                {
                    "loc": ["body", "mood"],
                    "msg": "extra fields not permitted",
                    "type": "value_error.extra",
                },
            ]
        },
    )


def test_member_may_read_but_not_call(ours: Workspace) -> None:
    call = make.call(ours)
    client = make.client(ours, Role.MEMBER)

    refusals = [
        client.post(path, {}).status_code
        for path in ("/calls", f"/calls/{call.pk}/hangup", "/calls/web")
    ]

    assert refusals == [403, 403, 403]
    assert client.get(f"/calls/{call.pk}").status_code == 200
