import re
from typing import Any

import pytest
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from django.core import mail
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts.auth import second_factor
from accounts.auth.principal import Principal
from accounts.models import Membership, User, Workspace
from accounts.roles import Role
from accounts.services import email_delivery, invitations
from accounts.services.registration import first_user_token
from tests import make
from tests.console.browsers import HTML, reader, text_of, visitor


def credentials(user: User, **fields: str) -> dict[str, str]:
    return {"email": user.email, "password": make.PASSWORD, **fields}


def link_in_mail() -> str:
    """The link of the last mail, as a path."""
    email_delivery.wait_until_sent()
    found = re.search(r"http://127\.0\.0\.1:8000(/console/\S+)", str(mail.outbox[-1].body))
    assert found is not None
    return found[1]


def code_of(user: User) -> str:
    """Set up a second factor for the user; return a code of its app that was not used yet."""
    factor = second_factor.begin_setup(user=user)
    now = timezone.now()
    app = second_factor._totp(factor)
    step = int(now.timestamp()) // 30
    second_factor.confirm(
        factor=factor,
        code=app.generate((step - 1) * 30).decode(),
        now=now,
        principal=Principal.for_user(user),
    )
    return app.generate(step * 30).decode()


def test_member_signs_in_and_comes_to_the_page_they_wanted(ours: Workspace) -> None:
    user = make.member(ours)
    browser = visitor()

    wanted = browser.get("/console/workspaces")
    door = browser.get(wanted["Location"] + "&again=1")
    signed_in = browser.post("/console/sign-in", credentials(user, next="/console/workspaces"))
    page = browser.get(signed_in["Location"])

    assert wanted["Location"] == "/auth/continue?next=%2Fconsole%2Fworkspaces"
    assert door["Location"] == "/console/sign-in?next=%2Fconsole%2Fworkspaces"
    assert signed_in["Location"] == "/console/workspaces"
    assert signed_in.cookies["refresh_token"]["path"] == "/auth"
    assert "Ours" in text_of(page)


def test_wrong_password_is_refused_in_words(ours: Workspace) -> None:
    user = make.member(ours)

    answer = visitor().post("/console/sign-in", credentials(user, password="wrong"))

    assert answer.status_code == 422
    assert "E-mail or password is wrong." in text_of(answer)
    assert "access_token" not in answer.cookies


def test_door_leads_to_no_other_site(ours: Workspace) -> None:
    answer = visitor().post(
        "/console/sign-in", credentials(make.member(ours), next="https://evil.example/")
    )

    assert answer["Location"] == "/"


def test_second_factor_is_asked_for_after_the_password(ours: Workspace) -> None:
    user = make.member(ours)
    code = code_of(user)
    browser = visitor()

    asked = browser.post("/console/sign-in", credentials(user), headers={"HX-Request": "true"})
    wrong = browser.post("/console/sign-in", credentials(user, code="000000"))
    entered = browser.post(
        "/console/sign-in", credentials(user, code=code), headers={"HX-Request": "true"}
    )

    assert "Code of your second factor" in text_of(asked)
    assert 'name="password"' not in asked.content.decode()
    assert "This code is wrong or was used before." in text_of(wrong)
    assert (entered.status_code, entered["HX-Redirect"]) == (200, "/")
    assert "access_token" in entered.cookies


def test_password_alone_opens_no_session_of_the_api_with_a_second_factor(ours: Workspace) -> None:
    user = make.member(ours)
    code = code_of(user)
    browser = Client()

    answers = [
        browser.post("/auth/login", credentials(user, **extra), content_type="application/json")
        for extra in ({}, {"code": code}, {"code": code})
    ]

    assert [answer.status_code for answer in answers] == [401, 200, 401]
    assert answers[0].json() == {"detail": "Second factor required"}


def test_codes_cannot_be_guessed_for_long(ours: Workspace) -> None:
    user = make.member(ours)
    code_of(user)
    browser = visitor()

    answers = [
        text_of(browser.post("/console/sign-in", credentials(user, code=f"{number:06}")))
        for number in range(6)
    ]

    assert "This code is wrong" in answers[4]
    assert "Too many wrong codes: wait a quarter of an hour." in answers[5]


def test_visitor_signs_up(db: None) -> None:
    make.user()
    browser = visitor()
    fields = {"email": "ada@example.com", "name": "Ada", "password": make.PASSWORD}

    signed_up = browser.post("/console/sign-up", {**fields, "workspace_name": "Engines"})
    page = browser.get("/")

    assert signed_up["Location"] == "/"
    assert "Engines" in text_of(page)


def test_sign_up_says_what_is_missing_beside_the_field(db: None) -> None:
    answer = visitor().post("/console/sign-up", {"email": "nonsense", "password": "short"})

    assert answer.status_code == 422
    assert "This is not an e-mail address." in text_of(answer)
    assert 'value="nonsense"' in answer.content.decode()
    assert "at least 12 characters" in text_of(answer)


def test_invitation_mail_leads_into_the_workspace(ours: Workspace, theirs: Workspace) -> None:
    admin = make.member(ours, Role.ADMIN)
    principal = Principal.for_user(admin, workspace=ours)
    invitations.create_invitation(
        workspace=ours,
        email="grace@example.com",
        role=Role.MANAGER,
        principal=principal,
        now=timezone.now(),
    )
    browser = visitor()
    link = link_in_mail()

    door = browser.get(link)
    token = link.partition("token=")[2]
    entered = browser.post(
        "/console/invitation", {"token": token, "name": "Grace", "password": make.PASSWORD}
    )
    page = browser.get("/")
    again = browser.get(link)

    assert "You are invited to Ours" in text_of(door)
    assert entered["Location"] == "/"
    assert Membership.unscoped.get(user__email="grace@example.com").role == Role.MANAGER
    assert "Overview" in text_of(page)
    assert again.status_code == 404
    assert "This invitation no longer works" in text_of(again)


def test_known_user_accepts_without_a_password_and_comes_to_that_workspace(
    ours: Workspace, theirs: Workspace
) -> None:
    user = make.member(theirs)
    invitations.create_invitation(
        workspace=ours,
        email=user.email,
        role=Role.MEMBER,
        principal=Principal.for_user(make.member(ours, Role.ADMIN)),
        now=timezone.now(),
    )
    browser = visitor()
    link = link_in_mail()

    door = browser.get(link)
    browser.post("/console/invitation", {"token": link.partition("token=")[2]})

    assert 'name="password"' not in door.content.decode()
    assert "Ours" in text_of(browser.get("/"))


def test_forgotten_password_is_set_with_the_link_of_the_mail(ours: Workspace) -> None:
    user = make.member(ours)
    browser = visitor()

    sent = browser.post("/console/forgotten-password", {"email": user.email})
    link = link_in_mail()
    page = browser.get(link)
    changed = browser.post(
        "/console/new-password",
        {"token": link.partition("token=")[2], "password": "another long sentence"},
    )
    signed_in = browser.post(
        "/console/sign-in", credentials(user, password="another long sentence")
    )

    assert "an e-mail with a link is on its way" in text_of(sent)
    assert link.startswith("/console/new-password?token=")
    assert page.status_code == 200
    assert changed["Location"] == "/console/sign-in"
    assert signed_in["Location"] == "/"


def test_address_of_the_api_in_mails_answers_browsers_as_programs(db: None) -> None:
    answers = [
        Client(headers=headers).get("/auth/invitations/accept")
        for headers in (HTML, {"Accept": "application/json"})
    ]

    bodies = [(answer.status_code, answer.json()) for answer in answers]
    assert bodies == [(405, {"detail": "Method not allowed"})] * 2


@pytest.mark.parametrize("method", ["get", "post", "delete"])
def test_first_page_is_unknown_to_programs_whatever_they_send(method: str, db: None) -> None:
    answer = getattr(Client(enforce_csrf_checks=True), method)("/")

    assert (answer.status_code, answer.json()) == (404, {"detail": "Not found"})


def test_signing_out_ends_the_session(ours: Workspace) -> None:
    user = make.member(ours)
    browser = reader(user)

    left = browser.post("/console/sign-out")

    assert left["Location"] == "/console/sign-in"
    assert user.sessions.get().revoked_at is not None
    assert browser.get("/")["Location"].startswith("/auth/continue")


def test_session_is_renewed_on_the_way_to_a_page(ours: Workspace) -> None:
    user = make.member(ours)
    browser = visitor()
    browser.post("/console/sign-in", credentials(user))
    del browser.cookies["access_token"]

    renewed = browser.get("/auth/continue?next=/console/workspaces")

    assert renewed["Location"] == "/console/workspaces"
    assert browser.get("/console/workspaces").status_code == 200


def test_link_on_another_site_takes_one_step_more(ours: Workspace) -> None:
    browser = visitor()

    step = browser.get("/auth/continue?next=/", headers={"Sec-Fetch-Site": "cross-site"})

    assert step.status_code == 200
    assert 'url=/auth/continue?next=%2F&amp;again=1"' in step.content.decode()


def test_attempts_are_limited_as_in_the_api(ours: Workspace, monkeypatch: Any) -> None:
    user = make.member(ours)
    monkeypatch.setattr(
        "rest_framework.throttling.SimpleRateThrottle.THROTTLE_RATES", {"account": "1/min"}
    )
    browser = visitor()

    answers = [browser.post("/console/sign-in", credentials(user, password="no")) for _ in "12"]

    assert "E-mail or password is wrong." in text_of(answers[0])
    assert "Too many attempts." in text_of(answers[1])


def test_form_of_another_site_is_refused(ours: Workspace, settings: Settings) -> None:
    user = make.member(ours)

    answer = visitor().post(
        "/console/sign-in", credentials(user), headers={"Origin": "https://evil.example"}
    )

    assert answer.status_code == 422
    assert "access_token" not in answer.cookies


def test_empty_installation_offers_the_first_account(db: None) -> None:
    browser = visitor()

    start = browser.get("/")
    offered = browser.get(start["Location"])
    link = f"/console/first-account?token={first_user_token()}"
    page = browser.get(link)
    fields = {"email": "ada@example.com", "password": make.PASSWORD, "token": first_user_token()}
    made = browser.post("/console/first-account", fields)

    assert start["Location"] == "/console/first-account"
    assert "open the link that it printed" in text_of(offered)
    assert "Create the first account" in text_of(page)
    assert made["Location"] == "/"
    assert User.objects.get().is_superuser
    assert browser.get(link)["Location"] == "/console/sign-in"


@pytest.mark.parametrize("token", ["", "nonsense"])
def test_first_account_needs_the_link(db: None, token: str) -> None:
    fields = {"email": "eve@example.com", "password": make.PASSWORD, "token": token}

    answer = visitor().post("/console/first-account", fields)

    assert answer.status_code == 422
    assert not User.objects.exists()


def test_totp_of_the_tests_is_the_library_that_apps_use() -> None:
    assert isinstance(TOTP(b"x" * 20, 6, SHA1(), 30).generate(0), bytes)  # noqa: S303
