"""Bodies of saved column mappings."""

from typing import Any

from accounts.api.related_fields import WorkspaceSerializer
from batches.importing.source import MAX_COLUMNS
from batches.models import SavedMapping
from batches.serializers.fields import ColumnMapping, Country
from voiceops.api.errors import field_error


class SavedMappingSerializer(WorkspaceSerializer):
    column_mapping = ColumnMapping()
    default_country = Country(max_length=2, allow_null=True, required=False)

    class Meta:
        model = SavedMapping
        fields = ["id", "name", "column_mapping", "default_country", "created_at", "updated_at"]
        read_only_fields = ["created_at", "updated_at"]

    def validate_column_mapping(self, mapping: dict[str, Any]) -> dict[str, Any]:
        # An empty mapping would fit every list, and map none of its columns.
        if not mapping:
            raise field_error("value_error", "name at least one column")
        if len(mapping) > MAX_COLUMNS:
            raise field_error("value_error.list.max_items", limit=MAX_COLUMNS)
        return mapping
