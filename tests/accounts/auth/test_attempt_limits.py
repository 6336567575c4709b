"""Attempts are counted before they are judged, also when many arrive at the same moment."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connections
from django.utils import timezone
from rest_framework.settings import api_settings
from rest_framework.test import APIClient

from accounts.api.throttles import Limit
from accounts.auth import attempt_limits
from accounts.models import AuditEntry, StaffTry
from tests import make

NOW = timezone.now()
LATER = NOW + attempt_limits.ATTEMPT_WINDOW + timedelta(seconds=1)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_old", [False, True])
def test_of_forty_parallel_attempts_five_go_ahead(is_old: bool) -> None:
    if is_old:
        for _ in range(7):
            attempt_limits.register_attempt("login", "ada", now=NOW)

    def attempt(_: int) -> int:
        try:
            return attempt_limits.register_attempt("login", "ada", now=LATER)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(40) as pool:
        waits = list(pool.map(attempt, range(40)))

    assert sorted(waits)[:5] == [0] * 5
    assert all(wait > 0 for wait in sorted(waits)[5:])
    assert StaffTry.objects.get().count == 40


@pytest.mark.django_db(transaction=True)
def test_of_forty_parallel_guesses_at_a_password_five_are_checked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rates = {**api_settings.DEFAULT_THROTTLE_RATES, "account": "5/15min"}
    monkeypatch.setattr(Limit, "THROTTLE_RATES", rates)
    user = make.user(email="ada@example.com")

    def guess(at: int) -> int:
        try:
            body = {"email": user.email, "password": f"guess number {at}"}
            return int(APIClient().post("/auth/login", body).status_code)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(40) as pool:
        answers = sorted(pool.map(guess, range(40)))

    assert answers == [401] * 5 + [429] * 35
    assert AuditEntry.unscoped.filter(action="user.login_failed").count() == 5


@pytest.mark.django_db
def test_a_new_window_begins_after_the_old_one() -> None:
    for _ in range(6):
        attempt_limits.register_attempt("login", "ada", now=NOW)

    assert attempt_limits.register_attempt("login", "ada", now=NOW) == 900
    assert attempt_limits.register_attempt("login", "ada", now=LATER) == 0
