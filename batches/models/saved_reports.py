"""Ranges of days of a report, kept under a name, and who gets which by e-mail."""

from django.db import models
from django.db.models import Q

from accounts.models import User, Workspace
from accounts.tenancy import WorkspaceOwned
from voiceops.core.ids import uuid7

MAX_SAVED_REPORT_NAME = 100


class SavedReport(WorkspaceOwned):
    """A named range: the last `days` days, or those from `first_day` to `last_day`."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="saved_reports")
    name = models.CharField(max_length=MAX_SAVED_REPORT_NAME)
    days = models.PositiveSmallIntegerField(null=True, blank=True)
    first_day = models.DateField(null=True, blank=True)
    last_day = models.DateField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta(WorkspaceOwned.Meta):
        constraints = [
            models.UniqueConstraint(fields=["workspace", "name"], name="saved_report_name"),
            models.CheckConstraint(
                condition=Q(days__isnull=False, first_day=None, last_day=None)
                | Q(days=None, first_day__isnull=False, last_day__isnull=False),
                name="saved_report_has_one_range",
            ),
        ]
        indexes = [models.Index(fields=["workspace", "-id"], name="saved_report_newest")]

    def __str__(self) -> str:
        return self.name


class ReportSubscription(WorkspaceOwned):
    """A user who gets a saved report by e-mail each Monday; `due_at` is the next time."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="report_subscriptions")
    report = models.ForeignKey(SavedReport, models.CASCADE, related_name="subscriptions")
    user = models.ForeignKey(User, models.CASCADE, related_name="report_subscriptions")
    language = models.CharField(
        max_length=8, default="en", db_default="en", help_text="of the e-mail"
    )
    # The only field that a worker claims by: while it sends, this is when its lease ends.
    due_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta(WorkspaceOwned.Meta):
        constraints = [
            models.UniqueConstraint(fields=["report", "user"], name="report_subscription_user")
        ]
        indexes = [
            models.Index(fields=["workspace", "-id"], name="report_subscription_newest"),
            models.Index(fields=["due_at"], name="report_subscription_due"),
        ]

    def __str__(self) -> str:
        return f"{self.report} for {self.user}"
