"""Eight threads with one refresh token and connections of their own: all get the same pair."""

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
def test_eight_simultaneous_refreshes_get_one_pair() -> None:
    for _ in range(3):
        user = make.user()
        token = sessions.open_session(user=user, now=timezone.now()).refresh_token
        start = Barrier(RACERS)

        with ThreadPoolExecutor(RACERS) as pool:
            pairs = set(
                pool.map(lambda _, token=token, start=start: refresh(token, start), range(RACERS))
            )

        assert len(pairs) == 1
        assert user.sessions.get().revoked_at is None
        assert not AuditEntry.unscoped.filter(action="session.token_reused").exists()


def refresh(token: str, start: Barrier) -> tuple[str, str]:
    start.wait(timeout=10)
    try:
        pair = sessions.refresh_session(token=token, now=timezone.now(), ip=None)
    finally:
        connection.close()
    return pair.access_token, pair.refresh_token
