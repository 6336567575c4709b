"""A batch: a list of recipients, called by one agent from one number."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from django.db import models
from django.db.models import Q

from accounts.models import Workspace
from accounts.tenancy import WorkspaceOwned
from agents.models import Agent, AgentVersion
from batches.models.column_roles import ROLES
from telephony.models import PhoneNumber
from voiceops.core.ids import uuid7


def default_retry() -> dict[str, Any]:
    """Return the retry settings of a batch that was created without any."""
    return {"max_attempts": 1, "delay_minutes": [30], "outcomes": ["busy", "no_answer"]}


DEFAULT_PRIORITY = 50
MAX_PRIORITY = 100


class BatchStatus(models.TextChoices):
    """A batch's states and their groups. Everything else refers to it as `Batch.Status`."""

    VALIDATING = "validating"
    READY = "ready"
    SCHEDULED = "scheduled"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    STOPPED = "stopped"
    FAILED = "failed"

    @classmethod
    def final(cls) -> tuple["BatchStatus", ...]:
        """States in which a batch has ended."""
        return cls.COMPLETED, cls.STOPPED, cls.FAILED

    @classmethod
    def waiting(cls) -> tuple["BatchStatus", ...]:
        """States in which a batch waits to be started."""
        return cls.READY, cls.SCHEDULED

    @classmethod
    def started(cls) -> tuple["BatchStatus", ...]:
        """States between the start and the end: calling, or paused."""
        return cls.RUNNING, cls.PAUSED

    @classmethod
    def stoppable(cls) -> tuple["BatchStatus", ...]:
        """States whose list has been imported and that have not ended."""
        return *cls.waiting(), *cls.started()


class Batch(WorkspaceOwned):
    """A list of recipients, called by one agent from one number."""

    Status: TypeAlias = BatchStatus

    class Start(models.TextChoices):
        MANUAL = "manual"
        NOW = "now"
        SCHEDULED = "scheduled"

    class OnDuplicate(models.TextChoices):
        SKIP = "skip"
        KEEP = "keep"

    class OnExisting(models.TextChoices):
        """What to do with a row of an appended list whose external id is there already."""

        SKIP = "skip"
        UPDATE = "update"

    class HiddenRows(models.TextChoices):
        """What to do with rows that a workbook hides."""

        SKIP = "skip"
        CALL = "call"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="batches")
    name = models.CharField(max_length=200)
    agent = models.ForeignKey(Agent, models.RESTRICT, related_name="batches")
    agent_version = models.ForeignKey(AgentVersion, models.RESTRICT, related_name="batches")
    phone_number = models.ForeignKey(
        PhoneNumber, models.SET_NULL, null=True, related_name="batches"
    )
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.VALIDATING)
    error = models.TextField(
        null=True, blank=True, help_text="why the batch failed or paused itself"
    )
    column_mapping = models.JSONField(null=True, blank=True)
    default_country = models.CharField(max_length=2, null=True, blank=True)
    start = models.CharField(max_length=10, choices=Start.choices, default=Start.MANUAL)
    scheduled_at = models.DateTimeField(null=True, blank=True)
    calling_window = models.JSONField(null=True, blank=True)
    calls_per_second = models.FloatField(
        null=True, blank=True, help_text="null for the number's limit alone"
    )
    max_concurrent_calls = models.PositiveIntegerField(
        null=True, blank=True, help_text="null for the number's limit alone"
    )
    max_cost = models.JSONField(
        null=True,
        blank=True,
        help_text="what its calls may cost: a number in the price table's currency, or with its "
        "currency",
    )
    max_attempts_per_day = models.PositiveIntegerField(
        null=True, blank=True, help_text="calls to one number; null for the workspace's limit"
    )
    max_attempts_per_week = models.PositiveIntegerField(
        null=True, blank=True, help_text="calls to one number; null for the workspace's limit"
    )
    max_attempts_per_30_days = models.PositiveIntegerField(
        null=True, blank=True, help_text="calls to one number; null for the workspace's limit"
    )
    rest_days_after_answer = models.PositiveIntegerField(
        null=True, blank=True, help_text="null for the workspace's rest"
    )
    rest_days_after_refusal = models.PositiveIntegerField(
        null=True, blank=True, help_text="null for the workspace's rest"
    )
    retry = models.JSONField(default=default_retry)
    priority = models.PositiveSmallIntegerField(
        default=DEFAULT_PRIORITY,
        db_default=DEFAULT_PRIORITY,
        help_text="weight among the batches of one number, 0 to 100",
    )
    on_duplicate = models.CharField(
        max_length=4, choices=OnDuplicate.choices, default=OnDuplicate.SKIP
    )
    hidden_rows = models.CharField(
        max_length=4,
        choices=HiddenRows.choices,
        default=HiddenRows.SKIP,
        db_default=HiddenRows.SKIP,
        help_text="whether rows that a workbook hides, for example by a filter, are called",
    )

    # The uploaded list and its import.
    upload = models.CharField(
        max_length=255,
        blank=True,
        default="",
        help_text="file in DATA_DIR/uploads, until it has been imported",
    )
    columns = models.JSONField(
        default=list, blank=True, help_text="the uploaded columns, in their order"
    )
    column_roles = models.JSONField(
        default=dict,
        db_default=models.Value({}, models.JSONField()),
        blank=True,
        help_text="columns that are more than a variable, such as further phone numbers",
    )
    on_existing = models.CharField(
        max_length=6,
        choices=OnExisting.choices,
        null=True,
        blank=True,
        help_text="what an appended list does with an external id that the batch has already",
    )
    variable_names = models.JSONField(
        default=list, blank=True, help_text="the variable of each column, null for none"
    )
    rows_read = models.PositiveIntegerField(
        default=0, help_text="rows imported so far; the import resumes here"
    )
    # Row numbers go on where the lists uploaded earlier have ended.
    rows_before = models.PositiveIntegerField(
        default=0, help_text="rows of the lists uploaded earlier"
    )
    rows_total = models.PositiveIntegerField(null=True, blank=True)
    rejected_count = models.PositiveIntegerField(default=0)
    import_lease_expires_at = models.DateTimeField(null=True, blank=True)

    # Pacing and the circuit breaker.
    next_slot_at = models.DateTimeField(null=True, blank=True)
    provider_failures = models.PositiveIntegerField(
        default=0, help_text="provider failures in a row"
    )
    probe_at = models.DateTimeField(
        null=True, blank=True, help_text="when a batch that paused itself may probe with one call"
    )
    # An id and not a foreign key, because calls outlive their batch.
    probe_call_id = models.UUIDField(
        null=True, blank=True, help_text="the one call that a batch that paused itself may dial"
    )

    budget_spent_at = models.DateTimeField(
        null=True, blank=True, help_text="when it paused itself because max_cost was spent"
    )

    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta(WorkspaceOwned.Meta):
        verbose_name_plural = "batches"
        indexes = [
            models.Index(fields=["workspace", "-id"], name="batch_newest"),
            models.Index(
                fields=["status"],
                # Most batches have ended; the sweep and the health check read the others only.
                name="batch_unfinished",
                condition=~Q(status__in=[*BatchStatus.final()]),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def limit(self, name: str) -> Any:
        """Return one of `calling_profiles.LIMITS`: the batch's own, else its workspace's."""
        own = getattr(self, name)
        return self.workspace.limit(name) if own is None else own

    @property
    def known_mapping(self) -> dict[str, str | None] | None:
        """The mapping that was given or found for the list; None before the import has read it.

        It leaves out variables that are named like a role, because a mapping would mean the role.
        """
        if self.column_mapping is not None or not self.columns:
            return self.column_mapping
        pairs = zip(self.columns, self.variable_names, strict=False)
        meanings = {
            column: "phone_number" if variable is None else variable
            for column, variable in pairs
            if variable not in ROLES
        }
        return {**meanings, **self.column_roles}

    @property
    def list_mapping(self) -> dict[str, str | None] | None:
        """The mapping that appended lists are read by: the same columns mean the same."""
        phone = self.phone_column_under(self.column_mapping)
        if phone is None:
            return self.column_mapping
        return {**self.column_roles, **(self.column_mapping or {}), phone: "phone_number"}

    def phone_column_under(self, mapping: Mapping[str, str | None] | None) -> str | None:
        """Return the column that holds the phone number, as the list was read with this mapping.

        None before the import has read the list.
        """
        mapping = mapping or {}
        for column in self.columns:
            if mapping.get(column) == "phone_number":
                return str(column)
        # A guessed column is the only one without a variable that the mapping does not name.
        pairs = zip(self.columns, self.variable_names, strict=False)
        guessed = (name for name, variable in pairs if variable is None and name not in mapping)
        return next(guessed, None)
