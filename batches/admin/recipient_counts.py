"""Staff's page of the counts of recipients, as they are kept."""

from django.contrib import admin

from accounts.staff.base import ReadOnlyAdmin
from batches.models import RecipientCount


@admin.register(RecipientCount)
class RecipientCountAdmin(ReadOnlyAdmin):
    list_display = ("batch_id", "status", "outcome", "reason", "recipients", "is_folded")
    list_filter = ("status",)
    search_fields = ("reason__exact",)
    search_ids = ("batch_id",)
