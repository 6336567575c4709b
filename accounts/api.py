"""The door of the API: every view judges a request in the documented order, and sees one workspace's rows only.

    class AgentViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, Deletes, WorkspaceViewSet):
        model = Agent
        serializer_class = AgentSerializer
        access = {"list": Role.MEMBER, "retrieve": Role.MEMBER, "destroy": Role.MANAGER}

A view without a role for exactly its actions, or one that redefines who sees what, fails at import.
"""

import uuid
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import cached_property, partial
from typing import Any, ClassVar

from django.db import models
from django.db.models import F, QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import NotAuthenticated
from rest_framework.generics import GenericAPIView
from rest_framework.permissions import BasePermission
from rest_framework.relations import PrimaryKeyRelatedField
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from accounts import idempotency
from accounts.access import Access
from accounts.authentication import SAFE_METHODS, ApiAuthentication, require_own_origin
from accounts.models import IdempotentRequest, Membership, User, Workspace
from accounts.permissions import HasRole
from accounts.roles import Role
from accounts.tenancy import Sealed
from voiceops.api.errors import mistake
from voiceops.api.fields import UUID_FORM
from voiceops.api.pagination import read_query
from voiceops.api.serializers import NothingSerializer, PageQuery, StrictModelSerializer
from voiceops.errors import Forbidden, NotFound
from voiceops.logs import tell

NOT_A_MEMBER = "Not a member of this workspace"
DELETED = {"detail": "Deleted"}
STANDARD = ("list", "create", "retrieve", "update", "partial_update", "destroy")
FIXED = (
    "authentication_classes",
    "check_permissions",
    "get_authenticators",
    "get_object",
    "get_permissions",
    "get_queryset",
    "initial",
    "perform_authentication",
    "permission_classes",
)
# Model -> what a client reads in `… not found`. Models not named here are called by their verbose name.
THINGS = {
    "apikey": "API key",
    "membership": "Member",
    "phonenumber": "Phone number",
    "siptrunk": "SIP trunk",
    "webhookendpoint": "Webhook",
}


def thing(model: type[models.Model]) -> str:
    meta = model._meta
    return THINGS.get(str(meta.model_name), str(meta.verbose_name).capitalize())


def missing(model: type[models.Model]) -> NotFound:
    """The 404 for a row that is not there or another workspace's, by the documented pattern."""
    return NotFound(f"{thing(model)} not found")


def parse_id(text: object, model: type[models.Model]) -> uuid.UUID:
    """An id out of a path. Raises NotFound for what is no UUID."""
    if isinstance(text, uuid.UUID):
        return text
    if not isinstance(text, str) or not UUID_FORM.fullmatch(text):
        raise missing(model)
    return uuid.UUID(text)


class Judged(APIView):
    """Judges credentials (401), method (405), workspace and role (403) in this order, before anything of the body."""

    http_method_names = ["get", "post", "put", "patch", "delete", "head"]
    _claim: IdempotentRequest | None = None
    _answer: HttpResponseBase | None = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        self.format_kwarg = None
        request.accepted_renderer, request.accepted_media_type = self.perform_content_negotiation(request)
        self.perform_authentication(request)
        if self.get_authenticators() and not isinstance(request.auth, Access):
            raise NotAuthenticated
        method = str(request.method).lower()
        if method not in self.http_method_names or not hasattr(self, method):
            self.http_method_not_allowed(request)
        if isinstance(request.auth, Access) and request.auth.by_cookie and request.method not in SAFE_METHODS:
            require_own_origin(request)
        self.enter(request)
        if isinstance(request.auth, Access):
            tell(actor=request.auth.scope, workspace=str(request.auth.workspace and request.auth.workspace.pk))
        self.check_permissions(request)
        self.check_throttles(request)
        if idempotency.names_a_key(request):
            self.post: Callable[..., Any] = partial(self._once, self.post)

    def get_authenticate_header(self, request: Request) -> str:
        return "Bearer"  # also where a view takes no credentials: REST framework makes a 401 without it a 403

    def enter(self, request: Request) -> None:
        """Settle which workspace the request is about."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return super().dispatch(request, *args, **kwargs)
        finally:
            if self._claim is not None:
                idempotency.settle(self._claim, self._answer)

    def _once(self, handler: Callable[..., Any], request: Request, *args: Any, **kwargs: Any) -> Any:
        """Run a POST under its `Idempotency-Key`, or answer what it answered before."""
        claimed = idempotency.claim(request, now=timezone.now())
        if isinstance(claimed, HttpResponse):
            return claimed
        self._claim = claimed
        return handler(request, *args, **kwargs)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        self._answer = response
        response.headers.setdefault("Cache-Control", "no-store")
        patch_vary_headers(response, ["Cookie", "Authorization", "X-API-Key", "X-Workspace-ID"])
        return response


class PublicView(Judged):
    """A view that needs no credentials of ours. Each is named in tests/architecture/test_routes.py."""

    authentication_classes = ()
    permission_classes = ()


class ApiViewSet(Judged, GenericViewSet[Any]):
    """A viewset of authenticated callers. `access` names a role (or SIGNED_IN) for exactly the actions it has."""

    abstract: ClassVar[bool] = True  # looked for in the class itself: a subclass must say it again
    access: ClassVar[Mapping[str, int]] = {}
    query_class: ClassVar[type[PageQuery]] = PageQuery
    sortable: ClassVar[Mapping[str, str]] = {}  # what a client may sort by -> the column
    workspace_kwarg: ClassVar[str | None] = None  # the path's parameter that names the workspace, where there is one
    authentication_classes = (ApiAuthentication,)
    permission_classes = (HasRole,)
    lookup_value_regex = "[^/]+"

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "abstract" in cls.__dict__:
            return
        base = next(parent for parent in cls.__mro__ if "abstract" in parent.__dict__)
        if taken := [name for name in FIXED if getattr(cls, name, None) is not getattr(base, name, None)]:
            raise TypeError(f"{cls.__name__} may not redefine {taken}; refine with narrow()")
        actions = {name for name in STANDARD if hasattr(cls, name)} | {a.__name__ for a in cls.get_extra_actions()}
        if actions != set(cls.access):
            raise TypeError(f"{cls.__name__}.access must name exactly {sorted(actions)}")

    def get_permissions(self) -> list[BasePermission]:  # whatever an @action asks for
        return [HasRole()]

    def get_authenticators(self) -> list[BaseAuthentication]:
        return [ApiAuthentication()]

    @property
    def caller(self) -> Access:
        assert isinstance(self.request.auth, Access)
        return self.request.auth

    @property
    def user(self) -> User:
        """The person who asks. Raises Forbidden for an API key, which is nobody."""
        if self.caller.user is None:
            raise Forbidden("Insufficient permissions")
        return self.caller.user

    @property
    def workspace(self) -> Workspace:
        assert self.caller.workspace is not None
        return self.caller.workspace

    @cached_property
    def query(self) -> dict[str, Any]:
        """The validated query string. Raises ValidationError (422 in `query`)."""
        return read_query(self.query_class, self.request, view=self, sortable=self.sortable)

    def enter(self, request: Request) -> None:
        access = self.caller
        asked = request.headers.get("X-Workspace-ID")
        if asked is not None and (access.workspace is None or str(access.workspace.pk) != asked.lower()):
            raise Forbidden(NOT_A_MEMBER)
        if self.workspace_kwarg and self.workspace_kwarg in self.kwargs:
            request.auth = _inside(access, parse_id(self.kwargs[self.workspace_kwarg], Workspace))

    def sorted(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """By `sort` where it is given; ties, and everything else, newest first."""
        if not (name := self.query.get("sort")):
            return queryset.order_by("-pk")
        column = F(self.sortable[name.removeprefix("-")])
        way = column.desc(nulls_last=True) if name.startswith("-") else column.asc(nulls_last=True)
        return queryset.order_by(way, "-pk")


class WorkspaceViewSet(ApiViewSet):
    """Serves rows of the caller's workspace, and no others."""

    abstract = True
    model: ClassVar[type[Sealed]]
    bodiless: ClassVar[Collection[str]] = ()  # actions on one row that take no fields

    def get_queryset(self) -> QuerySet[Any]:
        rows: models.Manager[Any] = self.model.unscoped
        return self.narrow(rows.filter(workspace=self.workspace).order_by("-pk"))

    def narrow(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Leave out, prefetch or annotate; for lists and single rows alike."""
        return queryset

    def sift(self, queryset: QuerySet[Any], query: dict[str, Any]) -> QuerySet[Any]:
        """Apply a list's filters, already validated by `query_class`."""
        return queryset

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return self.sorted(self.sift(queryset, self.query)) if self.action == "list" else queryset

    def get_object(self) -> Any:
        row_id = parse_id(self.kwargs[self.lookup_url_kwarg or self.lookup_field], self.model)
        row = self.get_queryset().filter(**{self.lookup_field: row_id}).first()
        if row is None:
            raise missing(self.model)
        if self.request.method == "POST":
            body = self.request.data  # what cannot be read is refused by an action that reads nothing of it, too
            if self.action in self.bodiless:
                NothingSerializer(data=body).is_valid(raise_exception=True)
        return row

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "workspace": self.workspace}


class Patches(GenericAPIView[Any]):
    """PATCH without PUT."""

    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        serializer = self.get_serializer(self.get_object(), data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        self.perform_update(serializer)
        return Response(serializer.data)

    def perform_update(self, serializer: BaseSerializer[Any]) -> None:
        serializer.save()


class Deletes(GenericAPIView[Any]):
    """DELETE answers 200 with `{"detail": "Deleted"}`; `perform_destroy` is where a view says how."""

    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        self.perform_destroy(self.get_object())
        return Response(DELETED)

    def perform_destroy(self, instance: Any) -> None:
        instance.delete()


class WorkspaceRelatedField(PrimaryKeyRelatedField[Any]):
    """A foreign key in a payload resolves inside the caller's workspace.

    What is no UUID is 422; unknown and foreign ids alike are `<Thing> not found`, after the schema.
    """

    def get_queryset(self) -> QuerySet[Any]:
        queryset = super().get_queryset()
        assert queryset is not None
        return queryset.filter(workspace=self.context["workspace"])

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, uuid.UUID) and not (isinstance(data, str) and UUID_FORM.fullmatch(data)):
            raise mistake("type_error.uuid")
        queryset = self.get_queryset()
        row = queryset.filter(pk=data).first()
        if row is None:
            raise missing(queryset.model)
        return row


class WorkspaceSerializer(StrictModelSerializer):
    """Base of every serializer of a tenant table: its view passes the caller's workspace in the context."""

    serializer_related_field = WorkspaceRelatedField


def _inside(access: Access, workspace_id: uuid.UUID) -> Access:
    """The same caller in the workspace of the path. Raises NotFound where they have no seat."""
    if access.key is not None:
        if access.key.workspace_id != workspace_id:
            raise missing(Workspace)
        return access
    seats = Membership.unscoped.select_related("workspace").filter(user=access.user, workspace=workspace_id)
    if (seat := seats.first()) is None:
        raise missing(Workspace)
    return replace(access, workspace=seat.workspace, role=Role(seat.role))
