"""What every page of the staff's admin has in common: nothing is counted twice, everything is
found, all is on record.

Staff see every workspace, knowingly. Changes go through the same services as the API's, as whoever
is logged in.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, TypeVar, cast

from django import forms
from django.contrib import admin, messages
from django.core.paginator import Paginator
from django.db import models
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.utils.functional import cached_property
from rest_framework.exceptions import ValidationError
from rest_framework.serializers import BaseSerializer
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import display

from accounts import audit
from accounts.auth.authentication import client_ip
from accounts.auth.principal import Principal
from accounts.models import User, Workspace
from voiceops.api.errors import flatten_errors
from voiceops.api.fields import UUID_PATTERN
from voiceops.core.errors import DomainError

MAX_COUNTED_ROWS = 10_000
Column = TypeVar("Column", bound=Callable[..., Any])


def badge_column(description: str, colors: Mapping[str, str]) -> Callable[[Column], Column]:
    """A column of words, each on its colour: success, info, warning or danger."""
    return cast(Callable[[Column], Column], display(description=description, label=dict(colors)))


class SerializerForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    """A form whose values the API's own serializer judges, so that staff store nothing a client
    could not.
    """

    serializer: ClassVar[type[BaseSerializer[Any]]]

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        changed = (
            self.changed_data
            if self.instance.pk and not self.instance._state.adding
            else list(values)
        )
        given = {
            name: _as_json(values[name])
            for name in changed
            if name in values and name != "workspace"
        }
        workspace = values.get("workspace") or getattr(self.instance, "workspace", None)
        judge = self.serializer(data=given, partial=True, context={"workspace": workspace})
        try:
            judge.is_valid(raise_exception=True)
        except ValidationError as error:
            for wrong in flatten_errors(error.get_full_details(), ()):
                name, *place = [*map(str, wrong["loc"]), None]
                where = ".".join(str(part) for part in place if part is not None)
                self.add_error(name, f"{where}: {wrong['msg']}" if where else wrong["msg"])
        except DomainError as refusal:
            self.add_error(None, str(refusal))
        else:
            values.update(
                {name: judge.validated_data[name] for name in given if name in judge.validated_data}
            )
        return values


class JsonField(forms.JSONField):
    """Indented, and nothing where there is nothing."""

    def prepare_value(self, value: Any) -> Any:
        return "" if value is None else super().prepare_value(value)


class CappedPaginator(Paginator):  # type: ignore[type-arg]  # generic in the stubs only
    """Counts to ten thousand and no further: the newest of a million rows are shown without a count
    of them all.
    """

    @cached_property
    def count(self) -> int:
        rows = cast("QuerySet[Any]", self.object_list)
        return rows.order_by()[:MAX_COUNTED_ROWS].count()


class StaffAdmin(ModelAdmin):  # type: ignore[misc]  # the library is not typed
    """Newest first. `search_ids` are the columns a whole id is looked for in, by their indexes."""

    ordering: Sequence[str] = ("-pk",)
    list_per_page = 50
    paginator = CappedPaginator
    show_full_result_count = False
    search_ids: Sequence[str] = ("pk",)
    audit_views: bool = (
        False  # whether opening a row shows a person's number or words, which goes on record
    )

    @admin.display(description="Workspace", ordering="workspace__name")
    def workspace_name(self, row: Any) -> str:
        return row.workspace.name if row.workspace else ""

    def formfield_for_dbfield(
        self, db_field: "models.Field[Any, Any]", request: HttpRequest, **kwargs: Any
    ) -> Any:
        if isinstance(db_field, models.JSONField):
            kwargs["form_class"] = JsonField
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if not UUID_PATTERN.fullmatch(search_term.strip()):
            found: tuple[QuerySet[Any], bool] = super().get_search_results(
                request, queryset, search_term
            )
            return found
        wanted = Q.create([(name, search_term.strip()) for name in self.search_ids], connector=Q.OR)
        return queryset.filter(wanted), False

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponseBase:
        try:
            page: HttpResponseBase = super().changeform_view(
                request, object_id, form_url, extra_context
            )
        except DomainError as refusal:
            return self.reject(request, refusal)
        if (
            self.audit_views
            and object_id
            and request.method == "GET"
            and (row := self.get_object(request, object_id))
        ):
            audit.record(
                f"{row._meta.model_name}.viewed_by_staff",
                principal=principal_of(request, row),
                target=row,
            )
        return page

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponseBase:
        try:
            page: HttpResponseBase = super().delete_view(request, object_id, extra_context)
        except DomainError as refusal:
            return self.reject(request, refusal)
        return page

    def reject(self, request: HttpRequest, refusal: DomainError) -> HttpResponseBase:
        self.message_user(request, str(refusal), messages.ERROR)
        return redirect(request.path)

    def apply_to_each(
        self, request: HttpRequest, rows: QuerySet[Any], act: Callable[[Any, Principal], object]
    ) -> None:
        """Do `act` to every row chosen; refusals are told row by row, and keep nothing else from
        being done.
        """
        done = 0
        for row in rows:
            try:
                act(row, principal_of(request, row))
                done += 1
            except DomainError as refusal:
                self.message_user(request, f"{row}: {refusal}", messages.ERROR)
        if done:
            self.message_user(request, f"Done: {done}.", messages.SUCCESS)

    def save_model(
        self, request: HttpRequest, obj: Any, form: "forms.ModelForm[Any]", change: bool
    ) -> None:
        """What a page has no service for is written here, and on record."""
        obj.save(update_fields=form.changed_data if change else None)
        done = "changed" if change else "added"
        changes = {"fields": sorted(form.changed_data)}
        audit.record(
            f"{obj._meta.model_name}.{done}_by_staff",
            principal=principal_of(request, obj),
            target=obj,
            changes=changes,
        )


class ReadOnlyAdmin(StaffAdmin):
    """What happened is looked at, not edited."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ReadOnlyInline(TabularInline):  # type: ignore[misc]  # the library is not typed
    """Rows that belong to the one shown, to be looked at."""

    extra = 0
    can_delete = False
    hide_title = True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def principal_of(request: HttpRequest, row: models.Model) -> Principal:
    """Whoever is logged in, in the workspace the row belongs to (none: the row belongs to none)."""
    assert isinstance(request.user, User)
    workspace = getattr(row, "workspace", None)
    return Principal(
        user=request.user,
        workspace=workspace if isinstance(workspace, Workspace) else None,
        ip=client_ip(request),
    )


def _as_json(value: Any) -> Any:
    """A cleaned value as a client would have sent it."""
    return value.isoformat() if hasattr(value, "isoformat") else value
