"""A carrier that refuses our number, through the real client and the sandbox: the circuit breaker
opens, probes, and closes again.
"""

import time

import pytest

from telephony.models import Call
from tests import make
from tests.faults.conftest import Installation, results_of

pytestmark = [pytest.mark.slow]

REFUSED = {
    "twirp": {
        "code": "failed_precondition",
        "msg": "max auth retry attempts reached for SIP invite",
    }
}
PAUSE_REASON = (
    "The carrier refused the trunk's credentials. "
    "One call at a time probes, and the batch resumes when it gets through."
)


def test_refused_credentials_stop_both_batches_until_one_probe_gets_through(
    installation: Installation,
) -> None:
    first = installation.create_batch("01", "02", "03", "04")
    second = installation.create_batch("05", "06", "07", "08")
    numbers = [f"+1202555{n:04}" for n in range(1, 9)]
    installation.sandbox.set_behaviours(dict.fromkeys(numbers, REFUSED))

    installation.run_batch(first, until=lambda batch: batch.error is not None)
    second.refresh_from_db()

    assert ((first.status, first.error), (second.status, second.error)) == (
        ("paused", PAUSE_REASON),
        ("paused", PAUSE_REASON),
    )
    client = make.client(installation.workspace)
    number = client.get(f"/phone-numbers/{installation.number.pk}").json()
    assert number["status"] == "failing"

    probes = Call.unscoped.exclude(intent_at=None)
    before = probes.count()
    began = time.monotonic()
    installation.run_batch(first, until=lambda _: probes.count() >= before + 2)
    # The second probe, of either batch, comes five seconds after the first.
    assert time.monotonic() - began > 5.0

    installation.sandbox.set_behaviours({})
    installation.run_batch(first)
    installation.run_batch(second)

    assert {*results_of(first).values(), *results_of(second).values()} == {
        ("completed", "answered", 1)
    }
    assert sorted(dial["number"] for dial in installation.sandbox.dials()) == numbers
