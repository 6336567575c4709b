from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils import timezone

from accounts.models import (
    Invitation,
    Membership,
    Workspace,
)
from accounts.roles import Role
from accounts.serializers.workspaces import WorkspaceDetailSerializer
from accounts.services import members, workspaces
from accounts.staff.base import History, Lines, SerializerForm, StaffAdmin, access_of


class Seats(Lines):
    """Looked at here; changed in the list of memberships, where a workspace keeps an admin."""

    model = Membership
    fields = readonly_fields = ("workspace", "user", "role", "created_at")
    show_change_link = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[Membership]:
        return Membership.unscoped.select_related("workspace", "user").order_by("pk")


class WorkspaceForm(SerializerForm):
    serializer = WorkspaceDetailSerializer

    class Meta:
        model = Workspace
        fields = (
            "name",
            "calling_window",
            "holidays_country",
            "max_concurrent_calls",
            "max_calls_per_day",
            "min_gap_minutes",
            "max_attempts_per_day",
            "max_attempts_per_week",
            "recording_retention_days",
            "transcript_retention_days",
        )


@admin.register(Workspace)
class WorkspaceAdmin(StaffAdmin):
    form = WorkspaceForm
    list_display = ("name", "id", "max_concurrent_calls", "created_at")
    list_filter = ("created_at",)
    search_fields = ("name",)
    readonly_fields = ("id", "created_at")
    inlines = (Seats,)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # the API refuses while numbers are connected; the admin could not tell

    def save_model(self, request: HttpRequest, obj: Workspace, form: "ModelForm[Workspace]", change: bool) -> None:
        """Whoever adds one is its admin, as through the API."""
        access = access_of(request, obj)
        values = {name: form.cleaned_data[name] for name in form.changed_data}
        if change:
            workspaces.update_workspace(workspace=obj, access=access, changes=values)
            return
        assert access.user is not None
        obj.pk = workspaces.create_workspace(user=access.user, ip=access.ip, **values).pk


@admin.register(Membership)
class MembershipAdmin(StaffAdmin):
    list_display = ("user", "workspace_name", "shown_role", "created_at")
    list_filter = ("role", "created_at")
    search_fields = ("user__email", "workspace__name")
    search_ids = ("pk", "workspace", "user")
    list_select_related = ("user", "workspace")
    fields = ("workspace", "user", "role")
    autocomplete_fields = ("workspace", "user")

    @admin.display(description="Role", ordering="role")
    def shown_role(self, seat: Membership) -> str:
        return Role(seat.role).label

    def get_readonly_fields(self, request: HttpRequest, obj: Membership | None = None) -> tuple[str, ...]:
        return ("workspace", "user") if obj else ()

    def save_model(self, request: HttpRequest, obj: Membership, form: "ModelForm[Membership]", change: bool) -> None:
        access, role = access_of(request, obj), Role(form.cleaned_data["role"])
        if change:
            members.change_role(member=obj, role=role, access=access, now=timezone.now())
        else:
            obj.pk = members.seat_user(workspace=obj.workspace, user=obj.user, role=role, access=access).pk

    def delete_model(self, request: HttpRequest, obj: Membership) -> None:
        members.remove_member(member=obj, access=access_of(request, obj), now=timezone.now())

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Membership]) -> None:
        now = timezone.now()
        self.for_each(request, queryset, lambda row, access: members.remove_member(member=row, access=access, now=now))


@admin.register(Invitation)
class InvitationAdmin(History):
    list_display = ("email", "workspace_name", "role", "created_at", "expires_at", "accepted_at")
    list_filter = ("role", ("accepted_at", admin.EmptyFieldListFilter))
    search_fields = ("email", "workspace__name")
    search_ids = ("pk", "workspace")
    list_select_related = ("workspace",)
    exclude = ("token_hash",)
