"""The rows of a batch's list: recipients, and rows that could not become one."""

from typing import Any, TypeAlias

from django.db import models
from django.db.models import Q

from accounts.models import Workspace
from accounts.tenancy import WorkspaceOwned
from batches.models.batches import Batch
from voiceops.core.ids import uuid7
from voiceops.core.time_zones import MAX_ZONE_CHARACTERS

MAX_EXTERNAL_ID_CHARACTERS = 255


class RecipientStatus(models.TextChoices):
    """A recipient's states and their groups. Everything else refers to it as `Recipient.Status`."""

    PENDING = "pending"
    DIALING = "dialing"
    IN_CALL = "in_call"
    RETRYING = "retrying"
    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"
    REVIEW = "review"

    @classmethod
    def waiting(cls) -> tuple["RecipientStatus", ...]:
        """States that wait for a call. Exactly these have a `due_at`."""
        return cls.PENDING, cls.RETRYING

    @classmethod
    def calling(cls) -> tuple["RecipientStatus", ...]:
        """States with a call under way."""
        return cls.DIALING, cls.IN_CALL

    @classmethod
    def open(cls) -> tuple["RecipientStatus", ...]:
        """States that keep the batch from being complete."""
        return *cls.waiting(), *cls.calling()

    @classmethod
    def final(cls) -> tuple["RecipientStatus", ...]:
        """States that only an operator or a new calling window can end."""
        return cls.COMPLETED, cls.FAILED, cls.SKIPPED, cls.CANCELLED

    @classmethod
    def with_outcome(cls) -> tuple["RecipientStatus", ...]:
        """Final states whose `outcome` is the result; a skipped one keeps an earlier attempt's."""
        return cls.COMPLETED, cls.FAILED, cls.CANCELLED

    @classmethod
    def closed(cls) -> tuple["RecipientStatus", ...]:
        """States in which no call is planned: the final ones, and review."""
        return *cls.final(), cls.REVIEW


class Recipient(WorkspaceOwned):
    """One row of a batch's list. `due_at` is set exactly while it waits for a call.

    `values` holds the row's cells as uploaded, in the order of `batch.columns`; their names and
    meaning are the batch's.
    """

    Status: TypeAlias = RecipientStatus

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="recipients")
    # No index of its own, because those below begin with it. One index is a tenth of an import.
    batch = models.ForeignKey(Batch, models.CASCADE, related_name="recipients", db_index=False)
    row_number = models.PositiveIntegerField()
    phone_number = models.CharField(max_length=16)
    values = models.JSONField(default=list)
    is_duplicate = models.BooleanField(
        default=False, help_text="an earlier row of the batch has the same number"
    )
    status = models.CharField(max_length=9, choices=Status.choices, default=Status.PENDING)
    reason = models.CharField(max_length=64, null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0, help_text="attempts that count")
    sends = models.PositiveSmallIntegerField(
        default=0, help_text="calls so far, with those that do not count"
    )
    outcome = models.CharField(max_length=16, null=True, blank=True)
    disposition = models.CharField(
        max_length=64, null=True, blank=True, help_text="of its last call, in the agent's words"
    )
    disposition_by = models.CharField(
        max_length=8, null=True, blank=True, help_text="agent, analysis, operator"
    )
    due_at = models.DateTimeField(null=True, blank=True)
    external_id = models.CharField(
        max_length=MAX_EXTERNAL_ID_CHARACTERS,
        null=True,
        blank=True,
        help_text="the callee's id in the uploader's own system",
    )
    # Text, so that a number in it can be searched on both databases.
    other_numbers = models.TextField(
        null=True,
        blank=True,
        help_text="numbers to try when the first does not exist, with blanks between them",
    )
    number_position = models.PositiveSmallIntegerField(
        default=0, db_default=0, help_text="which number is called now: 0 is the phone number"
    )
    priority = models.IntegerField(
        default=0, db_default=0, help_text="higher ones are called first"
    )
    timezone = models.CharField(
        max_length=MAX_ZONE_CHARACTERS,
        null=True,
        blank=True,
        help_text="IANA name, from the list, several with blanks between them; null for the zone "
        "of the number",
    )
    callback_at = models.DateTimeField(
        null=True, blank=True, help_text="while it waits for a callback: comes before others"
    )
    # What a call's end finishes is found by its call instead.
    unreported_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="when it was finished by other than the end of a call; null once webhooks know",
    )
    # Only the latest call may move the recipient when it ends.
    last_call_id = models.UUIDField(null=True, blank=True)

    # The number of the callback that it waits for (`batches/dialing/callbacks.py`); no column.
    callback_number: str | None = None

    class Meta(WorkspaceOwned.Meta):
        constraints = [
            models.UniqueConstraint(fields=["batch", "row_number"], name="recipient_row"),
            models.UniqueConstraint(
                # A batch calls a number once, unless it keeps duplicates, which are marked.
                fields=["batch", "phone_number"],
                name="recipient_number_once",
                condition=Q(is_duplicate=False),
            ),
        ]
        indexes = [
            models.Index(
                # Holds only recipients that wait, so the next one is found as fast in a long list.
                fields=["batch", "due_at", "row_number"],
                name="recipient_due",
                condition=Q(due_at__isnull=False),
            ),
            models.Index(fields=["batch", "status", "row_number"], name="recipient_by_status"),
            # Staff search a number across workspaces.
            models.Index(fields=["phone_number"], name="recipient_number"),
            # Those of all workspaces that wait for a decision: staff see how many on every page.
            models.Index(fields=["id"], name="recipient_in_review", condition=Q(status="review")),
            # Empty for lists without these columns, so their import costs the same.
            models.Index(
                fields=["batch", "-priority", "due_at", "row_number"],
                name="recipient_prioritized",
                condition=Q(due_at__isnull=False) & ~Q(priority=0),
            ),
            models.Index(
                fields=["batch", "external_id"],
                name="recipient_external_id",
                condition=Q(external_id__isnull=False),
            ),
            models.Index(
                fields=["batch", "callback_at"],
                name="recipient_callback",
                condition=Q(callback_at__isnull=False),
            ),
            models.Index(
                # Stays small where webhooks are sent, because reported rows leave it.
                fields=["workspace", "id"],
                name="recipient_unreported",
                condition=Q(unreported_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"row {self.row_number:,} of {self.batch}"

    @property
    def alternative_numbers(self) -> list[str]:
        """The numbers after the first, in the order in which they are tried."""
        return split_numbers(self.other_numbers)

    @property
    def number_to_call(self) -> str:
        """The number that is called next: that of the callback, where it has been read."""
        if self.callback_number is not None:
            return self.callback_number
        numbers = [self.phone_number, *self.alternative_numbers]
        return numbers[min(self.number_position, len(numbers) - 1)]

    def variables_in(self, batch: Batch) -> dict[str, Any]:
        """Return the row's cells by the names of the batch's variables, without missing cells."""
        pairs = zip(batch.variable_names, self.values, strict=False)
        return {name: value for name, value in pairs if name is not None and value is not None}


def split_numbers(other_numbers: str | None) -> list[str]:
    """Return the numbers of the column `other_numbers`."""
    return (other_numbers or "").split()


class RejectedRow(WorkspaceOwned):
    """A row that could not become a recipient, as it was uploaded, and why."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="rejected_rows")
    # No index of its own, for the same reason as a recipient's batch.
    batch = models.ForeignKey(Batch, models.CASCADE, related_name="rejected_rows", db_index=False)
    row_number = models.PositiveIntegerField()
    error_code = models.CharField(max_length=32)
    error_message = models.CharField(max_length=255)
    values = models.JSONField(default=list)

    class Meta(WorkspaceOwned.Meta):
        constraints = [models.UniqueConstraint(fields=["batch", "row_number"], name="rejected_row")]

    def __str__(self) -> str:
        return f"rejected row {self.row_number:,} of {self.batch}"
