"""Staff's pages of the counts by the hour."""

from django.contrib import admin

from accounts.staff.base import ReadOnlyAdmin
from accounts.staff.filters import BY_WORKSPACE, dates
from telephony.models import HourlyCalls, HourlyCursor, HourlyLatency


@admin.register(HourlyCalls)
class HourlyCallsAdmin(ReadOnlyAdmin):
    list_display = (
        "hour",
        "own_number",
        "outcome",
        "sip_status_code",
        "calls",
        "talk",
        "workspace_name",
    )
    list_filter = (BY_WORKSPACE, dates("hour"))
    search_fields = ("own_number__exact",)
    search_ids = ("pk", "workspace")
    list_select_related = ("workspace",)


@admin.register(HourlyLatency)
class HourlyLatencyAdmin(ReadOnlyAdmin):
    list_display = (
        "hour",
        "agent_version_id",
        "figure",
        "milliseconds",
        "calls",
        "workspace_name",
    )
    list_filter = (BY_WORKSPACE, dates("hour"))
    search_fields = ("figure__exact",)
    search_ids = ("pk", "workspace", "agent_version_id")
    list_select_related = ("workspace",)


@admin.register(HourlyCursor)
class HourlyCursorAdmin(ReadOnlyAdmin):
    list_display = ("name", "position")
    search_fields = ("name",)
    search_ids = ("name",)
