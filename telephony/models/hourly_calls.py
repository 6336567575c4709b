"""Calls counted by the hour, so that the figures of months need not read every call."""

from collections.abc import Mapping
from datetime import UTC
from typing import Any

from django.db import models
from django.db.models import Case, F, When
from django.db.models.functions import Now, TruncHour

from accounts.models import Workspace
from accounts.tenancy import WorkspaceOwned
from voiceops.core.ids import uuid7

# What the figures of an hour are made of. A call of an earlier hour in which one of them changes is
# marked, and its hour counted again.
COUNTED_COLUMNS = frozenset(
    {
        "workspace",
        "direction",
        "batch_id",
        "agent",
        "agent_version",
        "from_number",
        "to_number",
        "outcome",
        "sip_status_code",
        "cost_micros",
        "latency",
        "dialed_at",
        "answered_at",
        "ended_at",
    }
)
IS_OF_AN_EARLIER_HOUR = models.Q(created_at__lt=TruncHour(Now(), tzinfo=UTC))


def mark_for_recount(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an UPDATE of calls must write besides these changes.

    The statement itself compares the hours, because it may be kept for longer than an hour.
    """
    if "created_at" in changes:  # into another hour, which only tests and seeds do
        return {"recount_at": Now()}
    if COUNTED_COLUMNS.isdisjoint(changes):
        return {}
    return {"recount_at": Case(When(IS_OF_AN_EARLIER_HOUR, then=Now()), default=F("recount_at"))}


class HourlyCalls(WorkspaceOwned):
    """How many calls of an hour are alike in everything that figures are grouped by.

    Only telephony/services/hourly_counts.py writes here; telephony/reporting/hourly_calls.py knows
    which hours may be read. Like a call's, ids of higher apps are plain ids; and so are those of
    agents, since a count keeps nothing from being deleted.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(
        Workspace, models.CASCADE, related_name="hourly_calls", db_index=False
    )
    hour = models.DateTimeField(help_text="its beginning, in UTC")
    batch_id = models.UUIDField(null=True, blank=True)
    agent_id = models.UUIDField(null=True, blank=True)
    agent_version_id = models.UUIDField(null=True, blank=True)
    own_number = models.CharField(
        max_length=64, blank=True, help_text="called from, or called at; never the callee's"
    )
    outcome = models.CharField(max_length=16, null=True, blank=True)
    sip_status_code = models.PositiveSmallIntegerField(null=True, blank=True)
    calls = models.PositiveIntegerField()
    talk = models.DurationField(help_text="from answer to end")
    cost_micros = models.BigIntegerField(help_text="in millionths of the price table's currency")
    priced_calls = models.PositiveIntegerField(help_text="how many of the calls have a cost")

    class Meta(WorkspaceOwned.Meta):
        verbose_name_plural = "hourly calls"
        indexes = [
            models.Index(fields=["workspace", "hour"], name="hourly_calls_of_workspace"),
            models.Index(fields=["hour"], name="hourly_calls_by_hour"),
        ]

    def __str__(self) -> str:
        return f"{self.calls} calls from {self.hour:%Y-%m-%d %H:%M}"


class HourlyLatency(WorkspaceOwned):
    """How many calls of an hour and an agent version had the same latency.

    Written and read together with `HourlyCalls`.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(
        Workspace, models.CASCADE, related_name="hourly_latency", db_index=False
    )
    hour = models.DateTimeField(help_text="its beginning, in UTC")
    agent_version_id = models.UUIDField(null=True, blank=True)
    figure = models.CharField(max_length=16, help_text="answer_to_audio, p50, p95")
    milliseconds = models.PositiveIntegerField(help_text="rounded to 50")
    calls = models.PositiveIntegerField()

    class Meta(WorkspaceOwned.Meta):
        verbose_name_plural = "hourly latency"
        indexes = [
            models.Index(fields=["workspace", "hour"], name="hourly_latency_of_workspace"),
            models.Index(fields=["hour"], name="hourly_latency_by_hour"),
        ]

    def __str__(self) -> str:
        return f"{self.figure} of {self.calls} calls from {self.hour:%Y-%m-%d %H:%M}"


class HourlyCursor(models.Model):
    """Up to when calls have been counted. One row, whose lock lets one worker count at a time."""

    name = models.CharField(primary_key=True, max_length=20)
    position = models.DateTimeField()

    def __str__(self) -> str:
        return self.name
