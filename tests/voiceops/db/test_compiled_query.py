"""A compiled query finds what its queryset finds, and reads the database each time."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, models
from django.db.models import Value
from django.db.models.functions import Upper
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from accounts.auth import authentication
from accounts.models import ApiKey, Membership, Session, User, Workspace
from accounts.roles import Role
from tests import make
from voiceops.db.compiled_query import CompiledQuery

pytestmark = pytest.mark.django_db


def loaded(instance: Any) -> Any:
    """The columns of an instance and of every related one that came with it, and its state."""
    if instance is None:
        return None
    columns = {
        field.attname: getattr(instance, field.attname) for field in instance._meta.concrete_fields
    }
    related = {
        name: loaded(other)
        for name, other in instance._state.fields_cache.items()
        if not isinstance(other, Membership)  # the way back
    }
    state = (type(instance), instance._state.db, instance._state.adding)
    return {"state": state, "columns": columns, "related": related}


def key_arguments(workspace: Workspace) -> dict[str, Any]:
    creator = make.member(workspace, name="Ada")
    addresses = ["10.0.0.0/8", "::1"]
    key, _ = make.api_key(
        workspace, created_by=creator, allowed_addresses=addresses, last_used_at=timezone.now()
    )
    return {"prefix": key.prefix}


def membership_arguments(workspace: Workspace) -> dict[str, Any]:
    user = make.member(workspace, Role.MANAGER)
    make.session(user)  # another one
    session = make.session(user)
    return {"user_id": user.pk, "session_id": session.pk, "workspace_id": workspace.pk}


def default_membership_arguments(workspace: Workspace) -> dict[str, Any]:
    arguments = membership_arguments(workspace)
    del arguments["workspace_id"]
    return arguments


@pytest.mark.parametrize(
    ("query", "arguments_of"),
    [
        (authentication.KEY_QUERY, key_arguments),
        (authentication.MEMBERSHIP_QUERY, membership_arguments),
        (authentication.DEFAULT_MEMBERSHIP_QUERY, default_membership_arguments),
    ],
)
def test_a_query_of_authentication_finds_what_its_queryset_finds(
    ours: Workspace,
    theirs: Workspace,
    query: CompiledQuery[Any],
    arguments_of: Callable[[Workspace], dict[str, Any]],
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    for workspace in (ours, theirs):  # the second time with the statement of the first
        arguments = arguments_of(workspace)
        with django_assert_num_queries(1):
            found = query.rows(**arguments)
        expected = list(query.queryset(**arguments))
        assert [loaded(row) for row in found] == [loaded(row) for row in expected]
        assert len(found) == 1

        for name, value in arguments.items():
            other = uuid4() if name.endswith("_id") else "vo_nobody00"
            changed = {**arguments, name: other}
            assert [loaded(row) for row in query.rows(**changed)] == [
                loaded(row) for row in query.queryset(**changed)
            ], (name, value)


def test_a_membership_without_the_session_has_no_login(ours: Workspace) -> None:
    arguments = membership_arguments(ours)

    found = authentication.MEMBERSHIP_QUERY.first(**{**arguments, "session_id": uuid4()})

    assert found is not None
    assert getattr(found, "login", None) is None
    assert found.workspace == ours


def test_tuples_have_the_values_of_their_fields(ours: Workspace) -> None:
    query: CompiledQuery[Any] = CompiledQuery(
        lambda since, role: (
            ApiKey.unscoped.filter(created_at__gte=since, role=role)
            .annotate(loud=Upper("name"), kind=Value("key"))
            .order_by("name")
            .values_list("pk", "workspace__name", "allowed_addresses", "created_at", "loud", "kind")
        ),
        since=models.DateTimeField(),
        role=models.PositiveSmallIntegerField(),
    )
    for name in ("b", "a"):
        make.api_key(ours, Role.ADMIN, name=name, allowed_addresses=["::1"])
    make.api_key(ours, Role.MEMBER)
    an_hour_ago = timezone.now() - timedelta(hours=1)

    for arguments in (
        {"since": an_hour_ago, "role": Role.ADMIN},
        {"since": an_hour_ago, "role": Role.MEMBER},
        {"since": timezone.now() + timedelta(hours=1), "role": Role.ADMIN},
    ):
        assert query.rows(**arguments) == list(query.queryset(**arguments))
    assert len(query.rows(since=an_hour_ago, role=Role.ADMIN)) == 2


def test_the_statement_is_generated_once(ours: Workspace) -> None:
    built: list[str] = []

    def build(prefix: Any) -> models.QuerySet[ApiKey]:
        built.append(connection.vendor)
        return ApiKey.unscoped.filter(prefix=prefix)

    query: CompiledQuery[ApiKey] = CompiledQuery(build, prefix=models.CharField())

    assert [query.first(prefix=text) for text in ("vo_one", "vo_two", "vo_three")] == [None] * 3
    assert built == [connection.vendor]


def test_each_call_reads_the_database(ours: Workspace) -> None:
    row, _ = make.api_key(ours)
    find = authentication.KEY_QUERY

    assert find.first(prefix=row.prefix) == row
    ApiKey.unscoped.filter(pk=row.pk).update(name="Renamed")
    found = find.first(prefix=row.prefix)
    assert found is not None
    assert found.name == "Renamed"
    row.delete()
    assert find.first(prefix=row.prefix) is None


def test_other_arguments_than_the_parameters_are_refused() -> None:
    with pytest.raises(TypeError, match=r"needs values of \['prefix'\]"):
        authentication.KEY_QUERY.first(name="vo_12345678")
    with pytest.raises(TypeError, match=r"needs values of \['prefix'\]"):
        authentication.KEY_QUERY.first()


@pytest.mark.parametrize("kind", ["prefetch", "instance"])
def test_what_a_statement_alone_does_not_answer_is_refused(ours: Workspace, kind: str) -> None:
    def build(prefix: Any) -> Any:
        if kind == "instance":
            return ours.api_keys.filter(prefix=prefix)
        return User.objects.prefetch_related("memberships").filter(name=prefix)

    query: CompiledQuery[Any] = CompiledQuery(build, prefix=models.CharField())

    with pytest.raises(TypeError, match="neither prefetch nor begin at an instance"):
        query.first(prefix="vo_12345678")


def test_the_request_after_a_revocation_is_refused(ours: Workspace) -> None:
    row, key = make.api_key(ours)
    program = APIClient(headers={"X-API-Key": key})
    user = make.member(ours)
    person = make.bearer(user)
    assert (program.get("/agents").status_code, person.get("/agents").status_code) == (200, 200)

    ApiKey.unscoped.filter(pk=row.pk).update(revoked_at=timezone.now())
    Session.objects.filter(user=user).update(revoked_at=timezone.now())

    assert (program.get("/agents").status_code, person.get("/agents").status_code) == (401, 401)


def test_the_request_after_a_removal_from_the_workspace_is_refused(ours: Workspace) -> None:
    user = make.member(ours)
    person = make.bearer(user)
    assert person.get("/agents").status_code == 200

    Membership.unscoped.filter(user=user).update(role=Role.ADMIN)
    assert person.get("/api-keys").status_code == 200
    Membership.unscoped.filter(user=user).delete()
    assert person.get("/agents").json() == {"detail": "Not a member of this workspace"}
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert person.get("/agents").json() == {"detail": "User not found"}


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite prepares no statement")
def test_postgresql_keeps_the_plan_of_a_page_for_the_workspace_that_reads_it_again(
    ours: Workspace, theirs: Workspace
) -> None:
    for workspace in (ours, theirs):
        make.call(workspace, stage="ended", outcome="busy")

    answers = [make.client(ours).get("/calls", {"outcome": "busy"}).json() for _ in range(7)]
    found = make.client(theirs).get("/calls", {"outcome": "busy"}).json()
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement FROM pg_prepared_statements")
        texts = [text for [text] in cursor.fetchall() if "total_of_rows" in text]

    assert answers == [answers[0]] * 7
    assert (answers[0]["total"], found["total"]) == (1, 1)
    assert answers[0]["items"] != found["items"]
    [text] = texts
    assert ours.pk.hex in text
    assert "$1" not in text
