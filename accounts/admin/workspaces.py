from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils import timezone
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from accounts.models import Invitation, Membership, Workspace, canonical_email
from accounts.roles import Role
from accounts.serializers.workspaces import WorkspaceDetailSerializer
from accounts.services import invitations, members, workspaces
from accounts.staff.base import (
    ReadOnlyAdmin,
    ReadOnlyInline,
    SerializerForm,
    StaffAdmin,
    principal_of,
)
from accounts.staff.filters import dates
from accounts.staff.window_field import window_widget
from voiceops.core.time_zones import zone_names


class MembershipInline(ReadOnlyInline):
    """Read-only: roles change on the memberships' own page, where a workspace keeps an admin."""

    model = Membership
    fields = readonly_fields = ("workspace", "user", "role", "created_at")
    show_change_link = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[Membership]:
        return Membership.unscoped.select_related("workspace", "user").order_by("pk")


class WorkspaceForm(SerializerForm):
    serializer = WorkspaceDetailSerializer
    own_fields = ("members_see_numbers",)  # of the console

    class Meta:
        model = Workspace
        fields = (
            "name",
            "calling_window",
            "holidays_country",
            "timezone",
            "unknown_zone",
            "max_concurrent_calls",
            "max_calls_per_day",
            "min_gap_minutes",
            "max_cost_per_day",
            "max_attempts_per_day",
            "max_attempts_per_week",
            "max_attempts_per_30_days",
            "rest_days_after_answer",
            "rest_days_after_refusal",
            "calling_profile",
            "publish_requires",
            "recording_retention_days",
            "transcript_retention_days",
            "members_see_numbers",
        )
        widgets = {
            "calling_window": window_widget(),
            "max_cost_per_day": UnfoldAdminTextInputWidget,
        }
        help_texts = {"calling_window": "Without hours: at any hour."}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["unknown_zone"].required = False
        names = sorted(zone_names() | {self.instance.timezone})
        self.fields["timezone"] = forms.ChoiceField(
            choices=[(name, name.replace("_", " ")) for name in names],
            initial=self.instance.timezone,
            required=False,
            widget=UnfoldAdminSelectWidget,
            help_text=self.fields["timezone"].help_text,
        )

    def clean_timezone(self) -> str:
        """Keep the time zone when the field is left empty."""
        return str(self.cleaned_data["timezone"]) or self.instance.timezone

    def clean_publish_requires(self) -> list[str]:
        """An empty field requires nothing."""
        return self.cleaned_data["publish_requires"] or []

    def clean_unknown_zone(self) -> str:
        """Keep the choice when none is made."""
        return str(self.cleaned_data["unknown_zone"]) or self.instance.unknown_zone


class InvitationForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    """Whom a member of staff invites; the mail has the link with which they accept."""

    class Meta:
        model = Invitation
        fields = ("workspace", "email", "role")

    def clean_email(self) -> str:
        return canonical_email(self.cleaned_data["email"])


@admin.register(Workspace)
class WorkspaceAdmin(StaffAdmin):
    form = WorkspaceForm
    list_display = ("name", "id", "max_concurrent_calls", "created_at")
    list_filter = (dates(),)
    search_fields = ("name",)
    readonly_fields = ("id", "created_at")
    fieldsets = (
        (None, {"fields": ("name", ("timezone", "unknown_zone"))}),
        ("When", {"fields": ("calling_window", ("holidays_country", "calling_profile"))}),
        (
            "How much",
            {
                "fields": (
                    ("max_concurrent_calls", "max_calls_per_day"),
                    ("min_gap_minutes", "max_cost_per_day"),
                )
            },
        ),
        (
            "How often a number may be called",
            {
                "fields": (
                    ("max_attempts_per_day", "max_attempts_per_week"),
                    ("max_attempts_per_30_days", "rest_days_after_answer"),
                    "rest_days_after_refusal",
                )
            },
        ),
        (
            "Data",
            {
                "fields": (
                    ("recording_retention_days", "transcript_retention_days"),
                    "members_see_numbers",
                )
            },
        ),
        (
            "For engineers",
            {"classes": ("collapse",), "fields": ("publish_requires", "id", "created_at")},
        ),
    )
    inlines = (MembershipInline,)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # the API does it, and refuses while numbers are connected

    def save_model(
        self, request: HttpRequest, obj: Workspace, form: "ModelForm[Workspace]", change: bool
    ) -> None:
        """Save through the services; the member of staff who adds a workspace is its admin."""
        principal = principal_of(request, obj)
        values = {name: form.cleaned_data[name] for name in form.changed_data}
        if change:
            workspaces.update_workspace(workspace=obj, principal=principal, changes=values)
            return
        assert principal.user is not None
        obj.pk = workspaces.create_workspace(user=principal.user, ip=principal.ip, **values).pk


@admin.register(Membership)
class MembershipAdmin(StaffAdmin):
    list_display = ("user", "workspace_name", "role_label", "created_at")
    list_filter = ("role", dates())
    search_fields = ("user__email", "workspace__name")
    search_ids = ("pk", "workspace", "user")
    list_select_related = ("user", "workspace")
    fields = ("workspace", "user", "role")
    autocomplete_fields = ("workspace", "user")

    @admin.display(description="Role", ordering="role")
    def role_label(self, membership: Membership) -> str:
        return Role(membership.role).label

    def get_readonly_fields(
        self, request: HttpRequest, obj: Membership | None = None
    ) -> tuple[str, ...]:
        return ("workspace", "user") if obj else ()

    def save_model(
        self, request: HttpRequest, obj: Membership, form: "ModelForm[Membership]", change: bool
    ) -> None:
        principal = principal_of(request, obj)
        role = Role(form.cleaned_data["role"])
        if change:
            members.change_role(member=obj, role=role, principal=principal, now=timezone.now())
        else:
            obj.pk = members.add_member(
                workspace=obj.workspace, user=obj.user, role=role, principal=principal
            ).pk

    def delete_model(self, request: HttpRequest, obj: Membership) -> None:
        members.remove_member(member=obj, principal=principal_of(request, obj), now=timezone.now())

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Membership]) -> None:
        now = timezone.now()
        self.apply_to_each(
            request,
            queryset,
            lambda row, principal: members.remove_member(member=row, principal=principal, now=now),
        )


@admin.register(Invitation)
class InvitationAdmin(ReadOnlyAdmin):
    form = InvitationForm
    autocomplete_fields = ("workspace",)
    list_display = ("email", "workspace_name", "role", "created_at", "expires_at", "accepted_at")
    list_filter = ("role", ("accepted_at", admin.EmptyFieldListFilter))
    search_fields = ("email", "workspace__name")
    search_ids = ("pk", "workspace")
    list_select_related = ("workspace",)
    exclude = ("token_hash", "invited_by")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perm("accounts.add_invitation"))

    def get_fields(self, request: HttpRequest, obj: Invitation | None = None) -> Any:
        return super().get_fields(request, obj) if obj else InvitationForm.Meta.fields

    def save_model(
        self, request: HttpRequest, obj: Invitation, form: "ModelForm[Invitation]", change: bool
    ) -> None:
        """Send the invitation: rows are only added here, never changed."""
        obj.pk = invitations.create_invitation(
            workspace=obj.workspace,
            email=obj.email,
            role=Role(form.cleaned_data["role"]),
            principal=principal_of(request, obj),
            now=timezone.now(),
        ).pk
