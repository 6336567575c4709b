"""A new secret for tokens, while users are logged in with the old one."""

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings
from rest_framework.test import APIClient

from accounts.auth import tokens
from accounts.models import User
from tests import make

OLD, NEW, OTHER = (
    f"{name} secret of at least thirty-two characters" for name in ("an old", "a new", "another")
)


def detail_for(token: str) -> tuple[int, str | None]:
    answer = APIClient(headers={"Authorization": f"Bearer {token}"}).get("/auth/me")
    return answer.status_code, answer.json().get("detail")


@pytest.fixture
def ada(db: None, settings: Settings) -> User:
    settings.JWT_API_SECRET = OLD
    return make.user()


def test_tokens_of_the_old_secret_are_valid_until_it_is_removed(
    ada: User, settings: Settings
) -> None:
    old = make.access_token(ada)
    settings.JWT_API_SECRET, settings.JWT_API_SECRET_FALLBACKS = NEW, [OTHER, OLD]
    while_both = detail_for(old)
    new = make.access_token(ada)

    settings.JWT_API_SECRET_FALLBACKS = []

    assert while_both == (200, None)
    assert detail_for(old) == (401, "Invalid or missing token")
    assert detail_for(new) == (200, None)


def test_an_expired_token_of_the_old_secret_is_reported_as_expired(
    ada: User, settings: Settings
) -> None:
    long_ago = timezone.now() - timedelta(days=1)
    old = tokens.issue_token(
        tokens.ACCESS, user_id=ada.pk, session_id=make.session(ada).pk, now=long_ago
    )

    settings.JWT_API_SECRET, settings.JWT_API_SECRET_FALLBACKS = NEW, [OLD]

    assert detail_for(old) == (401, "Token expired")
    assert tokens.decode_token(old, allow_expired=True).user_id == ada.pk


def test_a_refresh_issues_tokens_of_the_new_secret(db: None, settings: Settings) -> None:
    settings.JWT_API_SECRET = OLD
    client = APIClient()
    body = {"email": "ada@example.com", "password": make.PASSWORD}
    refresh = client.post("/auth/register", body).json()["refresh_token"]
    settings.JWT_API_SECRET, settings.JWT_API_SECRET_FALLBACKS = NEW, [OLD]

    pair = APIClient().post("/auth/refresh", {"refresh_token": refresh}).json()

    settings.JWT_API_SECRET_FALLBACKS = []
    assert detail_for(pair["access_token"]) == (200, None)
