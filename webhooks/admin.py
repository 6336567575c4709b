from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from accounts.staff import lists
from accounts.staff.base import ReadOnlyAdmin, badge_column
from accounts.staff.filters import BY_WORKSPACE, dates, recent_values_filter, row_filter
from webhooks.models import WebhookCursor, WebhookDelivery, WebhookEndpoint, WebhookEvent
from webhooks.services import redeliver

BY_ENDPOINT = row_filter(
    "endpoint",
    "endpoint",
    lambda: WebhookEndpoint.unscoped.order_by("url", "pk"),
    label=lambda endpoint: endpoint.url,
)


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(ReadOnlyAdmin):
    list_display = (
        "url",
        "workspace_name",
        "is_enabled",
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
    exclude = ("secret", "previous_secret")


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
            lambda row, principal: redeliver(delivery=row, now=timezone.now(), principal=principal),
        )


@admin.register(WebhookCursor)
class WebhookCursorAdmin(ReadOnlyAdmin):
    list_display = ("name", "position")
    search_fields = ("name",)
    search_ids = ("name",)
