"""Webhook endpoints, their events and deliveries, for staff."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from accounts.staff import lists
from accounts.staff.base import ReadOnlyAdmin, SerializerForm, badge_column, principal_of
from accounts.staff.filters import BY_WORKSPACE, dates, recent_values_filter, row_filter
from accounts.staff.panels import PanelAdmin, secret_page
from webhooks import services
from webhooks.admin.orders import AT_FIRST, ENDPOINT_ORDERS, state_of, webhook_panel
from webhooks.models import EVENTS, WebhookCursor, WebhookDelivery, WebhookEndpoint, WebhookEvent
from webhooks.serializers import WebhookSerializer

BY_ENDPOINT = row_filter(
    "endpoint",
    "endpoint",
    lambda: WebhookEndpoint.unscoped.order_by("url", "pk"),
    label=lambda endpoint: endpoint.url,
)


class WebhookForm(SerializerForm):
    serializer = WebhookSerializer
    events = forms.MultipleChoiceField(
        choices=[(event, event.replace(".", " ").replace("_", " ")) for event in EVENTS],
        initial=EVENTS,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )

    class Meta:
        model = WebhookEndpoint
        fields = ("workspace", "url", "description", "events")
        labels = {"url": "URL"}


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(PanelAdmin):
    form = WebhookForm
    panel_template = "admin/panels/webhook.html"
    list_display = (
        "url",
        "workspace_name",
        "state_badge",
        "disabled_reason",
        "failing_since",
        "created_at",
    )
    list_filter = (
        BY_WORKSPACE,
        "is_enabled",
        ("failing_since", admin.EmptyFieldListFilter),
        dates(),
    )
    search_fields = ("url", "description", "workspace__name")
    search_ids = ("pk", "workspace")
    list_select_related = ("workspace",)
    autocomplete_fields = ("workspace",)
    fields = ("workspace", "url", "description", "events")
    orders = ENDPOINT_ORDERS

    @badge_column("State", {"on": "success", "failing": "danger", "off": "warning"})
    def state_badge(self, endpoint: WebhookEndpoint) -> str:
        return state_of(endpoint)

    def panel_context(self, request: HttpRequest, row: WebhookEndpoint) -> dict[str, Any]:
        return webhook_panel(row)

    def get_readonly_fields(
        self, request: HttpRequest, obj: WebhookEndpoint | None = None
    ) -> tuple[str, ...]:
        return ("workspace",) if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # an order of its panel does it

    def save_model(
        self,
        request: HttpRequest,
        obj: WebhookEndpoint,
        form: "forms.ModelForm[WebhookEndpoint]",
        change: bool,
    ) -> None:
        principal = principal_of(request, obj)
        if change:
            changes = {name: form.cleaned_data[name] for name in form.changed_data}
            services.update_endpoint(endpoint=obj, changes=changes, principal=principal)
            return
        values = {name: form.cleaned_data[name] for name in ("url", "description", "events")}
        made, secret = services.create_endpoint(
            workspace=obj.workspace, principal=principal, **values
        )
        obj.pk, obj.secret = made.pk, secret

    def response_add(
        self, request: HttpRequest, obj: WebhookEndpoint, post_url_continue: str | None = None
    ) -> HttpResponse:
        then = reverse("admin:webhooks_webhookendpoint_change", args=[obj.pk])
        title = "The webhook is added"
        return secret_page(request, title=title, text=AT_FIRST, secret=obj.secret, then=then)


@admin.register(WebhookEvent)
class WebhookEventAdmin(ReadOnlyAdmin):
    audit_views = True
    list_display = ("id", "type", "workspace_name", "at", "created_at")
    list_filter = (BY_WORKSPACE, recent_values_filter("type"), dates())
    search_fields = ("key__exact", "type__exact")
    search_ids = ("pk", "workspace")
    list_select_related = ("workspace",)


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(ReadOnlyAdmin):
    list_display = (
        "id",
        "event_type",
        "endpoint",
        "status_badge",
        "attempts",
        "response_status",
        "error",
        "due_at",
        "workspace_name",
    )
    list_filter = (BY_ENDPOINT, "status", recent_values_filter("response_status"), dates())
    search_fields = ("event__type__exact",)
    search_help_text = "An event's type, or an id"
    search_ids = ("pk", "endpoint", "event", "workspace")
    list_select_related = ("event", "endpoint", "workspace")
    actions = ("send_again",)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find an event's type among the newest events: types have no index."""
        if not search_term.strip() or self.finds_by_index(search_term):
            return super().get_search_results(request, queryset, search_term)
        events = lists.newest_of(WebhookEvent.unscoped.all(), lists.MAX_FILTERED_ROWS)
        return queryset.filter(event__in=events.filter(type=search_term.strip())), False

    @admin.display(description="Event")
    def event_type(self, delivery: WebhookDelivery) -> str:
        return delivery.event.type

    @badge_column("Status", {"delivered": "success", "pending": "info", "failed": "danger"})
    def status_badge(self, delivery: WebhookDelivery) -> str:
        return delivery.status

    def has_send_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("webhooks.change_webhookdelivery"))

    @admin.action(description="Send again", permissions=["send"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        self.apply_to_each(
            request,
            queryset,
            lambda row, principal: services.redeliver(
                delivery=row, now=timezone.now(), principal=principal
            ),
        )


@admin.register(WebhookCursor)
class WebhookCursorAdmin(ReadOnlyAdmin):
    list_display = ("name", "position")
    search_fields = ("name",)
    search_ids = ("name",)
