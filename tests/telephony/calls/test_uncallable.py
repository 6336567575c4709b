"""Numbers that are never called: not from lists, not one by one, for tests or as transfers."""

from typing import Any

import pytest

from accounts.models import Workspace
from batches.importing.phones import PhoneParser, RefusedNumber
from telephony.models import Call, CallEvent, Stage
from tests import make

KINDS = {
    "+1 900 234 5678": "+19002345678 is a premium rate number",
    "+49 180 1234567": "+491801234567 is a shared cost number",
    "+44 70 1234 5678": "+447012345678 is a personal number, which is charged like premium rate",
    "+870 773 111 632": "+870773111632 is a satellite number",
    "+881 612 345 678": "+881612345678 is a satellite number",
    "+979 123 456 789": "+979123456789 is a premium rate number",
}
NO_NUMBERS = ("911", "112", "411", "+1911", "+44999")


def refused(response: Any) -> tuple[int, Any]:
    return response.status_code, response.json()["detail"]


@pytest.mark.parametrize(("to", "words"), KINDS.items())
def test_lists_and_single_calls_refuse_with_the_same_message(
    ours: Workspace, to: str, words: str
) -> None:
    number, call = make.phone_number(ours), make.call(ours, stage=Stage.IN_PROGRESS)
    client, agent = make.client(ours), make.agent(ours)

    answers = [
        refused(client.post("/calls", {"agent_id": str(agent.pk), "to": to})),
        refused(client.post(f"/phone-numbers/{number.pk}/test", {"to": to})),
        refused(client.post(f"/calls/{call.pk}/transfer", {"to": to})),
    ]

    assert PhoneParser().parse(to) == RefusedNumber("not_dialable", words)
    assert answers == [(400, words)] * 3
    assert (Call.unscoped.count(), CallEvent.unscoped.count()) == (1, 0)


@pytest.mark.parametrize("to", NO_NUMBERS)
def test_a_number_without_an_international_form_is_invalid(ours: Workspace, to: str) -> None:
    number, call = make.phone_number(ours), make.call(ours, stage=Stage.IN_PROGRESS)
    client, agent = make.client(ours), make.agent(ours)

    answers = [
        refused(client.post("/calls", {"agent_id": str(agent.pk), "to": to})),
        refused(client.post(f"/phone-numbers/{number.pk}/test", {"to": to})),
        refused(client.post(f"/calls/{call.pk}/transfer", {"to": to})),
    ]

    assert answers == [(400, "Invalid phone number")] * 3
