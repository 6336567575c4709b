import pytest

from accounts.models import Workspace
from accounts.roles import Role
from telephony.models import Stage
from tests import make
from tests.telephony.calls.samples import NOON


@pytest.mark.parametrize("digits", ["xyz", "1 2", "\uff11", "1;2"])
def test_keys_that_telephones_lack_are_rejected(ours: Workspace, digits: str) -> None:
    call = make.call(ours, stage=Stage.IN_PROGRESS, answered_at=NOON)

    response = make.client(ours).post(f"/calls/{call.pk}/dtmf", {"digits": digits})

    assert (response.status_code, response.json()["detail"]) == (
        422,
        [
            {
                "loc": ["body", "digits"],
                "msg": "only 0 to 9, *, #, A to D and w are permitted",
                "type": "value_error",
            }
        ],
    )


def test_queued_call_is_cancelled_while_livekit_is_unreachable(ours: Workspace) -> None:
    call = make.call(ours)

    response = make.client(ours, Role.MANAGER).post(f"/calls/{call.pk}/hangup")

    assert response.status_code == 200
    assert (response.json()["status"], response.json()["outcome"]) == ("ended", "cancelled")


def test_hanging_up_a_ringing_call_raises_an_alarm_while_livekit_is_unreachable(
    ours: Workspace,
) -> None:
    call = make.call(ours, stage=Stage.RINGING, intent_at=NOON, dialed_at=NOON)

    response = make.client(ours, Role.MANAGER).post(f"/calls/{call.pk}/hangup")

    assert (response.status_code, response.json()) == (
        500,
        {"detail": "LiveKit error: could not be reached"},
    )
    assert list(call.events.order_by("pk").values_list("type", "text")) == [
        ("ended", "Hung up before it was answered"),
        ("alarm", "The phone may still ring: LiveKit could not be asked to end the call"),
    ]
