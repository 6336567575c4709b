"""Whether this installation hears its agents, so that a silent one can be missed."""

from datetime import timedelta

import pytest
from django.utils import timezone

from telephony.dialing.lost_agents import DEAFNESS, HEARING_RECOVERY, Hearing


def test_without_agents_there_is_nothing_to_be_deaf_to() -> None:
    hearing, now = Hearing(), timezone.now()

    hearing.observe(now, agents=0, heard_at=None)

    assert hearing.is_good(now)


@pytest.mark.parametrize(
    ("gap", "silence", "is_good"),
    [
        (DEAFNESS / 2, DEAFNESS / 2, True),
        (DEAFNESS / 2, 2 * DEAFNESS, False),
        (2 * DEAFNESS, DEAFNESS / 2, False),
        (2 * DEAFNESS, 2 * DEAFNESS, False),
    ],
)
def test_hearing_is_good_only_when_it_was_without_a_gap(
    gap: timedelta, silence: timedelta, is_good: bool
) -> None:
    now = timezone.now()
    hearing = Hearing(checked_at=now - gap)

    hearing.observe(now, agents=2, heard_at=now - silence)

    assert hearing.is_good(now) is is_good
    assert hearing.is_good(now + HEARING_RECOVERY)
