from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest

from accounts.admin.workspaces import MembershipInline
from accounts.models import User, canonical_email
from accounts.staff.base import StaffAdmin


class UserForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    def clean_email(self) -> str:
        return canonical_email(self.cleaned_data["email"])


@admin.register(User)
class UserAdmin(StaffAdmin):
    form = UserForm
    list_display = (
        "email",
        "name",
        "is_active",
        "is_staff",
        "is_superuser",
        "last_login",
        "created_at",
    )
    list_filter = ("is_active", "is_staff", "is_superuser")
    search_fields = ("email", "name")
    fields = (
        "email",
        "name",
        "is_active",
        "is_staff",
        "is_superuser",
        "groups",
        "default_workspace",
        "email_proven_at",
        "last_login",
        "created_at",
    )
    filter_horizontal = ("groups",)
    readonly_fields = ("default_workspace", "email_proven_at", "last_login", "created_at")
    inlines = (MembershipInline,)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # users register, are invited, or are created by create_workspace

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # a workspace could lose its last admin; users are made inactive instead

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        is_privileged = obj is not None and (obj.is_staff or obj.is_superuser)
        if is_privileged and not request.user.is_superuser:
            return False
        return bool(super().has_change_permission(request, obj))

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        privileges = () if request.user.is_superuser else ("is_staff", "is_superuser", "groups")
        return (*self.readonly_fields, *privileges)
