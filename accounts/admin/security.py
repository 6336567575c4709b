"""Admin pages for credentials, the second factor and the audit log.

Secrets are never shown; an API key appears by its public prefix.
"""

from django.contrib import admin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import URLPattern, path
from django.utils import timezone

from accounts.auth import second_factor, sessions
from accounts.models import (
    ApiKey,
    AuditEntry,
    ErasedNumber,
    IdempotentRequest,
    PasswordReset,
    RecoveryCode,
    SecondFactor,
    Session,
    StaffTry,
)
from accounts.services import api_keys
from accounts.staff.base import ReadOnlyAdmin
from accounts.staff.filters import BY_WORKSPACE, dates, recent_values_filter
from accounts.staff.login import SECOND_FACTOR_PAGE
from accounts.staff.second_factor_pages import second_factor_view

admin.site.unregister(Group)


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin):
    list_display = (
        "prefix",
        "name",
        "workspace_name",
        "role",
        "last_used_at",
        "expires_at",
        "revoked_at",
    )
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
        now = timezone.now()
        self.apply_to_each(
            request,
            queryset.filter(revoked_at=None),
            lambda key, principal: api_keys.revoke_api_key(key=key, principal=principal, now=now),
        )


@admin.register(Session)
class SessionAdmin(ReadOnlyAdmin):
    list_display = ("id", "user", "created_at", "refreshed_at", "expires_at", "revoked_at")
    list_filter = (("revoked_at", admin.EmptyFieldListFilter),)
    search_fields = ("user__email",)
    search_ids = ("pk", "user")
    list_select_related = ("user",)
    exclude = ("refresh_hash", "previous_refresh_hash")
    actions = ("end",)

    def has_end_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("accounts.delete_session"))

    @admin.action(description="End this login", permissions=["end"])
    def end(self, request: HttpRequest, queryset: QuerySet[Session]) -> None:
        now = timezone.now()
        self.apply_to_each(
            request,
            queryset.filter(revoked_at=None),
            lambda row, principal: sessions.end_session_by(
                session=row, principal=principal, now=now
            ),
        )


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    list_display = ("at", "action", "actor", "object_type", "object_id", "workspace_name", "ip")
    list_filter = (
        BY_WORKSPACE,
        recent_values_filter("action"),
        recent_values_filter("object_type", "object"),
        "actor_type",
        dates("at"),
    )
    search_fields = ("actor_name__exact", "action__exact")
    search_help_text = "An actor's e-mail address, an action, or an id"
    search_ids = ("pk", "workspace", "object_id", "actor_id")
    list_select_related = ("workspace",)

    def finds_by_index(self, term: str) -> bool:
        return False  # objects and actors have none

    @admin.display(description="Actor", ordering="actor_name")
    def actor(self, entry: AuditEntry) -> str:
        return entry.actor_name or entry.actor_type


@admin.register(PasswordReset)
class PasswordResetAdmin(ReadOnlyAdmin):
    list_display = ("id", "user", "created_at", "expires_at", "used_at")
    list_filter = (("used_at", admin.EmptyFieldListFilter), dates())
    search_fields = ("user__email",)
    search_ids = ("pk", "user")
    list_select_related = ("user",)
    exclude = ("token_hash",)


@admin.register(IdempotentRequest)
class IdempotentRequestAdmin(ReadOnlyAdmin):
    list_display = ("id", "scope", "key", "created_at")
    list_filter = (dates(),)
    search_fields = ("scope", "key")
    exclude = ("answer",)


@admin.register(SecondFactor)
class SecondFactorAdmin(ReadOnlyAdmin):
    """After a removal the password alone logs its owner in, until they set up a new one."""

    list_display = ("user", "confirmed_at", "created_at")
    list_filter = (("confirmed_at", admin.EmptyFieldListFilter), dates())
    search_fields = ("user__email",)
    search_ids = ("pk", "user")
    list_select_related = ("user",)
    exclude = ("secret", "last_step")
    actions = ("remove_factor",)

    def get_urls(self) -> list[URLPattern]:
        own_page = self.admin_site.admin_view(second_factor_view)
        urls: list[URLPattern] = super().get_urls()
        return [path("mine/", own_page, name=SECOND_FACTOR_PAGE), *urls]

    def has_remove_factor_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    @admin.action(
        description="Remove, because its owner has lost it", permissions=["remove_factor"]
    )
    def remove_factor(self, request: HttpRequest, queryset: QuerySet[SecondFactor]) -> None:
        self.apply_to_each(
            request,
            queryset,
            lambda row, principal: second_factor.remove(factor=row, principal=principal),
        )


@admin.register(RecoveryCode)
class RecoveryCodeAdmin(ReadOnlyAdmin):
    list_display = ("id", "factor", "used_at")
    list_filter = (("used_at", admin.EmptyFieldListFilter),)
    search_fields = ("factor__user__email",)
    search_ids = ("pk", "factor")
    list_select_related = ("factor",)
    exclude = ("code_hash",)


@admin.register(StaffTry)
class StaffTryAdmin(ReadOnlyAdmin):
    list_display = ("id", "count", "began_at")
    list_filter = ("began_at",)
    search_fields = ("scope__exact",)
    exclude = ("scope",)


@admin.register(ErasedNumber)
class ErasedNumberAdmin(ReadOnlyAdmin):
    list_display = ("id", "workspace", "created_at")
    list_filter = (dates(),)
    search_fields = ("workspace__name",)
    search_ids = ("pk", "workspace")
    list_select_related = ("workspace",)
    exclude = ("key", "digest")
