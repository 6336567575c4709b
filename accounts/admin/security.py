"""Admin pages for credentials, the second factor and the audit log.

Secrets are never shown; an API key appears by its public prefix.
"""

from typing import Any

from django.contrib import admin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
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
from accounts.roles import Role
from accounts.services import api_keys
from accounts.staff import audit_words
from accounts.staff.base import ReadOnlyAdmin, principal_of
from accounts.staff.filters import BY_WORKSPACE, dates, recent_values_filter
from accounts.staff.login import SECOND_FACTOR_PAGE
from accounts.staff.panels import secret_page
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
    autocomplete_fields = ("workspace",)
    actions = ("revoke",)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perm("accounts.add_apikey"))

    def get_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> Any:
        return super().get_fields(request, obj) if obj else ("workspace", "name", "role")

    def save_model(
        self, request: HttpRequest, obj: ApiKey, form: "ModelForm[ApiKey]", change: bool
    ) -> None:
        """Make the key: rows are only added here, never changed."""
        made, obj.key_hash = api_keys.create_api_key(
            workspace=obj.workspace,
            name=obj.name,
            role=Role(form.cleaned_data["role"]),
            principal=principal_of(request, obj),
        )
        obj.pk = made.pk

    def response_add(
        self, request: HttpRequest, obj: ApiKey, post_url_continue: str | None = None
    ) -> HttpResponse:
        then = reverse("admin:accounts_apikey_changelist")
        text = "This key is displayed once. Keep it in a safe place."
        # In memory the column has the key itself; the row has its hash.
        return secret_page(
            request, title="The key is made", text=text, secret=obj.key_hash, then=then
        )

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
    exclude = ("refresh_hash", "previous_refresh_hash", "spent_before")
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
    list_display = ("at", "what", "target", "details", "actor", "workspace_name", "ip")
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
    readonly_fields = ("what", "target", "details")
    fieldsets = (
        (None, {"fields": ("at", "what", "target", "details", "actor_name", "workspace", "ip")}),
        (
            "For engineers",
            {
                "classes": ("collapse",),
                "fields": (
                    *("action", "object_type", "object_id", "actor_type", "actor_id", "changes"),
                ),
            },
        ),
    )

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Load the objects of the whole page in one query for each type."""
        page = super().get_changelist_instance(request)
        targets = audit_words.find_targets(page.result_list)
        for entry in page.result_list:
            entry.targets = targets
        return page

    def finds_by_index(self, term: str) -> bool:
        return False  # objects and actors have none

    @admin.display(description="What")
    def what(self, entry: AuditEntry) -> str:
        return audit_words.action_in_words(entry.action)

    @admin.display(description="Object")
    def target(self, entry: AuditEntry) -> str:
        targets = getattr(entry, "targets", None)
        if targets is None:
            targets = audit_words.find_targets([entry])
        return audit_words.target_link(entry, targets)

    @admin.display(description="Details")
    def details(self, entry: AuditEntry) -> str:
        return audit_words.changes_in_words(entry.changes)

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
    list_select_related = ("factor__user",)
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
