"""Callees who ask during a call not to be called again."""

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


def answered_call(of: Workspace, **fields: Any) -> Call:
    then = timezone.now() - timedelta(seconds=5)
    times = {"intent_at": then, "dialed_at": then, "callee_joined_at": then, "answered_at": then}
    return make.call(of, **{"stage": Stage.IN_PROGRESS, "to_number": NUMBER, **times, **fields})


def report_opt_out(call: Call, name: str = "opt_out") -> dict[str, Any]:
    event = reported("tool_call", name=name, arguments={}, result="")
    assert report(call, event).status_code == 200
    return event


@pytest.mark.parametrize("name", ["opt_out", "do_not_call"])
def test_callee_who_asks_is_suppressed_without_expiry(ours: Workspace, name: str) -> None:
    call = answered_call(ours)
    report_opt_out(call, name)

    handled = suppress_opt_outs()

    row = Suppression.unscoped.get(workspace=ours)
    assert handled == 1
    assert (row.phone_number, row.source, row.expires_at) == (NUMBER, "opt_out", None)
    assert row.proof.startswith(f"call {call.pk} at ")
    assert AuditEntry.unscoped.get(action="suppression.added").changes["source"] == "opt_out"


def test_caller_who_asks_is_suppressed_too(ours: Workspace) -> None:
    report_opt_out(
        answered_call(
            ours,
            direction="inbound",
            room="in-1",
            from_number="+442079460018",
            to_number="+12025550100",
        )
    )
    report_opt_out(
        answered_call(
            ours,
            direction="inbound",
            room="in-2",
            from_number="anonymous",
            to_number="+12025550100",
        )
    )

    suppress_opt_outs()

    assert Suppression.unscoped.get().phone_number == "+442079460018"


def test_other_tools_and_browser_calls_suppress_no_number(ours: Workspace) -> None:
    report_opt_out(answered_call(ours), "book")
    report_opt_out(answered_call(ours, direction="inbound"))

    assert suppress_opt_outs() == 0
    assert not Suppression.unscoped.exists()


def test_repeated_report_does_not_suppress_a_lifted_number_again(ours: Workspace) -> None:
    call = answered_call(ours)
    event = report_opt_out(call)
    suppress_opt_outs()
    Suppression.unscoped.all().delete()

    report(call, event)

    assert suppress_opt_outs() == 0


def test_suppression_with_an_expiry_loses_it(ours: Workspace) -> None:
    make.suppression(ours, phone_number=NUMBER, expires_at=timezone.now() + timedelta(days=1))
    report_opt_out(answered_call(ours))

    suppress_opt_outs()

    row = Suppression.unscoped.get()
    assert (row.source, row.expires_at) == ("opt_out", None)


def test_suppression_without_an_expiry_keeps_its_reason(ours: Workspace) -> None:
    make.suppression(ours, phone_number=NUMBER, reason="Asked by e-mail on 3 May")
    report_opt_out(answered_call(ours))

    suppress_opt_outs()

    assert Suppression.unscoped.get().reason == "Asked by e-mail on 3 May"
