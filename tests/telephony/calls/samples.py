"""Ended calls, for the tests of lists and details."""

from datetime import UTC, datetime, timedelta
from typing import Any

from accounts.models import Workspace
from telephony.models import Call, Outcome, Stage
from tests import make

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def ended(of: Workspace, **fields: Any) -> Call:
    times = {
        "dialed_at": NOON,
        "ringing_at": NOON + timedelta(seconds=1),
        "answered_at": NOON + timedelta(seconds=8),
        "ended_at": NOON + timedelta(seconds=49, milliseconds=200),
    }
    return make.call(of, **{"stage": Stage.ENDED, "outcome": Outcome.ANSWERED, **times, **fields})
