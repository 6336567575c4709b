"""Agents with their versions and rehearsals, for staff."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import F, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminSelectWidget

from accounts.auth.principal import Principal
from accounts.staff.base import ReadOnlyAdmin, SerializerForm, badge_column, principal_of
from accounts.staff.filters import BY_WORKSPACE, dates
from accounts.staff.panels import PanelAdmin
from agents import secrets, services
from agents.admin.orders import AGENT_ORDERS, agent_panel
from agents.admin.widgets import CONFIG_WIDGETS
from agents.languages import language_choices
from agents.models import (
    CONFIG_FIELDS,
    Agent,
    AgentScripts,
    AgentVersion,
    Rehearsal,
    RehearsingWorker,
    VoiceWorker,
)
from agents.serializers.agents import AgentSerializer
from agents.voice_workers import find_speech_warnings, list_voice_workers


class StateFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(
        self, request: HttpRequest, model_admin: "admin.ModelAdmin[Any]"
    ) -> list[tuple[str, str]]:
        return [
            ("draft", "Never published"),
            ("changed", "Changed since"),
            ("published", "Published"),
            ("deleted", "Deleted"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        live = queryset.filter(deleted_at=None)
        rows = {
            "draft": live.filter(published_version=None),
            "changed": live.filter(published_version__isnull=False).exclude(
                version=F("published_version")
            ),
            "published": live.filter(version=F("published_version")),
            "deleted": queryset.exclude(deleted_at=None),
        }
        return rows.get(str(self.value()), queryset)


# Its fields are what one that was emptied stands for.
EMPTY_AGENT = Agent()


class AgentForm(SerializerForm):
    """The agent with its secrets masked. A mask that is left unchanged keeps what is stored."""

    serializer = AgentSerializer

    class Meta:
        model = Agent
        fields = ("workspace", *CONFIG_FIELDS)
        widgets = CONFIG_WIDGETS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # A read-only page has no fields.
        if "language" in self.fields:
            self.fields["language"] = forms.ChoiceField(
                choices=language_choices(self.instance.language),
                initial=self.instance.language,
                widget=UnfoldAdminSelectWidget,
            )
        # The form shows masks in place of secrets; `stored` is what they stand for.
        self.stored = {} if self.instance._state.adding else self.instance.config()
        if self.stored:
            self.initial.update(secrets.mask_secrets(self.stored))

    def clean(self) -> dict[str, Any]:
        values = super().clean()
        for name, value in values.items():
            if value is None and name in CONFIG_FIELDS:
                values[name] = getattr(EMPTY_AGENT, name)
        for name in [name for name in secrets.SECRET_FIELDS if name in values]:
            try:
                values[name] = secrets.restore_masked(name, values[name], self.stored.get(name))
            except LookupError as error:
                self.add_error(name, str(error))
        return values


@admin.register(Agent)
class AgentAdmin(PanelAdmin):
    form = AgentForm
    panel_template = "admin/panels/agent.html"
    orders = AGENT_ORDERS
    fieldsets = (
        (None, {"fields": (("workspace",), ("name", "language"))}),
        ("What it says", {"fields": ("first_message_mode", "first_message", "system_prompt")}),
        ("What it needs to know", {"fields": ("variables",)}),
        ("What it may do", {"fields": ("tools",)}),
        ("How a call may have gone", {"fields": ("dispositions", "analysis")}),
        ("Model, ears and voice", {"fields": ("llm", "stt", "tts")}),
        (
            "On the line",
            {
                "classes": ("collapse",),
                "fields": (
                    *("voicemail", "screening", "turn_taking", "interruptions", "silence"),
                    "background",
                ),
            },
        ),
        (
            "Limits",
            {
                "fields": (
                    ("max_call_duration_seconds", "silence_timeout_seconds"),
                    ("ringing_timeout_seconds", "recording_enabled"),
                )
            },
        ),
        (
            "Record",
            {
                "classes": ("collapse",),
                "fields": (
                    *("version", "published_version", "created_at", "updated_at", "deleted_at"),
                ),
            },
        ),
    )
    list_display = (
        "name",
        "workspace_name",
        "state",
        "version",
        "published_version",
        "language",
        "updated_at",
    )
    list_filter = (StateFilter, BY_WORKSPACE, "recording_enabled", dates())
    search_fields = ("name", "workspace__name")
    search_ids = ("pk", "workspace")
    list_select_related = ("workspace",)
    autocomplete_fields = ("workspace",)
    actions = ("publish", "delete_keeping_history")

    @badge_column(
        "State",
        {"published": "success", "changed": "info", "draft": "warning", "deleted": "danger"},
    )
    def state(self, agent: Agent) -> str:
        if agent.deleted_at is not None:
            return "deleted"
        if agent.published_version is None:
            return "draft"
        return "published" if agent.version == agent.published_version else "changed"

    def get_readonly_fields(
        self, request: HttpRequest, obj: Agent | None = None
    ) -> tuple[str, ...]:
        numbers = ("version", "published_version", "created_at", "updated_at", "deleted_at")
        return ("workspace", "warnings", *numbers) if obj else numbers

    @admin.display(description="What no voice worker speaks", empty_value="nothing known")
    def warnings(self, agent: Agent) -> str:
        return ". ".join(find_speech_warnings(agent.config(), list_voice_workers()))

    def panel_context(self, request: HttpRequest, row: Agent) -> dict[str, Any]:
        return agent_panel(row)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Past calls and batches refer to their agent; `delete_keeping_history` keeps the row.
        return False

    def save_model(
        self, request: HttpRequest, obj: Agent, form: "ModelForm[Agent]", change: bool
    ) -> None:
        values = {
            name: form.cleaned_data[name] for name in CONFIG_FIELDS if name in form.cleaned_data
        }
        # Through the services, as the API does, so that drafts, versions and audit agree.
        principal = principal_of(request, obj)
        if change:
            services.save_draft(agent=obj, changes=values, principal=principal)
        else:
            obj.pk = services.create_agent(
                workspace=obj.workspace, config=values, principal=principal
            ).pk

    @admin.action(description="Publish the draft", permissions=["change"])
    def publish(self, request: HttpRequest, queryset: QuerySet[Agent]) -> None:
        workers = list_voice_workers()

        def publish(agent: Agent, principal: Principal) -> None:
            published = services.publish_agent(agent=agent, principal=principal)
            for text in find_speech_warnings(published.config(), workers):
                self.message_user(request, f"{agent}: {text}", messages.WARNING)

        self.apply_to_each(request, queryset, publish)

    @admin.action(description="Delete, keeping the history", permissions=["change"])
    def delete_keeping_history(self, request: HttpRequest, queryset: QuerySet[Agent]) -> None:
        self.apply_to_each(
            request,
            queryset,
            lambda agent, principal: services.delete_agent(agent=agent, principal=principal),
        )


@admin.register(AgentVersion)
class AgentVersionAdmin(ReadOnlyAdmin):
    list_display = ("agent", "number", "workspace_name", "created_at")
    list_filter = (dates(),)
    search_fields = ("agent__name", "workspace__name")
    search_ids = ("pk", "agent", "workspace")
    list_select_related = ("agent", "workspace")
    exclude = ("sealed",)


@admin.register(AgentScripts)
class AgentScriptsAdmin(ReadOnlyAdmin):
    list_display = ("agent", "workspace_name", "updated_at")
    search_fields = ("agent__name", "workspace__name")
    search_ids = ("pk", "agent", "workspace")
    list_select_related = ("agent", "workspace")


@admin.register(Rehearsal)
class RehearsalAdmin(ReadOnlyAdmin):
    # A replay holds what a callee said.
    audit_views = True
    list_display = ("agent", "version", "mode", "state", "workspace_name", "created_at", "ended_at")
    list_filter = ("status", "mode", BY_WORKSPACE, dates())
    search_fields = ("agent__name", "workspace__name")
    search_ids = ("pk", "agent", "workspace")
    list_select_related = ("agent", "workspace")

    @badge_column(
        "State",
        {
            "queued": "info",
            "running": "info",
            "passed": "success",
            "failed": "danger",
            "error": "warning",
        },
    )
    def state(self, rehearsal: Rehearsal) -> str:
        return rehearsal.status


@admin.register(RehearsingWorker)
class RehearsingWorkerAdmin(ReadOnlyAdmin):
    list_display = ("name", "seen_at")
    search_fields = ("name",)


@admin.register(VoiceWorker)
class VoiceWorkerAdmin(ReadOnlyAdmin):
    list_display = ("name", "agent_name", "version", "max_calls", "default_provider", "reported_at")
    search_fields = ("name",)
