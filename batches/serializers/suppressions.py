from accounts.api.related_fields import WorkspaceSerializer
from batches.models import Suppression
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
)


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
    """A file of numbers. `reason` and `expires_at` are for rows without columns of these names."""

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
    """For the documentation: what came of a list."""

    added = Integer()
    already = Integer()
    rejected_count = Integer()
    rejected = RefusedRowSerializer(many=True)


class SuppressionQuery(PageQuery):
    """`search` looks for digits within numbers; `active=false` shows what has expired."""

    search = Text(max_length=20, required=False)
    source = Choice(choices=Suppression.Source.values, required=False)  # type: ignore[assignment]  # off the class
    active = Boolean(required=False)
