"""The overview for a screen on a wall, which outlives the session that opened it."""

import pytest
from django.conf import settings
from django.test import Client

from accounts.models import AuditEntry, User, Workspace
from tests import make


@pytest.fixture
def user(db: None) -> User:
    return make.user(is_staff=True, is_superuser=True)


@pytest.fixture
def screen(user: User) -> Client:
    """A browser in which the view was opened, and whose session has ended."""
    client = Client()
    client.force_login(user)
    opened = client.post("/admin/wall/open/?days=7")
    assert opened.headers["Location"] == "/admin/wall/?days=7"
    client.session.flush()
    del client.cookies[settings.SESSION_COOKIE_NAME]
    return client


def test_the_view_goes_on_after_the_session_has_ended(
    screen: Client, user: User, ours: Workspace
) -> None:
    make.batch(ours, name="Spring", status="running")

    page = screen.get("/admin/wall/", {"days": "7"})
    part = screen.get("/admin/wall/part/", {"days": "7"})

    assert (page.status_code, part.status_code) == (200, 200)
    assert 'hx-get="/admin/wall/part/?days=7"' in page.content.decode()
    assert "Spring" in part.content.decode()
    entry = AuditEntry.unscoped.get(action="wall.opened")
    assert (entry.actor_name, entry.object_id) == (user.email, str(user.pk))


def test_the_token_opens_nothing_else_and_changes_nothing(screen: Client) -> None:
    answers = [screen.get("/admin/"), screen.get("/admin/overview/"), screen.post("/admin/wall/")]

    assert [answer.status_code for answer in answers] == [302, 302, 302]
    assert screen.post("/admin/wall/part/").status_code == 403
    assert screen.cookies["wall"]["path"] == "/admin/wall/"
    assert screen.cookies["wall"]["httponly"]


@pytest.mark.parametrize("change", ["password", "staff", "active"])
def test_the_token_ends_with_the_rights_of_its_owner(
    screen: Client, user: User, change: str
) -> None:
    if change == "password":
        user.set_password("another password")
    setattr(user, f"is_{change}", False)
    user.save()

    assert screen.get("/admin/wall/").headers["Location"] == "/admin/login/"
    assert screen.get("/admin/wall/part/").status_code == 403


def test_a_forged_or_missing_token_lets_no_one_in(db: None) -> None:
    client = Client()

    without = client.get("/admin/wall/part/")
    client.cookies["wall"] = "eyJ1c2VyIjoiMSJ9:forged:signature"
    forged = client.get("/admin/wall/part/")

    assert (without.status_code, forged.status_code) == (403, 403)
