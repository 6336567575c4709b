import uuid
from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any, ClassVar

from django.db import models
from django.db.models import F, QuerySet
from rest_framework.authentication import BaseAuthentication
from rest_framework.generics import GenericAPIView
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.viewsets import GenericViewSet

from accounts.api.base_view import OrderedChecksView
from accounts.api.lookup import not_found, parse_id
from accounts.auth.authentication import ApiAuthentication
from accounts.auth.permissions import HasRole
from accounts.auth.principal import Principal
from accounts.models import Membership, User, Workspace
from accounts.roles import Role
from accounts.tenancy import NoDefaultManagerModel
from voiceops.api.pagination import validate_query
from voiceops.api.serializers import EmptyBodySerializer, PageQuery
from voiceops.core.errors import Forbidden

NOT_A_MEMBER = "Not a member of this workspace"
DELETED = {"detail": "Deleted"}
STANDARD = ("list", "create", "retrieve", "update", "partial_update", "destroy")
FINAL_HOOKS = (
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


class ApiViewSet(OrderedChecksView, GenericViewSet[Any]):
    """A viewset of authenticated callers. `required_roles` names a role (or SIGNED_IN) for exactly the
    actions it has.
    """

    abstract: ClassVar[bool] = True  # looked for in the class itself: a subclass must say it again
    required_roles: ClassVar[Mapping[str, int]] = {}
    query_class: ClassVar[type[PageQuery]] = PageQuery
    sortable: ClassVar[Mapping[str, str]] = {}  # what a client may sort by -> the column
    workspace_kwarg: ClassVar[str | None] = (
        None  # the path's parameter that names the workspace, where there is one
    )
    authentication_classes = (ApiAuthentication,)
    permission_classes = (HasRole,)
    lookup_value_regex = "[^/]+"

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "abstract" in cls.__dict__:
            return
        base = next(parent for parent in cls.__mro__ if "abstract" in parent.__dict__)
        if taken := [
            name
            for name in FINAL_HOOKS
            if getattr(cls, name, None) is not getattr(base, name, None)
        ]:
            raise TypeError(f"{cls.__name__} may not redefine {taken}; refine with narrow()")
        actions = {name for name in STANDARD if hasattr(cls, name)} | {
            a.__name__ for a in cls.get_extra_actions()
        }
        if actions != set(cls.required_roles):
            raise TypeError(f"{cls.__name__}.required_roles must name exactly {sorted(actions)}")

    def get_permissions(self) -> list[BasePermission]:  # whatever an @action asks for
        return [HasRole()]

    def get_authenticators(self) -> list[BaseAuthentication]:
        return [ApiAuthentication()]

    @property
    def principal(self) -> Principal:
        assert isinstance(self.request.auth, Principal)
        return self.request.auth

    @property
    def user(self) -> User:
        """The person who asks. Raises Forbidden for an API key, which is nobody."""
        if self.principal.user is None:
            raise Forbidden("Insufficient permissions")
        return self.principal.user

    @property
    def workspace(self) -> Workspace:
        assert self.principal.workspace is not None
        return self.principal.workspace

    @cached_property
    def query(self) -> dict[str, Any]:
        """The validated query string. Raises ValidationError (422 in `query`)."""
        return validate_query(self.query_class, self.request, view=self, sortable=self.sortable)

    def resolve_workspace(self, request: Request) -> None:
        principal = self.principal
        asked = request.headers.get("X-Workspace-ID")
        if asked is not None and (
            principal.workspace is None or str(principal.workspace.pk) != asked.lower()
        ):
            raise Forbidden(NOT_A_MEMBER)
        if self.workspace_kwarg and self.workspace_kwarg in self.kwargs:
            request.auth = _inside(
                principal, parse_id(self.kwargs[self.workspace_kwarg], Workspace)
            )

    def apply_ordering(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """By `sort` where it is given; ties, and everything else, newest first."""
        if not (name := self.query.get("sort")):
            return queryset.order_by("-pk")
        column = F(self.sortable[name.removeprefix("-")])
        way = column.desc(nulls_last=True) if name.startswith("-") else column.asc(nulls_last=True)
        return queryset.order_by(way, "-pk")


class WorkspaceViewSet(ApiViewSet):
    """Serves rows of the caller's workspace, and no others."""

    abstract = True
    model: ClassVar[type[NoDefaultManagerModel]]
    actions_without_body: ClassVar[Collection[str]] = ()  # actions on one row that take no fields

    def get_queryset(self) -> QuerySet[Any]:
        rows: models.Manager[Any] = self.model.unscoped
        return self.refine_queryset(rows.filter(workspace=self.workspace).order_by("-pk"))

    def refine_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Leave out, prefetch or annotate; for lists and single rows alike."""
        return queryset

    def apply_filters(self, queryset: QuerySet[Any], query: dict[str, Any]) -> QuerySet[Any]:
        """Apply a list's filters, already validated by `query_class`."""
        return queryset

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return (
            self.apply_ordering(self.apply_filters(queryset, self.query))
            if self.action == "list"
            else queryset
        )

    def get_object(self) -> Any:
        row = self.get_row()
        self.validate_empty_body()
        return row

    def get_row(self) -> Any:
        """The row of the path. For actions whose path names a second one, which is to be found
        before `read_body`.
        """
        row_id = parse_id(self.kwargs[self.lookup_url_kwarg or self.lookup_field], self.model)
        row = self.get_queryset().filter(**{self.lookup_field: row_id}).first()
        if row is None:
            raise not_found(self.model)
        return row

    def validate_empty_body(self) -> None:
        """What cannot be read is refused by an action that reads nothing of it, too."""
        if self.request.method == "POST":
            body = self.request.data
            if self.action in self.actions_without_body:
                EmptyBodySerializer(data=body).is_valid(raise_exception=True)

    def validate_body(self, serializer_class: type[BaseSerializer[Any]]) -> dict[str, Any]:
        """Return the body's fields as the serializer validated them. Raises ValidationError (422)."""
        context = self.get_serializer_context()
        serializer = serializer_class(data=self.request.data, context=context)
        serializer.is_valid(raise_exception=True)
        fields: dict[str, Any] = serializer.validated_data
        return fields

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "workspace": self.workspace}


class PatchMixin(GenericAPIView[Any]):
    """PATCH without PUT."""

    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        serializer = self.get_serializer(self.get_object(), data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        self.perform_update(serializer)
        return Response(serializer.data)

    def perform_update(self, serializer: BaseSerializer[Any]) -> None:
        serializer.save()


class DestroyMixin(GenericAPIView[Any]):
    """DELETE answers 200 with `{"detail": "Deleted"}`; `perform_destroy` is where a view says how."""

    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        self.perform_destroy(self.get_object())
        return Response(DELETED)

    def perform_destroy(self, instance: Any) -> None:
        instance.delete()


def _inside(principal: Principal, workspace_id: uuid.UUID) -> Principal:
    """The same caller in the workspace of the path. Raises NotFound where they have no seat."""
    if principal.key is not None:
        if principal.key.workspace_id != workspace_id:
            raise not_found(Workspace)
        return principal
    seats = Membership.unscoped.select_related("workspace").filter(
        user=principal.user, workspace=workspace_id
    )
    if (seat := seats.first()) is None:
        raise not_found(Workspace)
    return replace(principal, workspace=seat.workspace, role=Role(seat.role))
