from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from rest_framework.test import APIClient

from accounts.models import User, Workspace
from tests import make


def run(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


@pytest.mark.django_db
def test_the_admin_of_a_new_workspace_can_log_in() -> None:
    printed = run("create_workspace", "First", "--admin", "Ada@example.com")

    password = printed.strip().rpartition("password: ")[2]
    response = APIClient().post("/auth/login", {"email": "ada@example.com", "password": password})
    assert response.json()["workspace"]["name"] == "First"
    assert response.json()["workspace"]["role"] == "admin"


def test_an_existing_user_keeps_their_password(ours: Workspace) -> None:
    user = make.member(ours)

    printed = run("create_workspace", "Second", "--admin", user.email)

    assert "password" not in printed
    assert User.objects.get().check_password(make.PASSWORD)


def test_a_key_created_by_the_command_is_accepted(ours: Workspace) -> None:
    by_id = run(
        "create_api_key", "--workspace", str(ours.pk), "--name", "Robot", "--role", "admin"
    ).strip()
    by_name = run(
        "create_api_key", "--workspace", ours.name, "--name", "Robot", "--role", "admin"
    ).strip()

    assert [
        APIClient(headers={"X-API-Key": key}).get("/api-keys").status_code
        for key in (by_id, by_name)
    ] == [200] * 2


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("create_workspace", "X", "--admin", "nobody"), "'nobody' is not an e-mail address"),
        (
            ("create_workspace", " ", "--admin", "a@example.com"),
            "The name must have 1 to 100 characters",
        ),
        (
            ("create_api_key", "--workspace", "X", "--name", "Y", "--role", "admin"),
            "There is no workspace X; create one with create_workspace",
        ),
    ],
)
def test_a_wrong_argument_is_reported_in_one_line(
    arguments: tuple[str, ...], line: str, db: None
) -> None:
    with pytest.raises(CommandError) as caught:
        call_command(*arguments)

    assert str(caught.value) == line


def test_an_ambiguous_workspace_name_is_refused(ours: Workspace) -> None:
    make.workspace(name=ours.name)

    with pytest.raises(CommandError, match="give its id instead"):
        call_command("create_api_key", "--workspace", ours.name, "--name", "Y", "--role", "admin")
