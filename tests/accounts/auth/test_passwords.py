import pytest
from django.core import mail
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings
from rest_framework.test import APIClient

from accounts.models import AuditEntry, Workspace
from accounts.services import email_delivery
from tests import make


def test_a_changed_password_ends_the_other_sessions(ours: Workspace) -> None:
    member = make.member(ours)
    here, elsewhere = make.bearer(member), make.bearer(member)
    new = "an entirely different one"

    wrong = here.post("/auth/password/change", {"current_password": "wrong", "password": new})
    right = here.post("/auth/password/change", {"current_password": make.PASSWORD, "password": new})

    assert (wrong.status_code, wrong.json()) == (400, {"detail": "Invalid current password"})
    assert (right.status_code, right.json()) == (200, {"detail": "Password changed"})
    assert (here.get("/auth/me").status_code, elsewhere.get("/auth/me").status_code) == (200, 401)
    assert (
        APIClient().post("/auth/login", {"email": member.email, "password": new}).status_code == 200
    )


def test_a_reset_gets_the_same_response_for_all_addresses_and_works_once(ours: Workspace) -> None:
    member = make.member(ours)
    before = make.bearer(member)

    known = APIClient().post("/auth/password/reset", {"email": member.email})
    unknown = APIClient().post("/auth/password/reset", {"email": "nobody@example.com"})

    assert (known.status_code, known.json()) == (unknown.status_code, unknown.json())
    email_delivery.wait_until_sent()
    assert [message.to for message in mail.outbox] == [[member.email]]
    token = mail.outbox[0].body.split("\n\n")[1]
    body = {"token": token, "password": "an entirely different one"}
    assert APIClient().post("/auth/password/reset/confirm", body).json() == {
        "detail": "Password changed"
    }
    assert APIClient().post("/auth/password/reset/confirm", body).status_code == 404
    assert before.get("/auth/me").status_code == 401
    assert token not in str(member.password_resets.values())


def test_a_changed_password_invalidates_unused_reset_tokens(ours: Workspace) -> None:
    member = make.member(ours)
    APIClient().post("/auth/password/reset", {"email": member.email})
    email_delivery.wait_until_sent()
    token = mail.outbox[0].body.split("\n\n")[1]
    make.bearer(member).post(
        "/auth/password/change",
        {"current_password": make.PASSWORD, "password": "my other password"},
    )

    response = APIClient().post(
        "/auth/password/reset/confirm", {"token": token, "password": "an entirely different one"}
    )

    assert (response.status_code, response.json()) == (404, {"detail": "Password reset not found"})


@pytest.mark.parametrize("case", ["login", "reset"])
def test_unknown_addresses_cost_as_many_queries_as_known_ones(case: str, ours: Workspace) -> None:
    member = make.member(ours)
    path = {"login": "/auth/login", "reset": "/auth/password/reset"}[case]
    fields = {"password": "not the password"} if case == "login" else {}

    written = []
    for email in (member.email, "nobody@example.com"):
        with CaptureQueriesContext(connection) as queries:
            APIClient().post(path, {"email": email, **fields})
        written.append(
            [
                q["sql"].split()[0]
                for q in queries
                if "password_reset" not in q["sql"].replace("passwordreset", "password_reset")
            ]
        )

    assert written[0] == written[1]
    assert AuditEntry.unscoped.filter(actor_type="system").count() == 1


def test_a_server_without_email_logs_no_token(
    ours: Workspace,
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings.EMAIL_BACKEND = email_delivery.NO_BACKEND

    APIClient().post("/auth/password/reset", {"email": make.member(ours).email})
    email_delivery.wait_until_sent()

    assert (
        "An e-mail (Reset your VoiceOps password) was not sent: EMAIL_URL is not set" in caplog.text
    )
    assert "token" not in "".join(capsys.readouterr())
