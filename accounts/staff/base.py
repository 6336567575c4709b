"""Base classes of the admin's pages.

Staff see the rows of every workspace, or of their own (`accounts.staff.visibility`). Their changes
go through the services that the API uses too, with the member of staff as principal.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, ClassVar, TypeVar, cast

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import models
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from rest_framework.exceptions import ValidationError
from rest_framework.serializers import BaseSerializer
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import display

from accounts import audit
from accounts.auth.authentication import client_ip
from accounts.auth.principal import Principal
from accounts.models import User, Workspace
from accounts.staff import audit_words, list_export
from accounts.staff.lists import CappedPaginator, StaffChangeList
from accounts.staff.number_search import possible_numbers
from accounts.staff.time_columns import time_column
from accounts.staff.visibility import limit_rows, require_personal_data
from voiceops.api.errors import flatten_errors
from voiceops.api.fields import UUID_PATTERN
from voiceops.core.errors import DomainError

Column = TypeVar("Column", bound=Callable[..., Any])


def badge_column(description: str, colors: Mapping[str, str]) -> Callable[[Column], Column]:
    """A column of words, each on its color: success, info, warning or danger."""
    return cast(Callable[[Column], Column], display(description=description, label=dict(colors)))


class SerializerForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    """A form validated by the API's serializer, so that staff store only what a client could.

    `own_fields` are those that no client has.
    """

    serializer: ClassVar[type[BaseSerializer[Any]]]
    own_fields: ClassVar[Collection[str]] = ()

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        data = self._serializer_data(values)
        workspace = values.get("workspace") or getattr(self.instance, "workspace", None)
        serializer = self.serializer(data=data, partial=True, context={"workspace": workspace})
        try:
            serializer.is_valid(raise_exception=True)
        except ValidationError as error:
            self._add_api_errors(error)
        except DomainError as refusal:
            self.add_error(None, str(refusal))
        else:
            validated = serializer.validated_data
            values.update({name: validated[name] for name in data if name in validated})
        return values

    def _serializer_data(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a client would send: on a change, only the fields that changed."""
        # A new row has its primary key already: UUIDs are assigned in Python.
        is_change = self.instance.pk and not self.instance._state.adding
        names = self.changed_data if is_change else list(values)
        left_out = ("workspace", *self.own_fields)
        return {
            name: _to_json(values[name])
            for name in names
            if name in values and name not in left_out
        }

    def _add_api_errors(self, error: ValidationError) -> None:
        for field_error in flatten_errors(error.get_full_details(), ()):
            path = [str(part) for part in field_error["loc"]]
            field = path[0] if path else None  # None: the whole form
            place = ".".join(path[1:])
            message = field_error["msg"]
            self.add_error(field, f"{place}: {message}" if place else message)


class JsonField(forms.JSONField):
    """Shows indented JSON, and an empty field for null."""

    def prepare_value(self, value: Any) -> Any:
        return "" if value is None else super().prepare_value(value)


class StaffAdmin(ModelAdmin):  # type: ignore[misc]  # the library is not typed
    """Lists rows newest first, uses services for changes and audits them.

    `search_ids` are the indexed columns in which a whole id is looked up. `audit_views` is set
    where a page shows a recipient's number or words; opening it is then audited, and needs the
    permission for personal data. `number_columns` are those in which a number is looked up, in any
    spelling.
    """

    ordering: Sequence[str] = ("-pk",)
    list_per_page = 50
    paginator = CappedPaginator
    show_full_result_count = False
    # Counting the rows of each choice of each filter would read whole tables.
    show_facets = admin.ShowFacets.NEVER
    list_filter_submit = True
    number_columns: Sequence[str] = ()
    search_ids: Sequence[str] = ("pk",)
    # By which the newest rows are found: an index, and of ids only those that are times.
    age_column: str = "pk"
    audit_views: bool = False
    # Of a file of the list, where they are not those of the page.
    exported_columns: Sequence[str] = ()

    @admin.display(description="Workspace", ordering="workspace__name")
    def workspace_name(self, row: Any) -> str:
        return row.workspace.name if row.workspace else ""

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """Return the columns, in which times have the time in UTC on hover."""
        columns = super().get_list_display(request)
        return [time_column(self.model, name) or name for name in columns]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return limit_rows(super().get_queryset(request), request.user)

    def get_field_queryset(
        self, db: str | None, db_field: Any, request: HttpRequest
    ) -> QuerySet[Any] | None:
        """Limit what a form's field accepts, too: a browser may send any id."""
        rows: QuerySet[Any] | None = super().get_field_queryset(db, db_field, request)
        return None if rows is None else limit_rows(rows, request.user)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[StaffChangeList]:
        return StaffChangeList

    def formfield_for_dbfield(
        self, db_field: "models.Field[Any, Any]", request: HttpRequest, **kwargs: Any
    ) -> Any:
        if isinstance(db_field, models.JSONField):
            kwargs["form_class"] = JsonField
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip()
        if UUID_PATTERN.fullmatch(term):
            # A whole id is looked up by index; searching it as text would scan the table.
            conditions: list[Any] = [(name, term) for name in self.search_ids]
            return queryset.filter(Q.create(conditions, connector=Q.OR)), False
        if self.number_columns and (numbers := possible_numbers(term)):
            conditions = [(f"{name}__in", numbers) for name in self.number_columns]
            return queryset.filter(Q.create(conditions, connector=Q.OR)), False
        results: tuple[QuerySet[Any], bool] = super().get_search_results(
            request, queryset, search_term
        )
        return results

    def finds_by_index(self, term: str) -> bool:
        """Whether a search for the term reads an index instead of the table."""
        is_number = bool(self.number_columns and possible_numbers(term.strip()))
        return is_number or bool(UUID_PATTERN.fullmatch(term.strip()))

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponseBase:
        if self.audit_views and object_id:
            require_personal_data(request)
        try:
            page: HttpResponseBase = super().changeform_view(
                request, object_id, form_url, extra_context
            )
        except DomainError as refusal:
            return self.reject(request, refusal)
        if self.audit_views and object_id and request.method == "GET":
            self._audit_view(request, object_id)
        return page

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponseBase:
        try:
            page: HttpResponseBase = super().delete_view(request, object_id, extra_context)
        except DomainError as refusal:
            return self.reject(request, refusal)
        return page

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Return what the audit log has about the row. Raises PermissionDenied."""
        row = self.get_object(request, object_id)
        if row is None or not self.has_view_permission(request, row):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "title": f"History of {row}",
            "entries": audit_words.describe(audit_words.history_of(row)),
            "opts": self.opts,
            "original": row,
        }
        return TemplateResponse(request, "admin/history.html", context)

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_export"
        view = self.admin_site.admin_view(self.export_view)
        files = [
            path(f"export.{form}", view, {"form": form}, name=f"{name}_{form}")
            for form in list_export.LIST_FORMATS
        ]
        return [*files, *super().get_urls()]

    def export_view(self, request: HttpRequest, form: list_export.ListFormat) -> HttpResponseBase:
        """Return the rows of the filtered list as a file. Raises PermissionDenied."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        names = sorted(request.GET.keys())
        audit.record(
            "list.exported_by_staff",
            principal=principal_of(request),
            changes={
                "list": str(self.opts.verbose_name_plural),
                "filters": names,
                "format": form,
            },
        )
        return list_export.export_list(self, request, form)

    def reject(self, request: HttpRequest, refusal: DomainError) -> HttpResponseBase:
        """Reload the page with the refusal as its message."""
        self.message_user(request, str(refusal), messages.ERROR)
        return redirect(request.path)

    def apply_to_each(
        self, request: HttpRequest, rows: QuerySet[Any], act: Callable[[Any, Principal], object]
    ) -> None:
        """Call `act` for every selected row. A refusal is shown and does not stop the others."""
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
        """Save and audit a row of a model that has no service for it."""
        # Django saves lists of rows, such as a user's groups, by itself.
        columns = [name for name in form.changed_data if not obj._meta.get_field(name).many_to_many]
        obj.save(update_fields=columns if change else None)
        verb = "changed" if change else "added"
        audit.record(
            f"{obj._meta.model_name}.{verb}_by_staff",
            principal=principal_of(request, obj),
            target=obj,
            changes={"fields": sorted(form.changed_data)},
        )

    def _audit_view(self, request: HttpRequest, object_id: str) -> None:
        row = self.get_object(request, object_id)
        if row is not None:
            audit.record(
                f"{row._meta.model_name}.viewed_by_staff",
                principal=principal_of(request, row),
                target=row,
            )


class ReadOnlyAdmin(StaffAdmin):
    """Shows rows that staff may read and not edit.

    Many are history of millions of rows, of which no column but the id gives an order by index.
    """

    sortable_by: Sequence[str] = ()

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ReadOnlyInline(TabularInline):  # type: ignore[misc]  # the library is not typed
    """Shows rows that belong to the one on the page, without editing."""

    extra = 0
    can_delete = False
    hide_title = True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def principal_of(request: HttpRequest, row: models.Model | None = None) -> Principal:
    """Return the member of staff as principal, in the workspace that `row` is or belongs to."""
    assert isinstance(request.user, User)
    workspace = row if isinstance(row, Workspace) else getattr(row, "workspace", None)
    return Principal(
        user=request.user,
        workspace=workspace if isinstance(workspace, Workspace) else None,
        ip=client_ip(request),
    )


def _to_json(value: Any) -> Any:
    """Return a cleaned value as a client would send it."""
    return value.isoformat() if hasattr(value, "isoformat") else value
