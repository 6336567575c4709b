"""From a due recipient to an outcome, through the real client, the sandbox and the web server."""

import pytest

from telephony.models import Call
from tests.faults.conftest import Installation, results_of

pytestmark = [pytest.mark.slow]


def test_every_kind_of_callee_has_the_documented_outcome(installation: Installation) -> None:
    batch = installation.create_batch(
        "00", "42", "57", "63", "71", "76", "81", "86", "91", "96", "98", "99"
    )

    installation.run_batch(batch)

    assert results_of(batch) == {
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
    dialed = [dial["number"][-2:] for dial in installation.sandbox.dials()]
    # 91 is dialed twice: at its first INVITE the carrier has no channel free.
    assert sorted(dialed) == sorted([*results_of(batch), "91"])


def test_the_outcome_of_a_lost_response_is_found_without_a_second_dial(
    installation: Installation,
) -> None:
    installation.sandbox.set_faults(seed=1, drop_after_dial_rate=1.0)
    batch = installation.create_batch("01", "02", "65")

    installation.run_batch(batch)

    assert results_of(batch) == {
        "01": ("completed", "answered", 1),
        "02": ("completed", "answered", 1),
        "65": ("failed", "no_answer", 1),
    }
    assert len(installation.sandbox.dials()) == 3


def test_a_request_that_provably_never_arrived_is_sent_again(installation: Installation) -> None:
    installation.sandbox.set_faults(seed=1, refuse_rate=1.0)
    batch = installation.create_batch("03")

    installation.run_batch(batch, until=lambda _: Call.unscoped.filter(stage="unknown").exists())
    assert installation.sandbox.dials() == []
    installation.sandbox.set_faults()
    installation.run_batch(batch)

    assert results_of(batch) == {"03": ("completed", "answered", 1)}
    assert len(installation.sandbox.dials()) == 1
    first = Call.unscoped.order_by("sequence").values_list("end_reason", "attempt").first()
    assert first == ("not_placed", 1)


def test_a_call_without_evidence_is_not_dialed_again(installation: Installation) -> None:
    """Nothing proves that it was placed or not placed, so the recipient goes to review."""
    installation.sandbox.set_faults(seed=1, refuse_rate=1.0)
    batch = installation.create_batch("04")
    installation.run_batch(batch, until=lambda _: Call.unscoped.filter(stage="unknown").exists())

    Call.unscoped.update(agent_seen_at=None)
    installation.sandbox.set_agent(online=False)
    installation.sandbox.set_faults(seed=1, report_loss_rate=1.0)
    installation.run_batch(batch)

    assert results_of(batch)["04"][:2] == ("review", "unknown")
    assert installation.sandbox.dials() == []


def test_every_call_ends_even_without_webhooks(installation: Installation) -> None:
    installation.sandbox.set_faults(seed=1, webhook_loss_rate=1.0)
    batch = installation.create_batch("05", "66", "77")

    installation.run_batch(batch)

    assert results_of(batch) == {
        "05": ("completed", "answered", 1),
        "66": ("failed", "no_answer", 1),
        "77": ("completed", "voicemail", 1),
    }
