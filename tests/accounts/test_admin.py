from typing import Any

import pytest
from django.contrib import admin
from django.test import Client
from django.utils import timezone

from accounts.models import ApiKey, IdempotentRequest, PasswordReset, User, Workspace
from tests import make

OURS = [model for model in admin.site._registry if model.__module__.startswith("accounts.")]


@pytest.fixture
def staff(db: None) -> Client:
    client = Client()
    client.force_login(make.user(is_staff=True, is_superuser=True))
    return client


@pytest.mark.parametrize("model", OURS, ids=[model.__name__ for model in OURS])
def test_staff_can_look_at_every_table(staff: Client, ours: Workspace, model: type) -> None:
    make.api_key(ours)
    make.invitation(ours)
    make.audit_entry(ours)
    person = make.member(ours)
    make.session(person)
    PasswordReset.objects.create(user=person, token_hash="hash", expires_at=timezone.now())
    IdempotentRequest.objects.create(scope="key", key="key", fingerprint="fingerprint")
    base = f"/admin/accounts/{model.__name__.lower()}/"
    row: Any = admin.site._registry[model].get_queryset(None).first()  # type: ignore[arg-type]  # any request

    listed = staff.get(base, {"q": "x"})
    shown = staff.get(f"{base}{row.pk}/change/")

    assert (listed.status_code, shown.status_code) == (200, 200)


def test_no_secret_is_shown(staff: Client, ours: Workspace) -> None:
    row, _ = make.api_key(ours)
    person = User.objects.get()

    key_page = staff.get(f"/admin/accounts/apikey/{row.pk}/change/").content.decode()
    user_page = staff.get(f"/admin/accounts/user/{person.pk}/change/").content.decode()

    assert row.prefix in key_page
    assert ApiKey.unscoped.get().key_hash not in key_page
    assert person.password not in user_page


def test_strangers_see_the_login_page(db: None) -> None:
    response = Client().get("/admin/accounts/user/")

    assert (response.status_code, response["Location"]) == (302, "/admin/login/?next=/admin/accounts/user/")
