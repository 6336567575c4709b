from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import AuditEntry, Workspace
from batches.models import Suppression
from batches.services.opt_outs import suppress_opt_outs
from telephony.models import Call, Stage
from tests import make
from tests.telephony.calls.livekit import report, reported

NUMBER = "+12025550186"


def talking(of: Workspace, **fields: Any) -> Call:
    then = timezone.now() - timedelta(seconds=5)
    times = {"intent_at": then, "dialed_at": then, "callee_joined_at": then, "answered_at": then}
    return make.call(of, **{"stage": Stage.IN_PROGRESS, "to_number": NUMBER, **times, **fields})


def opt_out(call: Call, name: str = "opt_out") -> dict[str, Any]:
    event = reported("tool_call", name=name, arguments={}, result="")
    assert report(call, event).status_code == 200
    return event


@pytest.mark.parametrize("name", ["opt_out", "do_not_call"])
def test_who_asks_during_a_call_is_suppressed_for_good(ours: Workspace, name: str) -> None:
    call = talking(ours)
    opt_out(call, name)

    noted = suppress_opt_outs()

    row = Suppression.unscoped.get(workspace=ours)
    assert noted == 1
    assert (row.phone_number, row.source, row.expires_at) == (NUMBER, "opt_out", None)
    assert row.proof.startswith(f"call {call.pk} at ")
    assert AuditEntry.unscoped.get(action="suppression.added").changes["source"] == "opt_out"


def test_a_caller_who_asks_is_suppressed_too(ours: Workspace) -> None:
    opt_out(
        talking(
            ours,
            direction="inbound",
            room="in-1",
            from_number="+442079460018",
            to_number="+12025550100",
        )
    )
    opt_out(
        talking(
            ours,
            direction="inbound",
            room="in-2",
            from_number="anonymous",
            to_number="+12025550100",
        )
    )

    suppress_opt_outs()

    assert Suppression.unscoped.get().phone_number == "+442079460018"


def test_other_tools_and_browser_calls_suppress_nobody(ours: Workspace) -> None:
    opt_out(talking(ours), "book")
    opt_out(talking(ours, direction="inbound"))

    assert suppress_opt_outs() == 0
    assert not Suppression.unscoped.exists()


def test_a_repeated_report_does_not_bring_a_lifted_number_back(ours: Workspace) -> None:
    call = talking(ours)
    event = opt_out(call)
    suppress_opt_outs()
    Suppression.unscoped.all().delete()

    report(call, event)

    assert suppress_opt_outs() == 0


def test_a_suppression_that_would_expire_no_longer_does(ours: Workspace) -> None:
    make.suppression(ours, phone_number=NUMBER, expires_at=timezone.now() + timedelta(days=1))
    opt_out(talking(ours))

    suppress_opt_outs()

    row = Suppression.unscoped.get()
    assert (row.source, row.expires_at) == ("opt_out", None)


def test_what_was_suppressed_for_good_keeps_its_reason(ours: Workspace) -> None:
    make.suppression(ours, phone_number=NUMBER, reason="A letter of 3 May")
    opt_out(talking(ours))

    suppress_opt_outs()

    assert Suppression.unscoped.get().reason == "A letter of 3 May"
