import uuid
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import cached_property, partial
from typing import Any, ClassVar

from django.db import models
from django.db.models import F, QuerySet
from rest_framework.authentication import BaseAuthentication
from rest_framework.generics import GenericAPIView
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.viewsets import GenericViewSet

from accounts.api.base_view import OrderedChecksView
from accounts.api.lookup import not_found, parse_id
from accounts.auth.authentication import ApiAuthentication
from accounts.auth.permissions import INSUFFICIENT_PERMISSIONS, NOT_A_MEMBER, HasRole
from accounts.auth.principal import Principal
from accounts.models import Membership, User, Workspace
from accounts.roles import Role
from accounts.tenancy import NoDefaultManagerModel
from voiceops.api.kept_reads import (
    Source,
    find_columns,
    find_row,
    read_row,
    read_rows,
    split_filters,
)
from voiceops.api.pagination import is_walk, respond_with_page, validate_query, walk
from voiceops.api.serializers import CAPPED, EmptyBodySerializer, PageQuery, validate_body
from voiceops.core.errors import Forbidden
from voiceops.core.lists import MAX_COUNTED_ROWS

DELETED = {"detail": "Deleted"}
STANDARD_ACTIONS = ("list", "create", "retrieve", "update", "partial_update", "destroy")
# What decides who sees which rows. Subclasses and their mixins may not redefine any of it.
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
    """A viewset for authenticated principals.

    `required_roles` maps exactly its actions to a role or to SIGNED_IN. `sortable` maps the names
    clients may sort by to columns. `workspace_kwarg` is the path's parameter that names the
    workspace, if there is one.
    """

    abstract: ClassVar[bool] = True  # read from each class itself, so it is not inherited
    required_roles: ClassVar[Mapping[str, int]] = {}
    query_class: ClassVar[type[PageQuery]] = PageQuery
    sortable: ClassVar[Mapping[str, str]] = {}
    workspace_kwarg: ClassVar[str | None] = None
    authentication_classes = (ApiAuthentication,)
    permission_classes = (HasRole,)
    lookup_value_regex = "[^/]+"

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "abstract" in cls.__dict__:
            return
        # The nearest abstract class is the reference; mixins in between may not differ from it.
        base = next(parent for parent in cls.__mro__ if "abstract" in parent.__dict__)
        redefined = [
            name
            for name in FINAL_HOOKS
            if getattr(cls, name, None) is not getattr(base, name, None)
        ]
        if redefined:
            raise TypeError(
                f"{cls.__name__} may not redefine {redefined}; override refine_queryset instead"
            )
        actions = {name for name in STANDARD_ACTIONS if hasattr(cls, name)}
        actions |= {extra_action.__name__ for extra_action in cls.get_extra_actions()}
        if actions != set(cls.required_roles):
            raise TypeError(f"{cls.__name__}.required_roles must name exactly {sorted(actions)}")

    def get_permissions(self) -> list[BasePermission]:
        return [HasRole()]  # whatever an @action asks for

    def get_authenticators(self) -> list[BaseAuthentication]:
        return [ApiAuthentication()]

    @property
    def principal(self) -> Principal:
        """The authenticated principal of the request."""
        assert isinstance(self.request.auth, Principal)
        return self.request.auth

    @property
    def user(self) -> User:
        """The authenticated user. Raises Forbidden for an API key."""
        if self.principal.user is None:
            raise Forbidden(INSUFFICIENT_PERMISSIONS)
        return self.principal.user

    @property
    def workspace(self) -> Workspace:
        """The workspace of the request."""
        assert self.principal.workspace is not None
        return self.principal.workspace

    @cached_property
    def query(self) -> dict[str, Any]:
        """The validated query string. Raises ValidationError (422 in `query`)."""
        return validate_query(self.query_class, self.request, sortable=tuple(self.sortable))

    def validate_body(
        self, serializer_class: type[BaseSerializer[Any]] | None = None
    ) -> dict[str, Any]:
        """Return the body's fields, validated by the given serializer or the action's own.

        Raises ValidationError (422).
        """
        kind = serializer_class or self.get_serializer_class()
        return validate_body(kind, self.request, self.get_serializer_context())

    def resolve_workspace(self, request: Request) -> None:
        """Check `X-Workspace-ID`, and move the principal into the workspace of the path.

        Raises Forbidden for a header that names another workspace than the principal's, NotFound
        for a path that does.
        """
        principal = self.principal
        own_id = str(principal.workspace.pk) if principal.workspace else None
        requested_id = request.headers.get("X-Workspace-ID")
        if requested_id is not None and requested_id.lower() != own_id:
            raise Forbidden(NOT_A_MEMBER)
        if self.workspace_kwarg and self.workspace_kwarg in self.kwargs:
            workspace_id = parse_id(self.kwargs[self.workspace_kwarg], Workspace)
            request.auth = _in_workspace(principal, workspace_id)

    def apply_ordering(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Order by `sort` if it is given; ties and everything else newest first."""
        sort = self.query.get("sort")
        if not sort:
            return queryset.order_by("-pk")
        # Rows without a value come last in both directions; the key makes the order total.
        column = F(self.sortable[sort.removeprefix("-")])
        if sort.startswith("-"):
            return queryset.order_by(column.desc(nulls_last=True), "-pk")
        return queryset.order_by(column.asc(nulls_last=True), "-pk")


class WorkspaceViewSet(ApiViewSet):
    """Serves the rows of one workspace and no others.

    `actions_without_body` are actions on one row whose body must have no fields. Lists and rows are
    read as `serializer_class` describes them (`ListMixin`, `RetrieveMixin`, `read_page`).
    """

    abstract = True
    model: ClassVar[type[NoDefaultManagerModel]]
    actions_without_body: ClassVar[Collection[str]] = ()

    def get_queryset(self) -> QuerySet[Any]:
        rows: models.Manager[Any] = self.model.unscoped
        return self.refine_queryset(rows.filter(workspace=self.workspace).order_by("-pk"))

    def refine_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Exclude, prefetch or annotate, for lists and single rows alike."""
        return queryset

    def apply_filters(self, queryset: QuerySet[Any], query: dict[str, Any]) -> QuerySet[Any]:
        """Apply a list's filters, which `query_class` has validated."""
        return queryset

    def list_rows(self, rows: QuerySet[Any], query: dict[str, Any]) -> QuerySet[Any]:
        """Return what `list` finds among the workspace's rows, in its order.

        Ids in the query may be parameters of a statement that is kept.
        """
        return self.apply_ordering(self.apply_filters(self.refine_queryset(rows), query))

    def read_page(
        self,
        kind: type[BaseSerializer[Any]],
        build: Callable[[QuerySet[Any], dict[str, Any]], QuerySet[Any]],
        *,
        model: type[NoDefaultManagerModel] | None = None,
        unique: str = "pk",
        query_class: type[PageQuery] | None = None,
        context: Mapping[str, Any] | None = None,
        count: Callable[..., QuerySet[Any]] | None = None,
        **parent: uuid.UUID,
    ) -> Response:
        """Answer with the requested page of rows.

        `build(rows, query)` filters and orders the rows of the workspace, or those of a `parent`,
        which the workspace was found to own. `unique` is the column that orders them, unless a
        client sorts them. `count(owner, query=…)` returns what adds up to their total (`Source`).
        """
        query = validate_query(query_class, self.request) if query_class else self.query
        shape, ids = split_filters(query_class or self.query_class, query)
        owner = parent or {"workspace": self.workspace.pk}

        def build_rows(values: Mapping[str, Any]) -> QuerySet[Any]:
            rows: models.Manager[Any] = (model or self.model).unscoped
            owned = rows.filter(**{name: values[name] for name in owner})
            return build(owned, {**query, **{name: values[name] for name in ids}})

        narrow = partial(walk, query=query, column=unique, position_of=self.position_of)
        source = Source(
            key=shape and (type(self), self.action, shape),
            build=build_rows,
            values={**owner, **ids},
            unique=unique,
            counted=partial(count, query=query) if count else None,
            narrow=narrow if is_walk(query) else None,
            count_limit=MAX_COUNTED_ROWS + 1 if query.get("total") == CAPPED else None,
        )
        full_context = {**self.get_serializer_context(), **(context or {})}
        return respond_with_page(source, kind, query, full_context)

    def read_rows(
        self,
        kind: type[BaseSerializer[Any]],
        build: Callable[[QuerySet[Any]], QuerySet[Any]],
        *,
        model: type[NoDefaultManagerModel],
        **parent: uuid.UUID,
    ) -> list[Any]:
        """Return the bodies of all rows of a parent, which the workspace was found to own."""
        source = Source(
            key=(type(self), self.action, "rows"),
            build=lambda values: build(model.unscoped.filter(**values)),
            values=parent,
        )
        return read_rows(source, kind, self.get_serializer_context())

    def position_of(self, name: str, row_id: uuid.UUID) -> Any:
        """Return the unique column of a row that a walk begins at, which the query names."""
        return row_id

    def _row_source(self) -> Source:
        """Return where the row of the path is found. Raises NotFound for what is no id."""
        row_id = parse_id(self.kwargs[self.lookup_url_kwarg or self.lookup_field], self.model)
        rows: models.Manager[Any] = self.model.unscoped
        return Source(
            key=(type(self), self.action),
            build=lambda values: self.refine_queryset(rows.filter(**values)),
            values={"workspace": self.workspace.pk, self.lookup_field: row_id},
        )

    def read_body(self) -> Any:
        """Return the row of the path as the serializer describes it. Raises NotFound."""
        kind, context = self.get_serializer_class(), self.get_serializer_context()
        body = read_row(self._row_source(), kind, context)
        if body is None:
            raise not_found(self.model)
        return body

    def read_columns(self, *columns: str) -> Any:
        """Return these columns of the row of the path, as a named tuple. Raises NotFound."""
        row = find_columns(self._row_source(), columns)
        if row is None:
            raise not_found(self.model)
        return row

    def get_object(self) -> Any:
        row = self.get_row()
        self.validate_empty_body()
        return row

    def get_row(self) -> Any:
        """Return the row of the path, without looking at the body.

        For actions whose path names a second row, which must be found before `validate_empty_body`.
        Raises NotFound.
        """
        row = find_row(self._row_source())
        if row is None:
            raise not_found(self.model)
        return row

    def validate_empty_body(self) -> None:
        """Refuse a POST whose body cannot be parsed, or has fields that its action does not accept.

        Raises ParseError (400), ValidationError (422).
        """
        if self.request.method == "POST":
            body = self.request.data  # parses it, also for actions that read nothing of it
            if self.action in self.actions_without_body:
                EmptyBodySerializer(data=body).is_valid(raise_exception=True)

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "workspace": self.workspace}


class ListMixin(ListModelMixin):
    """GET of a collection: a page of `list_rows`, as the view's serializer describes them."""

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        assert isinstance(self, WorkspaceViewSet)
        return self.read_page(self.get_serializer_class(), self.list_rows)


class RetrieveMixin(RetrieveModelMixin):
    """GET of a row, as the view's serializer describes it."""

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        assert isinstance(self, WorkspaceViewSet)
        return Response(self.read_body())


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
    """DELETE answers 200 with `{"detail": "Deleted"}`; `perform_destroy` does the deleting."""

    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        self.perform_destroy(self.get_object())
        return Response(DELETED)

    def perform_destroy(self, instance: Any) -> None:
        instance.delete()


def _in_workspace(principal: Principal, workspace_id: uuid.UUID) -> Principal:
    """Return the principal in the workspace of the path. Raises NotFound for non-members."""
    if principal.key is not None:
        if principal.key.workspace_id != workspace_id:
            raise not_found(Workspace)
        return principal
    memberships = Membership.unscoped.select_related("workspace")
    membership = memberships.filter(user=principal.user, workspace=workspace_id).first()
    if membership is None:
        raise not_found(Workspace)
    return replace(principal, workspace=membership.workspace, role=Role(membership.role))
