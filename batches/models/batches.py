from datetime import datetime
from typing import Any, ClassVar, Self

from django.db import models
from django.db.models import Q

from accounts.models import Workspace
from accounts.tenancy import WorkspaceOwned
from agents.models import Agent, AgentVersion
from telephony.models import PhoneNumber
from voiceops.core.ids import uuid7


def default_retry() -> dict[str, Any]:
    return {"max_attempts": 1, "delay_minutes": [30], "outcomes": ["busy", "no_answer"]}


class Batch(WorkspaceOwned):
    """A list of people to be called once each by one agent from one number."""

    class Status(models.TextChoices):
        VALIDATING = "validating"
        READY = "ready"
        SCHEDULED = "scheduled"
        RUNNING = "running"
        PAUSED = "paused"
        COMPLETED = "completed"
        STOPPED = "stopped"
        FAILED = "failed"

    class Start(models.TextChoices):
        MANUAL = "manual"
        NOW = "now"
        SCHEDULED = "scheduled"

    class OnDuplicate(models.TextChoices):
        SKIP = "skip"
        KEEP = "keep"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="batches")
    name = models.CharField(max_length=200)
    agent = models.ForeignKey(Agent, models.RESTRICT, related_name="batches")
    agent_version = models.ForeignKey(AgentVersion, models.RESTRICT, related_name="batches")
    phone_number = models.ForeignKey(PhoneNumber, models.SET_NULL, null=True, related_name="batches")
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.VALIDATING)
    error = models.TextField(null=True, blank=True, help_text="why it failed or paused itself")
    column_mapping = models.JSONField(null=True, blank=True)
    default_country = models.CharField(max_length=2, null=True, blank=True)
    start = models.CharField(max_length=10, choices=Start.choices, default=Start.MANUAL)
    scheduled_at = models.DateTimeField(null=True, blank=True)
    calling_window = models.JSONField(null=True, blank=True)
    calls_per_second = models.FloatField(null=True, blank=True, help_text="null: the number's")
    max_concurrent_calls = models.PositiveIntegerField(null=True, blank=True, help_text="null: the number's")
    retry = models.JSONField(default=default_retry)
    on_duplicate = models.CharField(max_length=4, choices=OnDuplicate.choices, default=OnDuplicate.SKIP)

    # the uploaded list
    upload = models.CharField(
        max_length=255, blank=True, default="", help_text="file under DATA_DIR/uploads while importing"
    )
    columns = models.JSONField(default=list, blank=True, help_text="the uploaded columns, in order")
    variable_names = models.JSONField(default=list, blank=True, help_text="beside columns: its variable, null for none")
    rows_read = models.PositiveIntegerField(default=0, help_text="how far the import has come; resumed from here")
    rows_before = models.PositiveIntegerField(default=0, help_text="row numbers used by the lists uploaded earlier")
    rows_total = models.PositiveIntegerField(null=True, blank=True)
    rejected_count = models.PositiveIntegerField(default=0)
    import_lease_expires_at = models.DateTimeField(null=True, blank=True)

    # pacing and the circuit breaker
    next_slot_at = models.DateTimeField(null=True, blank=True)
    provider_failures = models.PositiveIntegerField(default=0, help_text="in a row")
    probe_at = models.DateTimeField(null=True, blank=True, help_text="paused by itself: one call may try then")
    probe_call_id = models.UUIDField(null=True, blank=True, help_text="the one call a self-paused batch may dial")

    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta(WorkspaceOwned.Meta):
        verbose_name_plural = "batches"
        indexes = [
            models.Index(fields=["workspace", "-id"], name="batch_newest"),
            models.Index(
                fields=["status"], name="batch_unfinished", condition=~Q(status__in=["completed", "stopped", "failed"])
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.pk})"

    @property
    def known_mapping(self) -> dict[str, str | None] | None:
        """What the columns were told to mean, else what they were taken for: one without a variable is the phone."""
        if self.column_mapping is not None or not self.columns:
            return self.column_mapping
        named = zip(self.columns, self.variable_names, strict=False)
        return {column: "phone_number" if variable is None else variable for column, variable in named}


class RecipientQuerySet(models.QuerySet["Recipient"]):
    def in_file_order(self) -> Self:
        return self.order_by("row_number")

    def ask_anew(self, now: datetime) -> None:
        """When people may be called has changed: who waits for it, or was skipped because it never came, is due.

        Whoever waits for a retry goes on waiting.
        """
        waits = Q(status="pending") | Q(status="retrying", reason__in=("window_closed", "min_gap"))
        self.filter(waits, due_at__gt=now).update(due_at=now)
        never = self.filter(status="skipped", reason="window_closed")
        never.filter(attempts=0).update(status="pending", reason=None, due_at=now)
        never.update(status="retrying", reason=None, due_at=now)


class Recipient(WorkspaceOwned):
    """A person of a list. `due_at` is set exactly while somebody may still call them: pending or retrying.

    `values` holds the row's cells as uploaded, beside `batch.columns`; names and meaning come from the batch.
    """

    class Status(models.TextChoices):
        PENDING = "pending"
        DIALING = "dialing"
        IN_CALL = "in_call"
        RETRYING = "retrying"
        COMPLETED = "completed"
        FAILED = "failed"
        SKIPPED = "skipped"
        CANCELLED = "cancelled"
        REVIEW = "review"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="recipients")
    # No index of its own: those that begin with it serve, and one less is a tenth of an import.
    batch = models.ForeignKey(Batch, models.CASCADE, related_name="recipients", db_index=False)
    row_number = models.PositiveIntegerField()
    phone_number = models.CharField(max_length=16)
    values = models.JSONField(default=list)
    is_duplicate = models.BooleanField(default=False, help_text="the number stands earlier in this batch")
    status = models.CharField(max_length=9, choices=Status.choices, default=Status.PENDING)
    reason = models.CharField(max_length=64, null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0, help_text="those that count")
    sends = models.PositiveSmallIntegerField(default=0, help_text="call rows so far: the next call's sequence")
    outcome = models.CharField(max_length=16, null=True, blank=True)
    due_at = models.DateTimeField(null=True, blank=True)
    last_call_id = models.UUIDField(null=True, blank=True)

    unscoped: ClassVar[models.Manager["Recipient"]] = RecipientQuerySet.as_manager()

    class Meta(WorkspaceOwned.Meta):
        constraints = [
            models.UniqueConstraint(fields=["batch", "row_number"], name="recipient_row"),
            models.UniqueConstraint(
                fields=["batch", "phone_number"], name="recipient_number_once", condition=Q(is_duplicate=False)
            ),
        ]
        indexes = [
            models.Index(
                fields=["batch", "due_at", "row_number"], name="recipient_due", condition=Q(due_at__isnull=False)
            ),
            models.Index(fields=["batch", "status", "row_number"], name="recipient_by_status"),
        ]

    def __str__(self) -> str:
        return f"row {self.row_number} of batch {self.batch_id}"

    def variables_in(self, batch: Batch) -> dict[str, Any]:
        """The row's cells under the names of the batch's variables; cells the row did not have are left out."""
        pairs = zip(batch.variable_names, self.values, strict=False)
        return {name: value for name, value in pairs if name is not None and value is not None}


class RejectedRow(WorkspaceOwned):
    """A row that could not become a recipient, as it was uploaded, with the reason."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="rejected_rows")
    batch = models.ForeignKey(Batch, models.CASCADE, related_name="rejected_rows", db_index=False)  # recipients' reason
    row_number = models.PositiveIntegerField()
    error_code = models.CharField(max_length=32)
    error_message = models.CharField(max_length=255)
    values = models.JSONField(default=list)

    class Meta(WorkspaceOwned.Meta):
        constraints = [models.UniqueConstraint(fields=["batch", "row_number"], name="rejected_row")]

    def __str__(self) -> str:
        return f"rejected row {self.row_number} of batch {self.batch_id}"


class Suppression(WorkspaceOwned):
    """A number never to be called by this workspace: checked at upload and again at the intent."""

    class Source(models.TextChoices):
        MANUAL = "manual"
        IMPORT = "import"
        OPT_OUT = "opt_out"
        BLOCKED = "blocked"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="suppressions")
    phone_number = models.CharField(max_length=16)
    reason = models.CharField(max_length=255, blank=True, default="")
    source = models.CharField(max_length=8, choices=Source.choices, default=Source.MANUAL)
    proof = models.CharField(max_length=500, blank=True, default="", help_text="where the wish stands on record")
    expires_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta(WorkspaceOwned.Meta):
        constraints = [models.UniqueConstraint(fields=["workspace", "phone_number"], name="suppression_once")]
        indexes = [models.Index(fields=["workspace", "-id"], name="suppression_newest")]

    def __str__(self) -> str:
        return f"suppression {self.pk}"


class SavedMapping(WorkspaceOwned):
    """What the columns of a list mean, remembered: a list with these columns gets it by itself."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="saved_mappings")
    name = models.CharField(max_length=200)
    column_mapping = models.JSONField()
    default_country = models.CharField(max_length=2, null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta(WorkspaceOwned.Meta):
        verbose_name = "column mapping"
        constraints = [models.UniqueConstraint(fields=["workspace", "name"], name="saved_mapping_name")]
        indexes = [models.Index(fields=["workspace", "-id"], name="saved_mapping_newest")]

    def __str__(self) -> str:
        return self.name
