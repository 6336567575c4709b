"""Staff see every workspace, knowingly. Secrets are never shown: of a key its public prefix, of the rest nothing."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.forms import AdminPasswordChangeForm, UserChangeForm
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline

from accounts.models import (
    ApiKey,
    AuditEntry,
    IdempotentRequest,
    Invitation,
    Membership,
    PasswordReset,
    Session,
    User,
    Workspace,
)

admin.site.unregister(Group)


class ReadOnly(ModelAdmin):  # type: ignore[misc]  # the library is not typed
    """What happened is looked at, not edited."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class Seats(TabularInline):  # type: ignore[misc]  # the library is not typed
    model = Membership
    extra = 0
    autocomplete_fields = ("workspace", "user")


@admin.register(Workspace)
class WorkspaceAdmin(ModelAdmin):  # type: ignore[misc]  # the library is not typed
    list_display = ("name", "id", "max_concurrent_calls", "created_at")
    search_fields = ("name", "id")
    readonly_fields = ("id", "created_at")
    inlines = (Seats,)
    ordering = ("-pk",)
    show_full_result_count = False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # the API refuses while numbers are connected; the admin could not tell


@admin.register(User)
class UserAdmin(ModelAdmin):  # type: ignore[misc]  # the library is not typed
    form = UserChangeForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("email", "name", "is_active", "is_staff", "last_login", "created_at")
    list_filter = ("is_active", "is_staff")
    search_fields = ("email", "name", "id")
    fields = ("email", "name", "password", "is_active", "is_staff", "is_superuser", "default_workspace", "last_login")
    readonly_fields = ("last_login",)
    autocomplete_fields = ("default_workspace",)
    inlines = (Seats,)
    ordering = ("-pk",)
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # people register, are invited, or come by create_workspace


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnly):
    list_display = ("prefix", "name", "workspace", "role", "last_used_at", "expires_at", "revoked_at")
    list_filter = ("role", ("revoked_at", admin.EmptyFieldListFilter))
    search_fields = ("prefix", "name", "workspace__name")
    list_select_related = ("workspace",)
    exclude = ("key_hash",)
    ordering = ("-pk",)
    show_full_result_count = False


@admin.register(Invitation)
class InvitationAdmin(ReadOnly):
    list_display = ("email", "workspace", "role", "created_at", "expires_at", "accepted_at")
    list_filter = ("role", ("accepted_at", admin.EmptyFieldListFilter))
    search_fields = ("email", "workspace__name")
    list_select_related = ("workspace",)
    exclude = ("token_hash",)
    ordering = ("-pk",)
    show_full_result_count = False


@admin.register(Session)
class SessionAdmin(ReadOnly):
    list_display = ("id", "user", "created_at", "refreshed_at", "expires_at", "revoked_at")
    list_filter = (("revoked_at", admin.EmptyFieldListFilter),)
    search_fields = ("user__email",)
    list_select_related = ("user",)
    exclude = ("refresh_hash",)
    ordering = ("-pk",)
    show_full_result_count = False


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnly):
    list_display = ("at", "action", "actor_name", "object_type", "object_id", "workspace", "ip")
    list_filter = ("action", "object_type", "actor_type")
    search_fields = ("actor_name", "object_id", "workspace__name")
    list_select_related = ("workspace",)
    ordering = ("-pk",)
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuditEntry]:
        return AuditEntry.unscoped.order_by("-pk")


@admin.register(Membership)
class MembershipAdmin(ReadOnly):
    list_display = ("id", "user", "workspace", "role", "created_at")
    list_filter = ("role", "created_at")
    search_fields = ("user__email", "workspace__name", "id")
    list_select_related = ("user", "workspace")
    ordering = ("-pk",)
    show_full_result_count = False


@admin.register(PasswordReset)
class PasswordResetAdmin(ReadOnly):
    list_display = ("id", "user", "created_at", "expires_at", "used_at")
    list_filter = (("used_at", admin.EmptyFieldListFilter), "created_at")
    search_fields = ("user__email", "id")
    list_select_related = ("user",)
    exclude = ("token_hash",)
    ordering = ("-pk",)
    show_full_result_count = False


@admin.register(IdempotentRequest)
class IdempotentRequestAdmin(ReadOnly):
    list_display = ("id", "scope", "key", "created_at")
    list_filter = ("created_at",)
    search_fields = ("scope", "key", "id")
    exclude = ("answer",)
    ordering = ("-pk",)
    show_full_result_count = False
