"""Logging in to the admin: password, second factor, recovery codes, limits, inactivity."""

import base64
import re
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts.auth import second_factor
from accounts.auth.principal import Principal
from accounts.models import AuditEntry, RecoveryCode, SecondFactor, StaffTry, User
from tests import make
from tests.admin.pages import html_of
from voiceops.core.errors import Invalid

LOGIN, INDEX, MINE = "/admin/login/", "/admin/", "/admin/accounts/secondfactor/mine/"


@pytest.fixture
def staff_user(db: None) -> User:
    return make.user(is_staff=True, is_superuser=True)


def log_in(
    staff_user: User, password: str = make.PASSWORD, client: Client | None = None
) -> tuple[Client, Any]:
    client = client or Client()
    return client, client.post(
        f"{LOGIN}?next={INDEX}", {"username": staff_user.email, "password": password}
    )


def code_of(factor: SecondFactor, *, steps: int = 0) -> str:
    key = base64.b32decode(second_factor.decrypt_secret(factor))
    totp = TOTP(key, 6, SHA1(), 30)  # noqa: S303 - as every app
    return totp.generate(timezone.now().timestamp() + 30 * steps).decode()


def with_factor(staff_user: User) -> tuple[SecondFactor, list[str]]:
    """Set up a factor an hour ago, so that the current code is still unused."""
    factor = second_factor.begin_setup(user=staff_user)
    an_hour_ago = timezone.now() - timedelta(hours=1)
    with time_machine.travel(an_hour_ago):
        code = code_of(factor)
    codes = second_factor.confirm(
        factor=factor, code=code, now=an_hour_ago, principal=Principal(user=staff_user)
    )
    return SecondFactor.objects.get(), codes


def is_accepted(factor: SecondFactor, code: str, now: datetime) -> bool:
    principal = Principal(user=factor.user)
    try:
        second_factor.verify(factor=factor, code=code, now=now, principal=principal)
    except Invalid:
        return False
    return True


def is_in(client: Client) -> bool:
    return client.get(INDEX).status_code == 200


def test_the_password_is_enough_without_a_factor_unless_one_is_required(
    staff_user: User, settings: Settings
) -> None:
    client, _ = log_in(staff_user)
    free = is_in(client)
    settings.STAFF_SECOND_FACTOR = True

    demanded = client.get(INDEX)

    assert free
    assert (demanded.status_code, demanded["Location"]) == (302, f"{MINE}?next=%2Fadmin%2F")
    assert "Set yours up to continue" in html_of(client.get(MINE))


def test_setting_up_shows_the_recovery_codes_once(staff_user: User) -> None:
    client, _ = log_in(staff_user)
    page = client.get(MINE).content.decode()
    factor = SecondFactor.objects.get()

    codes_page = client.post(MINE, {"code": code_of(factor)}).content.decode()

    codes = re.findall(r"<li>([a-z0-9-]{19})</li>", codes_page)
    assert "<svg" in page
    assert f">{second_factor.decrypt_secret(factor)}<" in page
    assert factor.secret not in page
    assert len(codes) == 10
    assert not RecoveryCode.objects.filter(code_hash__in=codes).exists()
    assert is_in(client)
    assert codes[0] not in client.get(MINE).content.decode()
    assert AuditEntry.unscoped.get(action="second_factor.added").actor_id == staff_user.pk


def test_a_wrong_first_code_does_not_confirm_the_factor(staff_user: User) -> None:
    client, _ = log_in(staff_user)
    client.get(MINE)

    page = client.post(MINE, {"code": "000000"}).content.decode()

    assert "This code is wrong" in page
    assert "000000" not in page
    assert second_factor.find_confirmed(staff_user) is None
    assert is_in(client)


def test_a_code_is_required_before_any_page(staff_user: User) -> None:
    factor, _ = with_factor(staff_user)
    client, answer = log_in(staff_user)

    closed = [
        client.get(url)["Location"]
        for url in (INDEX, "/admin/accounts/user/", "/admin/search/?s=x")
    ]
    opened = client.post(f"{MINE}?next=/admin/accounts/user/", {"code": code_of(factor)})

    assert answer.status_code == 302
    assert all(location.startswith(f"{MINE}?next=") for location in closed)
    assert (opened.status_code, opened["Location"]) == (302, "/admin/accounts/user/")
    assert is_in(client)


def test_a_code_is_accepted_once_and_older_ones_are_not(staff_user: User) -> None:
    factor, _ = with_factor(staff_user)
    now = timezone.now()
    tries = [
        code_of(factor),
        code_of(factor),
        code_of(factor, steps=-1),
        code_of(factor, steps=-2),
        code_of(factor, steps=1),
    ]

    accepted = [is_accepted(factor, code, now) for code in tries]

    assert accepted == [True, False, False, False, True]


def test_a_recovery_code_is_accepted_once_in_any_spelling(staff_user: User) -> None:
    _, codes = with_factor(staff_user)
    first, _ = log_in(staff_user)
    second, _ = log_in(staff_user)

    first.post(MINE, {"code": f" {codes[0].upper()} "})
    second.post(MINE, {"code": codes[0]})

    assert (is_in(first), is_in(second)) == (True, False)
    assert "9 recovery codes left" in html_of(first.get(MINE))


def test_a_foreign_next_page_is_ignored(staff_user: User) -> None:
    factor, _ = with_factor(staff_user)
    client, _ = log_in(staff_user)

    answer = client.post(f"{MINE}?next=https://evil.example.com/", {"code": code_of(factor)})

    assert answer["Location"] == INDEX


def test_renewing_codes_and_removing_the_factor_need_a_code(staff_user: User) -> None:
    factor, codes = with_factor(staff_user)
    client, _ = log_in(staff_user)
    client.post(MINE, {"code": codes[0]})

    refused = client.post(MINE, {"code": "000000", "remove": ""}).content.decode()
    renewed = client.post(MINE, {"code": codes[1], "renew": ""}).content.decode()
    removed = client.post(MINE, {"code": code_of(factor), "remove": ""})

    assert "This code is wrong" in refused
    assert re.findall(r"<li>([a-z0-9-]{19})</li>", renewed)
    assert removed["Location"] == INDEX
    assert not SecondFactor.objects.exists()
    assert [
        entry.action
        for entry in AuditEntry.unscoped.filter(action__startswith="second_factor").order_by("pk")
    ] == [
        "second_factor.added",
        "second_factor.refused",
        "second_factor.codes_renewed",
        "second_factor.removed",
    ]


def test_five_wrong_codes_block_further_ones_from_any_address(staff_user: User) -> None:
    factor, _ = with_factor(staff_user)
    clients = [log_in(staff_user)[0] for _ in range(6)]

    answers = [client.post(MINE, {"code": "000000"}) for client in clients]
    right = clients[0].post(MINE, {"code": code_of(factor)})

    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    assert (right.status_code, 0 < int(right["Retry-After"]) <= 900) == (429, True)


def test_five_wrong_passwords_block_an_account_for_one_address(staff_user: User) -> None:
    other = make.user(is_staff=True)

    answers = [log_in(staff_user, "wrong")[1] for _ in range(5)]
    right = log_in(staff_user)[1]
    elsewhere = Client(REMOTE_ADDR="192.0.2.7")
    unknown = [
        Client().post(LOGIN, {"username": "plain_staff@example.com", "password": "x"})
        for _ in range(6)
    ]

    assert [answer.status_code for answer in answers] == [200] * 5
    assert right.status_code == 429
    assert 0 < int(right["Retry-After"]) <= 900
    assert "Too many attempts. Wait 15 minutes, then try again." in right.content.decode()
    assert [answer.status_code for answer in unknown] == [200] * 5 + [429]
    assert log_in(other)[1].status_code == 302
    assert log_in(staff_user, client=elsewhere)[1].status_code == 302
    assert (
        AuditEntry.unscoped.filter(action="user.login_failed", object_id=str(staff_user.pk)).count()
        == 5
    )


def test_attempts_are_allowed_again_after_fifteen_minutes_or_a_success(
    staff_user: User,
) -> None:
    for _ in range(6):
        log_in(staff_user, "wrong")
    StaffTry.objects.update(began_at=timezone.now() - timedelta(minutes=15, seconds=1))

    answer = log_in(staff_user)[1]

    assert answer.status_code == 302
    assert not StaffTry.objects.exists()
    entry = AuditEntry.unscoped.get(action="user.logged_in")
    assert (entry.actor_name, entry.changes) == (staff_user.email, {"to": "admin"})


def test_half_an_hour_of_inactivity_logs_out(staff_user: User) -> None:
    start = timezone.now()
    with time_machine.travel(start, tick=False) as clock:
        client, _ = log_in(staff_user)
        client.get(INDEX)
        clock.move_to(start + timedelta(minutes=29))
        alive = is_in(client)
        clock.move_to(start + timedelta(minutes=58))
        still_alive = is_in(client)
        clock.move_to(start + timedelta(minutes=89))
        logged_out = client.get("/admin/accounts/user/")

    assert (alive, still_alive) == (True, True)
    assert (logged_out.status_code, logged_out["Location"]) == (
        302,
        f"{LOGIN}?next=/admin/accounts/user/",
    )
    assert "logged out after 30 minutes" in client.get(LOGIN).content.decode()


def test_only_a_superuser_removes_a_lost_factor(staff_user: User) -> None:
    other = make.user(is_staff=True)
    factor, _ = with_factor(other)
    order = {"action": "remove_factor", "_selected_action": [str(factor.pk)]}
    plain_staff, superuser = Client(), Client()
    plain_staff.force_login(make.user(is_staff=True))
    superuser.force_login(staff_user)

    refused = plain_staff.post("/admin/accounts/secondfactor/", order)
    still_there = SecondFactor.objects.exists()
    superuser.post("/admin/accounts/secondfactor/", order)

    assert (refused.status_code, still_there, SecondFactor.objects.exists()) == (403, True, False)
    assert AuditEntry.unscoped.get(action="second_factor.removed").actor_name == staff_user.email


def test_the_command_removes_a_lost_factor(staff_user: User) -> None:
    with_factor(staff_user)

    call_command("reset_second_factor", staff_user.email.upper())

    assert not SecondFactor.objects.exists()
    assert AuditEntry.unscoped.get(action="second_factor.removed").actor_type == "system"
    with pytest.raises(CommandError, match="has no second factor"):
        call_command("reset_second_factor", staff_user.email)
    with pytest.raises(CommandError, match="No user has the address"):
        call_command("reset_second_factor", "plain_staff@example.com")


def test_the_secret_is_encrypted_and_rotated_with_the_others(staff_user: User) -> None:
    factor, _ = with_factor(staff_user)
    secret = second_factor.decrypt_secret(factor)

    call_command("rotate_keys")

    factor.refresh_from_db()
    assert secret not in factor.secret
    assert second_factor.decrypt_secret(factor) == secret


def test_the_api_does_not_require_a_second_factor(staff_user: User, settings: Settings) -> None:
    settings.STAFF_SECOND_FACTOR = True

    answer = Client().post(
        "/auth/login",
        {"email": staff_user.email, "password": make.PASSWORD},
        content_type="application/json",
    )

    assert answer.status_code == 200
