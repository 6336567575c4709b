"""Bodies of suppressions, one by one and from files."""

from typing import Any

from accounts.api.related_fields import WorkspaceSerializer
from batches.models import Suppression, SuppressionImport
from batches.serializers.fields import Country, ListFile
from voiceops.api.serializers import (
    Boolean,
    Choice,
    DateTime,
    Integer,
    JsonObject,
    PageQuery,
    Phone,
    StrictSerializer,
    Text,
    without_pages,
)
from voiceops.core.phone_numbers import WRITTEN_NUMBER_PATTERN, normalize_spelling


class SuppressionSerializer(WorkspaceSerializer):
    phone_number = Phone(max_length=40)
    reason = Text(max_length=255, allow_blank=True, default="")
    proof = Text(max_length=500, allow_blank=True, default="")
    expires_at = DateTime(allow_null=True, default=None)

    class Meta:
        model = Suppression
        fields = ["id", "phone_number", "reason", "source", "proof", "expires_at", "created_at"]
        read_only_fields = ["source"]


class SuppressionListSerializer(StrictSerializer):
    """A file of numbers. `reason` and `expires_at` apply to rows that have none of their own."""

    file = ListFile()
    default_country = Country(max_length=2, allow_null=True, default=None)
    reason = Text(max_length=255, allow_blank=True, default="")
    expires_at = DateTime(allow_null=True, default=None)


class RefusedRowSerializer(StrictSerializer):
    row_number = Integer()
    error_code = Text()
    error_message = Text()
    values = JsonObject()


class ImportedSerializer(StrictSerializer):
    """What was added from a file, and which rows were rejected."""

    added = Integer()
    already = Integer()
    rejected_count = Integer()
    rejected = RefusedRowSerializer(many=True)


class SuppressionImportSerializer(WorkspaceSerializer):
    """A long list and how far it has been read."""

    rejected = RefusedRowSerializer(many=True, read_only=True)

    class Meta:
        model = SuppressionImport
        fields = [
            "id",
            "status",
            "error",
            "rows_total",
            "rows_read",
            "added",
            "already",
            "rejected_count",
            "rejected",
            "created_at",
            "ended_at",
        ]
        read_only_fields = fields


class NumberPart(Text):
    """A number, or digits within one, in whatever spelling they were copied."""

    def to_internal_value(self, data: Any) -> str:
        spelling = normalize_spelling(super().to_internal_value(data))
        if not WRITTEN_NUMBER_PATTERN.fullmatch(spelling):
            return spelling
        digits = "".join(character for character in spelling if character.isdecimal())
        return f"+{digits}" if spelling.startswith("+") else digits or spelling


class SuppressionQuery(PageQuery):
    """`search` finds digits within numbers, in any spelling; `active=false` lists expired
    suppressions.
    """

    search = NumberPart(max_length=40, required=False)
    # DRF moves fields off the class, so this one does not hide the base's attribute `source`.
    source = Choice(  # type: ignore[assignment]  # see above
        choices=Suppression.Source.values, required=False
    )
    active = Boolean(required=False)


class SuppressionExportQuery(SuppressionQuery):
    """The filters of the list; an export has all that they find."""

    def get_fields(self) -> dict[str, Any]:
        return without_pages(super().get_fields())
