"""An event that the control plane refuses costs only itself."""

from collections.abc import Callable

import pytest

from voice.journal import Journal
from voice.tests.control_plane import ControlPlane, add_turns
from voice.worker.reports import Reporter
from voice.worker.spool import Spool

Make = Callable[..., Spool]


async def test_one_bad_event_among_three_hundred_costs_only_itself(
    control_plane: ControlPlane, make_spool: Make, caplog: pytest.LogCaptureFixture
) -> None:
    reporter = Reporter(make_spool(control_plane.url))
    journal = Journal(reporter.add)
    texts = add_turns(journal, 150)
    journal.add("turn", text="wrong", bad=True)
    texts += add_turns(journal, 149)
    reporter.start()

    assert await reporter.close(10.0)
    assert control_plane.texts() == texts
    assert [record.message for record in caplog.records] == [
        'An event of the type turn was refused: {"detail": "a bad event"}'
    ]
