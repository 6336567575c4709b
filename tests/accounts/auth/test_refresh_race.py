"""Eight threads with one refresh token and connections of their own: on any database, one wins."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection
from django.utils import timezone

from accounts.auth import sessions
from accounts.models import AuditEntry
from tests import make

RACERS = 8


@pytest.mark.django_db(transaction=True)
def test_one_of_eight_simultaneous_refreshes_wins() -> None:
    for _ in range(3):
        user = make.user()
        token = sessions.open_session(user=user, now=timezone.now()).refresh_token
        start = Barrier(RACERS)

        with ThreadPoolExecutor(RACERS) as pool:
            outcomes = list(
                pool.map(lambda _, token=token, start=start: refresh(token, start), range(RACERS))
            )

        assert sorted(outcomes) == ["refused"] * (RACERS - 1) + ["won"]
        spent_seen = AuditEntry.unscoped.filter(
            action="session.token_reused", actor_id=user.pk
        ).count()
        assert bool(user.sessions.get().revoked_at) == bool(spent_seen)


def refresh(token: str, start: Barrier) -> str:
    start.wait(timeout=10)
    try:
        sessions.refresh_session(token=token, now=timezone.now(), ip=None)
    except sessions.InvalidCredentialsError:
        return "refused"
    finally:
        connection.close()
    return "won"
