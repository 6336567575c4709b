"""A number whose carrier refuses it, through the real client and the sandbox: it stops, probes
once, and heals.
"""

import time

import pytest

from batches.models import Batch
from telephony.models import Call
from tests import make
from tests.faults.conftest import Line, outcomes

pytestmark = [pytest.mark.slow]

REFUSED = {
    "twirp": {
        "code": "failed_precondition",
        "msg": "twirp error unknown: max auth retry attempts reached for SIP invite",
    }
}
WHY = (
    "The carrier refused the trunk's credentials. "
    "One call at a time probes, and the batch goes on when it gets through."
)


def test_refused_credentials_stop_both_batches_until_one_probe_gets_through(line: Line) -> None:
    first = line.batch("01", "02", "03", "04")
    second = make.batch(line.workspace, status=Batch.Status.RUNNING, phone_number=line.number)
    for ending in ("05", "06", "07", "08"):
        make.recipient(second, phone_number=f"+1202555{ending:0>4}")
    everybody = [f"+1202555{n:04}" for n in range(1, 9)]
    line.box.behaviours(dict.fromkeys(everybody, REFUSED))

    line.run(first, until=lambda batch: batch.error is not None)
    second.refresh_from_db()

    assert ((first.status, first.error), (second.status, second.error)) == (
        ("paused", WHY),
        ("paused", WHY),
    )
    number = make.client(line.workspace).get(f"/phone-numbers/{line.number.pk}").json()
    assert number["status"] == "failing"

    before, began = Call.unscoped.exclude(intent_at=None).count(), time.monotonic()
    line.run(first, until=lambda _: Call.unscoped.exclude(intent_at=None).count() >= before + 2)
    assert (
        time.monotonic() - began > 5.0
    )  # the second probe, of whichever batch, comes five seconds after the first

    line.box.behaviours({})
    line.run(first)
    line.run(second)

    assert {*outcomes(first).values(), *outcomes(second).values()} == {("completed", "answered", 1)}
    assert sorted(dial["number"] for dial in line.box.dials()) == everybody
