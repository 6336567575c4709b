"""Staff see every workspace, knowingly. Secrets are never shown: of a key its public prefix, of the rest nothing.

Seats, limits and credentials change through the API's own services, so that what they guard holds here too.
"""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from django.urls import URLPattern, path
from django.utils import timezone

from accounts.auth import second_factor, sessions
from accounts.models import (
    ApiKey,
    AuditEntry,
    ErasedNumber,
    IdempotentRequest,
    Invitation,
    Membership,
    PasswordReset,
    RecoveryCode,
    SecondFactor,
    Session,
    StaffTry,
    User,
    Workspace,
    canonical_email,
)
from accounts.roles import Role
from accounts.serializers.workspaces import WorkspaceDetailSerializer
from accounts.services import members
from accounts.staff.base import History, Lines, SerializerForm, StaffAdmin, access_of
from accounts.staff.login import FACTOR_PAGE
from accounts.staff.second_factor_pages import page as second_factor_page

admin.site.unregister(Group)


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
            members.update_workspace(workspace=obj, access=access, changes=values)
            return
        assert access.user is not None
        obj.pk = members.create_workspace(user=access.user, ip=access.ip, **values).pk


class UserForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    def clean_email(self) -> str:
        return canonical_email(self.cleaned_data["email"])


@admin.register(User)
class UserAdmin(StaffAdmin):
    form = UserForm
    list_display = ("email", "name", "is_active", "is_staff", "is_superuser", "last_login", "created_at")
    list_filter = ("is_active", "is_staff", "is_superuser")
    search_fields = ("email", "name")
    fields = ("email", "name", "is_active", "is_staff", "is_superuser", "default_workspace", "last_login", "created_at")
    readonly_fields = ("default_workspace", "last_login", "created_at")
    inlines = (Seats,)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # people register, are invited, or come by create_workspace

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # a workspace could lose its last admin: whoever must go is made inactive

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        is_above = obj is not None and (obj.is_staff or obj.is_superuser) and not request.user.is_superuser
        return not is_above and bool(super().has_change_permission(request, obj))

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        powers = () if request.user.is_superuser else ("is_staff", "is_superuser")
        return (*self.readonly_fields, *powers)


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


@admin.register(ApiKey)
class ApiKeyAdmin(History):
    list_display = ("prefix", "name", "workspace_name", "role", "last_used_at", "expires_at", "revoked_at")
    list_filter = ("role", ("revoked_at", admin.EmptyFieldListFilter))
    search_fields = ("prefix", "name", "workspace__name")
    search_ids = ("pk", "workspace")
    list_select_related = ("workspace",)
    exclude = ("key_hash",)
    actions = ("revoke",)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("accounts.delete_apikey"))

    @admin.action(description="Revoke", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        now, live = timezone.now(), queryset.filter(revoked_at=None)
        self.for_each(request, live, lambda key, access: members.revoke_api_key(key=key, access=access, now=now))


@admin.register(Invitation)
class InvitationAdmin(History):
    list_display = ("email", "workspace_name", "role", "created_at", "expires_at", "accepted_at")
    list_filter = ("role", ("accepted_at", admin.EmptyFieldListFilter))
    search_fields = ("email", "workspace__name")
    search_ids = ("pk", "workspace")
    list_select_related = ("workspace",)
    exclude = ("token_hash",)


@admin.register(Session)
class SessionAdmin(History):
    list_display = ("id", "user", "created_at", "refreshed_at", "expires_at", "revoked_at")
    list_filter = (("revoked_at", admin.EmptyFieldListFilter),)
    search_fields = ("user__email",)
    search_ids = ("pk", "user")
    list_select_related = ("user",)
    exclude = ("refresh_hash",)
    actions = ("end",)

    def has_end_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("accounts.delete_session"))

    @admin.action(description="End this login", permissions=["end"])
    def end(self, request: HttpRequest, queryset: QuerySet[Session]) -> None:
        now, live = timezone.now(), queryset.filter(revoked_at=None)
        self.for_each(request, live, lambda row, access: sessions.end_for(session=row, access=access, now=now))


@admin.register(AuditEntry)
class AuditEntryAdmin(History):
    list_display = ("at", "action", "actor", "object_type", "object_id", "workspace_name", "ip")
    list_filter = ("action", "object_type", "actor_type", "at")
    search_fields = ("actor_name", "object_id", "workspace__name")
    search_ids = ("pk", "workspace", "object_id", "actor_id")
    list_select_related = ("workspace",)

    @admin.display(description="Actor", ordering="actor_name")
    def actor(self, entry: AuditEntry) -> str:
        return entry.actor_name or entry.actor_type


@admin.register(PasswordReset)
class PasswordResetAdmin(History):
    list_display = ("id", "user", "created_at", "expires_at", "used_at")
    list_filter = (("used_at", admin.EmptyFieldListFilter), "created_at")
    search_fields = ("user__email",)
    search_ids = ("pk", "user")
    list_select_related = ("user",)
    exclude = ("token_hash",)


@admin.register(IdempotentRequest)
class IdempotentRequestAdmin(History):
    list_display = ("id", "scope", "key", "created_at")
    list_filter = ("created_at",)
    search_fields = ("scope", "key")
    exclude = ("answer",)


@admin.register(SecondFactor)
class SecondFactorAdmin(History):
    """Taking away somebody's lets them in with the password alone, until they set up a new one."""

    list_display = ("user", "confirmed_at", "created_at")
    list_filter = (("confirmed_at", admin.EmptyFieldListFilter), "created_at")
    search_fields = ("user__email",)
    search_ids = ("pk", "user")
    list_select_related = ("user",)
    exclude = ("secret", "last_step")
    actions = ("take_away",)

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view(second_factor_page)
        urls: list[URLPattern] = super().get_urls()
        return [path("mine/", page, name=FACTOR_PAGE), *urls]

    def has_take_away_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    @admin.action(description="Take it away: its owner has lost it", permissions=["take_away"])
    def take_away(self, request: HttpRequest, queryset: QuerySet[SecondFactor]) -> None:
        self.for_each(request, queryset, lambda row, access: second_factor.remove(factor=row, access=access))


@admin.register(RecoveryCode)
class RecoveryCodeAdmin(History):
    list_display = ("id", "factor", "used_at")
    list_filter = (("used_at", admin.EmptyFieldListFilter),)
    search_fields = ("factor__user__email",)
    search_ids = ("pk", "factor")
    list_select_related = ("factor",)
    exclude = ("code_hash",)


@admin.register(StaffTry)
class StaffTryAdmin(History):
    list_display = ("id", "count", "began_at")
    list_filter = ("began_at",)
    search_fields = ("scope__exact",)
    exclude = ("scope",)


@admin.register(ErasedNumber)
class ErasedNumberAdmin(History):
    list_display = ("id", "workspace", "created_at")
    list_filter = ("created_at",)
    search_fields = ("workspace__name",)
    search_ids = ("pk", "workspace")
    list_select_related = ("workspace",)
    exclude = ("key", "digest")
