"""From a due recipient to a known outcome, through the real client, the sandbox and the web server."""

import pytest

from telephony.models import Call
from tests.faults.conftest import Line, outcomes

pytestmark = [pytest.mark.slow]


def test_every_kind_of_callee_gets_the_outcome_of_the_table(line: Line) -> None:
    batch = line.batch("00", "42", "57", "63", "71", "76", "81", "86", "91", "96", "98", "99")

    line.run(batch)

    assert outcomes(batch) == {
        "00": ("completed", "answered", 1),
        "42": ("completed", "answered", 1),
        "57": ("completed", "answered", 1),
        "63": ("failed", "no_answer", 1),
        "71": ("failed", "busy", 1),
        "76": ("completed", "voicemail", 1),
        "81": ("failed", "declined", 1),
        "86": ("failed", "invalid_number", 1),
        "91": ("completed", "answered", 1),
        "96": ("completed", "answered", 1),
        "98": ("failed", "blocked", 1),
        "99": ("completed", "answered", 1),
    }
    dialled = [dial["number"][-2:] for dial in line.box.dials()]
    assert sorted(dialled) == sorted(
        [*outcomes(batch), "91"]
    )  # its first INVITE met a carrier without channels


def test_a_lost_answer_is_found_by_evidence_and_dialled_once(line: Line) -> None:
    line.box.faults(seed=1, drop_after_dial_rate=1.0)
    batch = line.batch("01", "02", "65")

    line.run(batch)

    assert outcomes(batch) == {
        "01": ("completed", "answered", 1),
        "02": ("completed", "answered", 1),
        "65": ("failed", "no_answer", 1),
    }
    assert len(line.box.dials()) == 3


def test_a_request_that_never_arrived_is_proven_so_and_sent_again(line: Line) -> None:
    line.box.faults(seed=1, refuse_rate=1.0)
    batch = line.batch("03")

    line.run(batch, until=lambda _: Call.unscoped.filter(stage="unknown").exists())
    assert line.box.dials() == []
    line.box.faults()
    line.run(batch)

    assert outcomes(batch) == {"03": ("completed", "answered", 1)}
    assert len(line.box.dials()) == 1
    first = Call.unscoped.order_by("sequence").values_list("end_reason", "attempt").first()
    assert first == ("not_placed", 1)


def test_without_a_witness_nobody_is_redialled(line: Line) -> None:
    """Neither evidence nor proof: the callee goes to review, and stays there."""
    line.box.faults(seed=1, refuse_rate=1.0)
    batch = line.batch("04")
    line.run(batch, until=lambda _: Call.unscoped.filter(stage="unknown").exists())

    Call.unscoped.update(agent_seen_at=None)
    line.box.agent(online=False)
    line.box.faults(seed=1, report_loss_rate=1.0)
    line.run(batch)

    assert outcomes(batch)["04"][:2] == ("review", "unknown")
    assert line.box.dials() == []


def test_without_any_webhook_every_call_still_ends(line: Line) -> None:
    line.box.faults(seed=1, webhook_loss_rate=1.0)
    batch = line.batch("05", "66", "77")

    line.run(batch)

    assert outcomes(batch) == {
        "05": ("completed", "answered", 1),
        "66": ("failed", "no_answer", 1),
        "77": ("completed", "voicemail", 1),
    }
