"""Calls every route as every kind of caller. A route that this file does not know fails.

A new model needs a line in MAKERS. A route without credentials must be listed in PUBLIC, where a
reviewer sees it.
"""

from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
from rest_framework.relations import ManyRelatedField, RelatedField
from rest_framework.serializers import BaseSerializer, ListSerializer
from rest_framework.test import APIClient

from accounts.api.lookup import label_of
from accounts.api.related_fields import WorkspaceRelatedField
from accounts.api.viewsets import ApiViewSet, WorkspaceViewSet
from accounts.auth.permissions import SIGNED_IN
from accounts.models import Workspace
from accounts.roles import Role
from tests import make
from tests.architecture.routes import Route, routes
from voiceops.core.ids import uuid7

# Route -> why it needs no credentials of ours.
PUBLIC = {
    "/auth/register": "creates the first credentials",
    "/auth/login": "creates credentials",
    "/auth/refresh": "carries its own token",
    "/auth/logout": "ends the session of the token it is given",
    "/auth/password/reset": "for users who cannot log in",
    "/auth/password/reset/confirm": "carries its own token",
    "/auth/invitations/accept": "carries its own token",
    "/calls/{pk}/report": "carries the call's own token",
    "/livekit/webhook": "signed by LiveKit",
    "/voice-workers/report": "signed by the voice worker",
    "/recordings/{token}": "a signed link that expires",
    "/openapi.json": "documentation",
    "/llms.txt": "documentation",
    "/docs": "documentation",
    "/redoc": "documentation",
    "/healthz": "for probes",
    "/readyz": "for probes",
    "/metrics": "for Prometheus, closed by the network",
}
# Routes of signed-in users that belong to no single workspace.
PERSONAL = {"/auth/me", "/auth/password/change", "/workspaces", "/workspaces/{pk}"}
LISTED = "+12025550186"
# A list that has no answer without a filter -> one that finds the rows of MAKERS.
FILTERS = {"/recipients": f"?phone_number=%2B{LISTED[1:]}"}
# Model -> creates one in a workspace.
MAKERS: dict[str, Callable[[Workspace], Any]] = {
    "workspace": lambda workspace: workspace,
    "membership": make.membership,
    "invitation": make.invitation,
    "apikey": lambda workspace: make.api_key(workspace)[0],
    "auditentry": make.audit_entry,
    "agent": make.agent,
    "phonenumber": make.phone_number,
    "siptrunk": make.sip_trunk,
    "call": make.call,
    "batch": make.batch,
    "callback": make.callback,
    "recipient": lambda workspace: make.recipient(make.batch(workspace), phone_number=LISTED),
    "savedmapping": make.saved_mapping,
    "savedreport": make.saved_report,
    "suppression": make.suppression,
    "suppressionimport": make.suppression_import,
    "webhookendpoint": make.webhook,
}
# Path parameter -> its value, from the workspace and the object of the route.
PARAMETERS: dict[str, Callable[[Workspace, Any], Any]] = {
    "pk": lambda workspace, row: row.pk,
    "workspace_id": lambda workspace, row: workspace.pk,
    "user_id": lambda workspace, row: row.user_id,
    "delivery_id": lambda workspace, webhook: make.delivery(webhook).pk,
    "rehearsal_id": lambda workspace, agent: make.rehearsal(agent).pk,
    "recipient_id": lambda workspace, batch: make.recipient(batch).pk,
}

Endpoint = tuple[Route, str, str]


def endpoints() -> Iterator[Any]:
    for route in routes():
        if issubclass(route.view, ApiViewSet):
            for method, action in sorted(route.methods.items()):
                yield pytest.param((route, method, action), id=f"{method.upper()} {route.path}")


def role_of(endpoint: Endpoint) -> int:
    route, _, action = endpoint
    return cast(type[ApiViewSet], route.view).required_roles[action]


def fill(route: Route, owner: Workspace, *, within: Workspace | None = None) -> str:
    """Return the route's URL for a new object of `owner`.

    `within` is the workspace that the path names; the owner by default.
    """
    subject = (
        MAKERS[str(cast(Any, route.view).model._meta.model_name)](owner)
        if route.parameters
        else None
    )
    values = {name: PARAMETERS[name](within or owner, subject) for name in route.parameters}
    return route.path.format(**values)


def send(client: APIClient, method: str, url: str) -> Any:
    client.raise_request_exception = False
    return client.generic(method.upper(), url, "{}", content_type="application/json")


def callers(workspace: Workspace, role: Role) -> list[APIClient]:
    """A client with an API key and one with a user's token, both with this role."""
    return [make.client(workspace, role), make.bearer(make.member(workspace, role))]


@pytest.mark.parametrize("route", [pytest.param(route, id=route.path) for route in routes()])
def test_every_route_is_scoped_personal_or_declared_public(route: Route) -> None:
    if route.path in PERSONAL:
        assert issubclass(route.view, ApiViewSet)
    else:
        assert (route.path in PUBLIC) != issubclass(route.view, WorkspaceViewSet)


@pytest.mark.django_db
@pytest.mark.parametrize("endpoint", list(endpoints()))
def test_every_endpoint_needs_credentials(endpoint: Endpoint) -> None:
    route, method, _ = endpoint

    response = send(APIClient(), method, fill(route, make.workspace()))

    assert (response.status_code, response.json()) == (401, {"detail": "Invalid or missing token"})


@pytest.mark.parametrize("endpoint", list(endpoints()))
def test_every_endpoint_needs_its_role(endpoint: Endpoint, ours: Workspace) -> None:
    route, method, _ = endpoint
    needed = role_of(endpoint)
    url = fill(route, ours)

    responses = [
        send(c, method, url) for role in Role if role < needed for c in callers(ours, role)
    ]

    message = "Admin access required" if needed == Role.ADMIN else "Insufficient permissions"
    assert all((a.status_code, a.json()) == (403, {"detail": message}) for a in responses)
    assert needed in (SIGNED_IN, Role.MEMBER) or responses


@pytest.mark.parametrize("endpoint", list(endpoints()))
def test_every_endpoint_refuses_a_workspace_that_is_not_the_callers(
    endpoint: Endpoint, ours: Workspace, theirs: Workspace
) -> None:
    route, method, _ = endpoint
    url = fill(route, ours)

    for asked in (str(theirs.pk), str(uuid7()), "nonsense"):
        for client in callers(ours, Role.ADMIN):
            client.credentials(HTTP_X_WORKSPACE_ID=asked)
            response = send(client, method, url)
            assert (response.status_code, response.json()) == (
                403,
                {"detail": "Not a member of this workspace"},
            )


@pytest.mark.parametrize("endpoint", list(endpoints()))
@pytest.mark.parametrize("kind", [0, 1], ids=["key", "user"])
def test_every_endpoint_hides_other_workspaces(
    endpoint: Endpoint, kind: int, ours: Workspace, theirs: Workspace
) -> None:
    route, method, _ = endpoint
    client = callers(ours, Role.ADMIN)[kind]
    if route.parameters:
        assert_foreign_row_is_hidden(route, method, client, ours, theirs)
    else:
        model = str(
            getattr(getattr(route.view, "model", None), "_meta", Workspace._meta).model_name
        )
        foreign = str(MAKERS[model](theirs).pk)
        path = route.path + FILTERS.get(route.path, "")
        assert foreign.encode() not in send(client, method, path).getvalue()


def assert_foreign_row_is_hidden(
    route: Route, method: str, client: APIClient, ours: Workspace, theirs: Workspace
) -> None:
    gone = f"{label_of(cast(Any, route.view).model)} not found"
    hidden = {"detail": "Workspace not found" if "workspace_id" in route.parameters else gone}

    foreign = send(client, method, fill(route, theirs))
    absent = send(client, method, route.path.format(**dict.fromkeys(route.parameters, uuid7())))
    nonsense = send(
        client, method, route.path.format(**dict.fromkeys(route.parameters, "nonsense"))
    )
    mixed = (
        send(client, method, fill(route, theirs, within=ours))
        if len(route.parameters) > 1
        else foreign
    )
    own = send(client, method, fill(route, ours))

    assert [(a.status_code, a.json()) for a in (foreign, absent, nonsense)] == [(404, hidden)] * 3
    assert (mixed.status_code, mixed.json()) == (
        404,
        {"detail": gone} if mixed is not foreign else hidden,
    )
    assert own.status_code != 404 or own.content != foreign.content, "the route itself must exist"


@pytest.mark.parametrize("endpoint", list(endpoints()))
def test_no_endpoint_crashes_on_hostile_query_strings(endpoint: Endpoint, ours: Workspace) -> None:
    route, method, _ = endpoint
    query = (
        "page=%00&page_size=99999999999999999999&sort=%00&search=%00%ff&id=1;--"
        "&status=%00&from=%00&to=%00"
    )

    response = send(make.client(ours), method, f"{fill(route, ours)}?{query}")

    assert response.status_code != 500 or response.json()["detail"].startswith(
        ("LiveKit", "Twilio", "S3")
    )


@pytest.mark.parametrize("route", [pytest.param(route, id=route.path) for route in routes()])
def test_references_in_payloads_stay_inside_the_workspace(route: Route) -> None:
    kind = getattr(route.view, "serializer_class", None)
    loose = list(loose_references(kind(context={"workspace": None}))) if kind else []

    assert loose == []


def loose_references(serializer: BaseSerializer[Any]) -> Iterator[str]:
    for name, field in getattr(serializer, "fields", {}).items():
        inner = field.child if isinstance(field, ListSerializer) else field
        if isinstance(inner, BaseSerializer):
            yield from loose_references(inner)
        reference = inner.child_relation if isinstance(inner, ManyRelatedField) else inner
        if isinstance(reference, RelatedField) and not (
            field.read_only or isinstance(reference, WorkspaceRelatedField)
        ):
            yield f"{type(serializer).__name__}.{name}"
