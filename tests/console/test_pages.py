"""What every page has in common: errors in HTML, the session, the choice of a workspace."""

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts.models import Workspace
from accounts.roles import Role
from tests import make
from tests.console.browsers import HTML, reader, text_of, visitor


def test_browser_gets_a_page_for_an_unknown_address_and_a_program_json(db: None) -> None:
    answers = [
        Client(headers=headers).get(path)
        for path in ("/nothing", "/console/nothing")
        for headers in (HTML, {"Accept": "*/*"})
    ]

    assert [answer.status_code for answer in answers] == [404] * 4
    kinds = [answer["Content-Type"].partition(";")[0] for answer in answers]
    assert kinds == ["text/html", "application/json"] * 2
    assert "There is nothing here" in text_of(answers[0])
    assert answers[1].json() == {"detail": "Not found"}


def test_api_stays_json_for_browsers(ours: Workspace) -> None:
    answer = Client(headers=HTML).get("/batches")

    assert (answer.status_code, answer.json()) == (401, {"detail": "Invalid or missing token"})


def test_bug_in_a_page_is_answered_with_a_page(
    ours: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = reader(make.member(ours))
    browser.raise_request_exception = False
    monkeypatch.setattr("console.views.home.read_figures", lambda *args: 1 / 0)

    answer = browser.get("/")

    assert answer.status_code == 500
    assert "Something went wrong" in text_of(answer)


def test_pages_are_never_cached_and_run_no_script_of_others(ours: Workspace) -> None:
    answer = reader(make.member(ours)).get("/")

    assert answer["Cache-Control"] == "no-store"
    assert "script-src 'self'" in answer["Content-Security-Policy"]
    assert "unsafe-eval" not in answer["Content-Security-Policy"]
    assert "<script>" not in answer.content.decode()


def test_script_gets_401_after_the_session_has_ended(ours: Workspace) -> None:
    user = make.member(ours)
    browser = reader(user)

    before = browser.get("/console/alive", headers={"HX-Request": "true"})
    user.sessions.update(revoked_at=timezone.now())
    after = browser.get("/console/alive", headers={"HX-Request": "true"})

    assert [before.status_code, after.status_code] == [204, 401]


def test_reader_changes_the_workspace(ours: Workspace, theirs: Workspace) -> None:
    user = make.member(ours)
    theirs.memberships.create(user=user, role=Role.ADMIN)
    browser = reader(user)

    before = browser.get("/")
    browser.post("/console/workspaces", {"workspace": str(theirs.pk)})
    after = browser.get("/")

    assert "Ours" in text_of(before)
    assert "Theirs" in text_of(after)


def test_foreign_workspace_in_the_cookie_counts_for_nothing(
    ours: Workspace, theirs: Workspace
) -> None:
    browser = reader(make.member(ours))

    browser.post("/console/workspaces", {"workspace": str(theirs.pk)})
    page = browser.get("/")

    assert "Ours" in text_of(page)
    assert "Theirs" not in text_of(page)


def test_user_without_a_workspace_is_asked_to_make_one(db: None) -> None:
    browser = reader(make.user())

    start = browser.get("/")
    refused = browser.post("/console/workspaces", {"name": ""})
    made = browser.post("/console/workspaces", {"name": "New place"})

    assert start["Location"] == "/console/workspaces"
    assert "Please fill this in." in text_of(refused)
    assert made["Location"] == "/"
    assert "New place" in text_of(browser.get("/"))


def test_key_in_a_header_opens_no_page(ours: Workspace) -> None:
    key = make.api_key(ours)[1]

    answer = visitor().get("/", headers={"X-API-Key": key})

    assert answer.status_code == 302


@pytest.mark.parametrize(
    ("stored", "sources"),
    [
        ({"RECORDINGS_STORAGE": "local"}, "media-src 'self';"),
        ({"RECORDINGS_STORAGE": "s3"}, "media-src 'self' https://*.amazonaws.com;"),
        (
            {"RECORDINGS_STORAGE": "s3", "S3_PUBLIC_ENDPOINT_URL": "https://files.example"},
            "media-src 'self' https://files.example;",
        ),
    ],
)
def test_player_may_load_recordings_from_where_they_lie(
    stored: dict[str, str], sources: str, settings: Settings, db: None
) -> None:
    for name, value in stored.items():
        setattr(settings, name, value)

    assert sources in visitor().get("/console/sign-in")["Content-Security-Policy"]


@pytest.mark.parametrize("is_staff", [True, False])
def test_way_to_the_control_room_is_for_staff(is_staff: bool, ours: Workspace) -> None:
    user = make.member(ours, is_staff=is_staff)

    assert ("Control room" in text_of(reader(user).get("/"))) == is_staff
