"""Saved reports and their weekly e-mails, for staff."""

from django.contrib import admin

from accounts.staff.base import ReadOnlyAdmin
from accounts.staff.filters import BY_WORKSPACE, dates
from batches.models import ReportSubscription, SavedReport


@admin.register(SavedReport)
class SavedReportAdmin(ReadOnlyAdmin):
    list_display = ("name", "workspace", "days", "first_day", "last_day", "created_at")
    list_filter = (BY_WORKSPACE, dates())
    search_fields = ("name", "workspace__name")
    search_ids = ("pk", "workspace")
    list_select_related = ("workspace",)
    fields = list_display


@admin.register(ReportSubscription)
class ReportSubscriptionAdmin(ReadOnlyAdmin):
    list_display = ("report", "user", "workspace", "language", "due_at", "sent_at")
    list_filter = (BY_WORKSPACE, dates())
    search_fields = ("user__email", "report__name", "workspace__name")
    search_ids = ("pk", "workspace")
    list_select_related = ("report", "user", "workspace")
    fields = list_display
