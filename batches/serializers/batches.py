"""Bodies of batches: created with a list, changed, previewed, followed."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.api.related_fields import WorkspaceRelatedField, WorkspaceSerializer
from accounts.calling_profiles import FREQUENCY_LIMITS
from accounts.serializers.calling_windows import RECIPIENT, CallingWindowSerializer
from accounts.serializers.workspaces import MAX_REST_DAYS
from agents.models import Agent
from batches.models import Batch, SavedMapping
from batches.models.batches import MAX_PRIORITY
from batches.reporting.progress import STATUSES, counts_of
from batches.serializers.fields import (
    ClonedRecipients,
    ColumnMapping,
    Country,
    ListFile,
    RecipientList,
    ScheduledTime,
    in_zone,
)
from batches.serializers.recipients import ReasonCountSerializer
from batches.serializers.retry import RetrySerializer
from telephony.models import PhoneNumber
from voiceops.api.errors import field_error
from voiceops.api.money import BudgetAmount, CostSerializer
from voiceops.api.serializers import (
    Boolean,
    Choice,
    DateTime,
    Integer,
    JsonObject,
    ListField,
    Number,
    PageQuery,
    StrictSerializer,
    Text,
    Uuid,
)

MAX_SCHEDULE_DAYS = 3650
HIDDEN_ROWS_HELP = (
    "Rows that a workbook hides, for example by a filter: `skip` leaves them out, `call` calls them"
)


class CountsSerializer(StrictSerializer):
    """How many recipients of a batch have which status; `rejected` rows are no recipients."""

    def get_fields(self) -> dict[str, Any]:
        return {name: Integer() for name in ("total", *STATUSES, "rejected")}


def _attempts_within(period: str) -> Integer:
    """Return the field of how often a number may be called within a period."""
    return Integer(
        min_value=1,
        allow_null=True,
        required=False,
        help_text=f"calls to one number within {period}, of all batches together; null for the "
        "workspace's limit",
    )


def _rest_days_after(result: str) -> Integer:
    """Return the field of how many days a number rests after a call with that result."""
    return Integer(
        min_value=1,
        max_value=MAX_REST_DAYS,
        allow_null=True,
        required=False,
        help_text=f"days without a call to a number that has {result}; null for the workspace's",
    )


class BatchSerializer(WorkspaceSerializer):
    computed_from: ClassVar = {
        "calls_per_second": ["calls_per_second", "phone_number__calls_per_second"],
        "max_concurrent_calls": ["max_concurrent_calls", "phone_number__max_concurrent_calls"],
        "column_mapping": ["column_mapping", "columns", "variable_names", "column_roles"],
        "counts": ["id", "rejected_count"],
    }
    agent_id = WorkspaceRelatedField(source="agent", queryset=Agent.unscoped.live())
    phone_number_id = WorkspaceRelatedField(
        source="phone_number", queryset=PhoneNumber.unscoped.all()
    )
    column_mapping = ColumnMapping(allow_null=True, required=False)
    default_country = Country(max_length=2, allow_null=True, required=False)
    start = Choice(choices=Batch.Start.values, required=False)
    scheduled_at = ScheduledTime(
        allow_null=True,
        required=False,
        help_text="date and time; without an offset in the workspace's time zone. Answers are UTC",
    )
    calling_window = CallingWindowSerializer(allow_null=True, required=False)
    calls_per_second = Number(min_value=0.01, max_value=1000, allow_null=True, required=False)
    max_concurrent_calls = Integer(min_value=1, max_value=100_000, allow_null=True, required=False)
    max_cost = BudgetAmount(
        allow_null=True,
        required=False,
        help_text="what its calls may cost: a number in the price table's currency, or "
        "`{amount, currency}`; when it is spent the batch pauses itself",
    )
    max_attempts_per_day = _attempts_within("24 hours")
    max_attempts_per_week = _attempts_within("7 days")
    max_attempts_per_30_days = _attempts_within("30 days")
    rest_days_after_answer = _rest_days_after("answered")
    rest_days_after_refusal = _rest_days_after("declined")
    retry = RetrySerializer(required=False)
    priority = Integer(
        min_value=0,
        max_value=MAX_PRIORITY,
        required=False,
        help_text="weight among the batches of one number; 0 calls when no other batch does",
    )
    on_duplicate = Choice(choices=Batch.OnDuplicate.values, required=False)
    hidden_rows = Choice(
        choices=Batch.HiddenRows.values, required=False, help_text=HIDDEN_ROWS_HELP
    )
    counts = serializers.SerializerMethodField()

    class Meta:
        model = Batch
        fields = [
            "id",
            "name",
            "agent_id",
            "phone_number_id",
            "status",
            "error",
            "column_mapping",
            "default_country",
            "start",
            "scheduled_at",
            "calling_window",
            "calls_per_second",
            "max_concurrent_calls",
            "max_cost",
            *FREQUENCY_LIMITS,
            "retry",
            "priority",
            "on_duplicate",
            "hidden_rows",
            "counts",
            "created_at",
            "started_at",
            "ended_at",
        ]
        read_only_fields = ["status", "error", "created_at", "started_at", "ended_at"]

    @classmethod
    def related_values(cls, rows: Sequence[Any]) -> dict[str, Any]:
        """Count the recipients of all batches in one query."""
        return {"counts": counts_of(rows)}

    @extend_schema_field(CountsSerializer)
    def get_counts(self, batch: Batch) -> dict[str, int]:
        loaded: dict[UUID, dict[str, int]] | None = self.context.get("counts")
        return (loaded or counts_of([batch]))[UUID(str(batch.id))]

    # The values that are in effect: the number's pace and the guessed mapping by default.

    def read_calls_per_second(self, row: Any) -> float | None:
        own: float | None = row.calls_per_second
        return row.phone_number__calls_per_second if own is None else own

    def read_max_concurrent_calls(self, row: Any) -> int | None:
        own: int | None = row.max_concurrent_calls
        return row.phone_number__max_concurrent_calls if own is None else own

    def read_column_mapping(self, row: Any) -> dict[str, str | None] | None:
        mapping: dict[str, str | None] | None = Batch.known_mapping.fget(row)  # type: ignore[attr-defined]  # mypy sees its value
        return mapping

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Raises ValidationError for a scheduled start without a time, or with a doubtful one."""
        if attrs.get("scheduled_at") is not None:
            try:
                attrs["scheduled_at"] = self._instant_of(attrs["scheduled_at"], attrs)
            except serializers.ValidationError as error:
                raise serializers.ValidationError({"scheduled_at": error.detail}) from error
        start = attrs.get("start", getattr(self.instance, "start", None))
        # A PATCH may change one of the two; the other is the batch's own.
        at = attrs.get("scheduled_at", getattr(self.instance, "scheduled_at", None))
        if start == Batch.Start.SCHEDULED and at is None:
            raise serializers.ValidationError(
                {"scheduled_at": field_error("value_error.missing").detail}
            )
        return attrs

    def _instant_of(self, at: datetime, attrs: Mapping[str, Any]) -> datetime:
        """Return `scheduled_at` as an instant.

        Raises ValidationError for one that is too far away, or without an offset where
        the workspace's time zone and that of the calling window leave doubt which clock is meant.
        """
        if at.tzinfo is None:
            workspace = self.context["workspace"]
            own = attrs.get("calling_window", getattr(self.instance, "calling_window", None))
            window = own or workspace.calling_window or {}
            zone = window.get("timezone", RECIPIENT)
            # A workspace that has not chosen a zone has UTC, which is hardly what is meant here.
            if workspace.timezone == "UTC" and zone not in ("UTC", RECIPIENT):
                raise field_error(
                    "value_error",
                    f"give an offset, for example {at.isoformat()}Z: the calling window is in "
                    f"{zone}, and the workspace's time zone is UTC",
                )
            at = in_zone(at, workspace.timezone)
        if at > timezone.now() + timedelta(days=MAX_SCHEDULE_DAYS):
            raise field_error("value_error", "expected a time within the next ten years")
        return at


class BatchOrderSerializer(BatchSerializer):
    """What a new batch has besides its list."""

    column_mapping_id = WorkspaceRelatedField(
        queryset=SavedMapping.unscoped.all(), allow_null=True, required=False, write_only=True
    )

    class Meta(BatchSerializer.Meta):
        fields = [*BatchSerializer.Meta.fields, "column_mapping_id"]

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        saved: SavedMapping | None = attrs.pop("column_mapping_id", None)
        if saved is None:
            return attrs
        if attrs.get("column_mapping") is not None:
            error = field_error("value_error", "give either column_mapping or column_mapping_id")
            raise serializers.ValidationError({"column_mapping_id": error.detail})
        # A country in the body beats the saved one.
        return {
            "default_country": saved.default_country,
            **attrs,
            "column_mapping": saved.column_mapping,
        }


class NewBatchSerializer(BatchOrderSerializer):
    """A batch with its list of recipients, in JSON."""

    recipients = RecipientList(write_only=True)

    class Meta(BatchOrderSerializer.Meta):
        fields = [*BatchOrderSerializer.Meta.fields, "recipients"]


class NewBatchUploadSerializer(BatchOrderSerializer):
    """A batch with its list as a file, CSV or XLSX, in a form; objects and lists in it are JSON."""

    file = ListFile(write_only=True)

    class Meta(BatchOrderSerializer.Meta):
        fields = [*BatchOrderSerializer.Meta.fields, "file"]


class NewPreviewSerializer(NewBatchSerializer):
    """A batch to be previewed, which needs no name yet."""

    class Meta(NewBatchSerializer.Meta):
        extra_kwargs: ClassVar = {"name": {"required": False}}


class NewPreviewUploadSerializer(NewBatchUploadSerializer):
    """A file to be previewed, in a form."""

    class Meta(NewBatchUploadSerializer.Meta):
        extra_kwargs: ClassVar = {"name": {"required": False}}


class AppendOptionsSerializer(StrictSerializer):
    """How more rows are added to a batch."""

    hidden_rows = Choice(
        choices=Batch.HiddenRows.values, required=False, help_text=HIDDEN_ROWS_HELP
    )
    on_existing = Choice(
        choices=Batch.OnExisting.values,
        required=False,
        allow_null=True,
        help_text=(
            "Rows whose external id the batch has already: `skip` leaves them out, `update` writes "
            "them into recipients that still wait; without it they are appended"
        ),
    )


class AppendSerializer(AppendOptionsSerializer):
    """More recipients for a batch, in JSON."""

    recipients = RecipientList()


class AppendUploadSerializer(AppendOptionsSerializer):
    """More rows for a batch, as a file in a form."""

    file = ListFile()


class CloneSerializer(StrictSerializer):
    only = ClonedRecipients(
        required=False,
        help_text="`all` recipients, those that were `unreached`, or a list of outcomes",
    )


class StopSerializer(StrictSerializer):
    hang_up_active = Boolean(default=False)


class ProgressSerializer(StrictSerializer):
    """How far a batch is."""

    status = Choice(choices=Batch.Status.values)
    counts = CountsSerializer()
    calls_per_second = Number()
    answer_rate = Number(allow_null=True)
    outcomes = JsonObject(child=Integer())
    estimated_end_at = DateTime(allow_null=True)
    elapsed_seconds = Number()
    cost = CostSerializer(help_text="of the calls whose usage was reported")


class EstimatedCostSerializer(StrictSerializer):
    """What calling a list will probably cost; null where nothing says what a call costs."""

    low = Number(allow_null=True)
    high = Number(allow_null=True)
    currency = Text()
    text = Text(help_text="the estimate as a sentence")


class PreviewSerializer(StrictSerializer):
    """What a list would come to as a new batch."""

    columns = ListField(child=Text())
    column_mapping = JsonObject(child=Text(allow_null=True))
    column_mapping_id = Uuid(allow_null=True)
    default_country = Text(allow_null=True)
    notes = ListField(child=Text())
    counts = JsonObject(child=Integer())
    first_rows = ListField(child=JsonObject())
    first_rejected = ListField(child=JsonObject())
    not_called = JsonObject(child=Integer())
    not_called_reasons = ReasonCountSerializer(many=True)
    calling = JsonObject()
    estimated_cost = EstimatedCostSerializer()


class BatchQuery(PageQuery):
    status = Choice(choices=Batch.Status.values, required=False)
    agent_id = Uuid(required=False)
    search = Text(required=False, max_length=200)
