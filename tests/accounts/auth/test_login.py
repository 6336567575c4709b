from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings
from rest_framework.test import APIClient

from accounts.auth import sessions, tokens
from accounts.models import AuditEntry, Membership, Session, User, Workspace
from accounts.roles import Role
from tests import make
from voiceops.core.ids import uuid7

INVALID = {"detail": "Invalid or missing token"}
ADA = {"email": "Ada@Example.com", "password": make.PASSWORD, "name": "Ada"}


def register(**changes: object) -> APIClient:
    client = APIClient()
    response = client.post("/auth/register", {**ADA, **changes})
    assert response.status_code == 201, response.json()
    return client


@pytest.mark.django_db
def test_registering_creates_a_workspace_and_logs_in() -> None:
    client = APIClient()

    response = client.post("/auth/register", {**ADA, "workspace_name": "Engine"})

    body = response.json()
    user, workspace = User.objects.get(), Workspace.unscoped.get()
    assert response.status_code == 201
    assert set(body) == {
        "user",
        "workspace",
        "access_token",
        "refresh_token",
        "token_type",
        "expires_in",
    }
    assert body["user"] == {
        "id": str(user.pk),
        "email": "ada@example.com",
        "name": "Ada",
        "default_workspace_id": str(workspace.pk),
    }
    assert (body["workspace"]["name"], body["workspace"]["role"]) == ("Engine", "admin")
    assert (body["token_type"], body["expires_in"]) == ("bearer", 900)
    assert client.cookies["access_token"].value == body["access_token"]
    assert client.get("/auth/me").json() == {
        **body["user"],
        "workspaces": [{"id": str(workspace.pk), "name": "Engine", "role": "admin"}],
    }


@pytest.mark.django_db
def test_cookies_are_hidden_from_scripts_and_other_sites(settings: Settings) -> None:
    settings.SESSION_COOKIE_SECURE = True
    client = register()

    principal, refresh = client.cookies["access_token"], client.cookies["refresh_token"]

    assert (
        principal["httponly"],
        principal["secure"],
        principal["samesite"],
        principal["path"],
    ) == (
        True,
        True,
        "Lax",
        "/",
    )
    assert (refresh["httponly"], refresh["secure"]) == (True, True)
    assert (refresh["samesite"], refresh["path"]) == ("Strict", "/auth")


@pytest.mark.django_db
def test_an_address_registers_once_regardless_of_case() -> None:
    register()

    response = APIClient().post("/auth/register", {**ADA, "email": "ADA@example.COM"})

    assert (response.status_code, response.json()) == (409, {"detail": "Email already registered"})


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("password", "message"),
    [
        ("short", "ensure this value has at least 12 characters"),
        ("x" * 129, "ensure this value has at most 128 characters"),
        ("1qaz2wsx3edc", "This password is too common."),
        ("123456789012", "This password is entirely numeric."),
        ("grace.hopper@example.com", "The password is too similar to the email."),
    ],
)
def test_weak_passwords_are_refused(password: str, message: str) -> None:
    response = APIClient().post(
        "/auth/register", {"email": "grace.hopper@example.com", "password": password}
    )

    mistakes = response.json()["detail"]
    assert response.status_code == 422
    assert [(m["loc"], m["msg"]) for m in mistakes] == [(["body", "password"], message)]


@pytest.mark.django_db
def test_login_returns_the_body_of_register_and_is_audited() -> None:
    register()

    response = APIClient().post(
        "/auth/login", {"email": "ADA@example.com", "password": make.PASSWORD}
    )

    assert response.status_code == 200
    assert response.json()["user"]["email"] == "ada@example.com"
    assert [e.action for e in AuditEntry.unscoped.order_by("pk")][-1] == "user.logged_in"


@pytest.mark.django_db
@pytest.mark.parametrize("case", ["unknown", "wrong", "inactive"])
def test_every_failed_login_gets_the_same_response(case: str) -> None:
    make.user(email="ada@example.com", is_active=case != "inactive")
    password = "not the password" if case == "wrong" else make.PASSWORD
    email = "nobody@example.com" if case == "unknown" else "ada@example.com"

    response = APIClient().post("/auth/login", {"email": email, "password": password})

    assert (response.status_code, response.json()) == (401, {"detail": "Invalid email or password"})
    assert response.cookies == {}


@pytest.mark.django_db
def test_refresh_spends_the_old_token() -> None:
    client = register()
    old = client.cookies["refresh_token"].value

    response = client.post("/auth/refresh")

    assert response.status_code == 200
    assert response.json()["refresh_token"] == client.cookies["refresh_token"].value != old
    assert client.get("/auth/me").status_code == 200


@pytest.mark.django_db
def test_a_refresh_token_used_again_within_ten_seconds_returns_the_same_pair() -> None:
    client = register()
    old = client.cookies["refresh_token"].value
    first = client.post("/auth/refresh").json()

    second = APIClient().post("/auth/refresh", {"refresh_token": old})

    assert second.status_code == 200
    assert second.json()["refresh_token"] == first["refresh_token"] != old
    assert second.json()["access_token"] == first["access_token"]
    assert client.get("/auth/me").status_code == 200
    assert client.post("/auth/refresh").status_code == 200
    assert AuditEntry.unscoped.filter(action="session.token_reused").count() == 0


@pytest.mark.django_db
def test_a_refresh_token_used_again_returns_its_pair_also_when_that_was_refreshed_since() -> None:
    client = register()
    old = client.cookies["refresh_token"].value
    pairs = [client.post("/auth/refresh").json() for _ in range(3)]

    again = APIClient().post("/auth/refresh", {"refresh_token": old})

    assert (again.status_code, again.json()) == (200, pairs[0])
    assert client.post("/auth/refresh").status_code == 200
    assert AuditEntry.unscoped.filter(action="session.token_reused").count() == 0


@pytest.mark.django_db
def test_a_refresh_token_used_again_later_ends_although_others_were_just_spent() -> None:
    start = timezone.now()
    spent = [sessions.open_session(user=make.user(), now=start).refresh_token]
    for seconds in (0, 8, 16):
        later = start + timedelta(seconds=seconds)
        pair = sessions.refresh_session(token=spent[-1], now=later, ip=None)
        spent.append(pair.refresh_token)
    now = start + timedelta(seconds=18)

    assert sessions.refresh_session(token=spent[1], now=now, ip=None).refresh_token == spent[2]
    with pytest.raises(sessions.InvalidCredentialsError):
        sessions.refresh_session(token=spent[0], now=now, ip=None)
    assert Session.objects.get().revoked_at == now


@pytest.mark.django_db
def test_a_refresh_token_used_again_later_ends_the_session() -> None:
    client = register()
    old = client.cookies["refresh_token"].value
    client.post("/auth/refresh")
    Session.objects.update(refreshed_at=timezone.now() - timedelta(seconds=11))

    response = APIClient().post("/auth/refresh", {"refresh_token": old})

    assert (response.status_code, response.json()) == (401, INVALID)
    assert client.post("/auth/refresh").json() == INVALID
    assert client.get("/auth/me").json() == INVALID
    assert AuditEntry.unscoped.filter(action="session.token_reused").count() == 1


@pytest.mark.django_db
def test_a_token_is_accepted_only_for_its_kind() -> None:
    client = register()
    principal, refresh = client.cookies["access_token"].value, client.cookies["refresh_token"].value

    as_refresh = APIClient().post("/auth/refresh", {"refresh_token": principal})
    as_access = APIClient(headers={"Authorization": f"Bearer {refresh}"}).get("/auth/me")

    assert (as_refresh.status_code, as_refresh.json()) == (401, INVALID)
    assert (as_access.status_code, as_access.json()) == (401, INVALID)


@pytest.mark.django_db
def test_logout_ends_access_at_once() -> None:
    client = register()
    principal = client.cookies["access_token"].value

    response = client.post("/auth/logout")

    assert (response.status_code, response.json()) == (200, {"detail": "Logged out"})
    assert client.cookies["access_token"].value == client.cookies["refresh_token"].value == ""
    assert (
        APIClient(headers={"Authorization": f"Bearer {principal}"}).get("/auth/me").json()
        == INVALID
    )
    assert client.post("/auth/logout").json() == {"detail": "Logged out"}


@pytest.mark.django_db
def test_a_token_is_checked_for_signature_expiry_user_and_session_in_this_order() -> None:
    user = make.user()
    session = make.session(user)
    now = timezone.now()
    long_ago = now - timedelta(days=1)
    unknown_user_id, none = uuid7(), uuid7()

    def answer(**claims: object) -> object:
        values = {"user_id": user.pk, "session_id": session.pk, "now": now, **claims}
        # The parameters are those of the cases above.
        token = tokens.issue_token(tokens.ACCESS, **values)  # type: ignore[arg-type]
        return (
            APIClient(headers={"Authorization": f"Bearer {token}"}).get("/auth/me").json()["detail"]
        )

    assert answer(user_id=unknown_user_id, session_id=none, now=long_ago) == "Token expired"
    assert answer(user_id=unknown_user_id, session_id=none) == "User not found"
    assert answer(session_id=none) == "Invalid or missing token"
    forged = (
        tokens.issue_token(tokens.ACCESS, user_id=user.pk, session_id=session.pk, now=long_ago)[:-4]
        + "AAAA"
    )
    assert (
        APIClient(headers={"Authorization": f"Bearer {forged}"}).get("/auth/me").json() == INVALID
    )


@pytest.mark.django_db
@pytest.mark.parametrize("change", [{"is_active": False}, None])
def test_a_deleted_or_disabled_user_is_not_found(
    ours: Workspace, change: dict[str, bool] | None
) -> None:
    user = make.member(ours)
    client = make.bearer(user)
    if change:
        User.objects.filter(pk=user.pk).update(**change)
    else:
        user.delete()

    response = client.get("/auth/me")

    assert (response.status_code, response.json()) == (401, {"detail": "User not found"})


@pytest.mark.parametrize(
    "headers",
    [
        {"X-API-Key": "vo_nonsense"},
        {"X-API-Key": ""},
        {"Authorization": "Bearer nonsense"},
        {"Authorization": "Basic YTpi"},
        {"Authorization": "Bearer"},
    ],
)
def test_an_invalid_header_is_refused_beside_a_valid_cookie(
    ours: Workspace, headers: dict[str, str]
) -> None:
    browser = make.browser(make.member(ours))

    response = browser.get("/auth/me", headers=headers)

    detail = "Invalid API key" if "X-API-Key" in headers else "Invalid or missing token"
    assert browser.get("/auth/me").status_code == 200
    assert (response.status_code, response.json()) == (401, {"detail": detail})


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({}, True),
        ({"Origin": "http://testserver"}, True),
        ({"Origin": "http://127.0.0.1:8000"}, True),
        ({"Origin": "https://console.example.com"}, True),
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Origin": "https://evil.example.com"}, False),
        ({"Origin": "null"}, False),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
    ],
)
def test_a_cookie_authorises_writes_from_our_own_pages_only(
    ours: Workspace, headers: dict[str, str], allowed: bool, settings: Settings
) -> None:
    settings.TRUSTED_ORIGINS = ["https://console.example.com"]
    member = make.member(ours)

    written = make.browser(member).patch("/auth/me", {"name": "New"}, headers=headers)
    read = make.browser(member).get("/auth/me", headers=headers)
    by_bearer = make.bearer(member).patch("/auth/me", {"name": "New"}, headers=headers)
    login = APIClient().post(
        "/auth/login", {"email": member.email, "password": make.PASSWORD}, headers=headers
    )

    expected = 200 if allowed else 403
    assert (written.status_code, login.status_code) == (expected, expected)
    assert (read.status_code, by_bearer.status_code) == (200, 200)
    assert allowed or written.json() == login.json() == {"detail": "Origin not allowed"}


def test_users_may_change_their_name_and_default_workspace(
    ours: Workspace, theirs: Workspace
) -> None:
    member = make.member(ours)
    second = make.workspace()
    Membership.unscoped.create(workspace=second, user=member, role=Role.ADMIN)
    client = make.bearer(member)

    moved = client.patch("/auth/me", {"name": "Grace", "default_workspace_id": str(second.pk)})
    astray = client.patch("/auth/me", {"default_workspace_id": str(theirs.pk)})

    assert moved.json() == {
        "id": str(member.pk),
        "email": member.email,
        "name": "Grace",
        "default_workspace_id": str(second.pk),
        "workspaces": [
            {"id": str(ours.pk), "name": "Ours", "role": "member"},
            {"id": str(second.pk), "name": second.name, "role": "admin"},
        ],
    }
    assert (astray.status_code, astray.json()) == (404, {"detail": "Workspace not found"})


def test_authenticated_responses_are_not_cached(ours: Workspace) -> None:
    response = make.client(ours).get("/audit-log")

    assert response["Cache-Control"] == "no-store"
    assert {"Cookie", "Authorization"} <= {name.strip() for name in response["Vary"].split(",")}


def test_sessions_end_after_thirty_days_however_often_they_are_refreshed(ours: Workspace) -> None:
    client = register()
    Session.objects.update(created_at=timezone.now() - timedelta(days=29))

    client.post("/auth/refresh")

    assert Session.objects.get().expires_at < timezone.now() + timedelta(days=1, minutes=1)
