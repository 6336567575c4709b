import uuid
from typing import Any

from django.db.models import QuerySet
from rest_framework.fields import empty
from rest_framework.relations import PrimaryKeyRelatedField

from accounts.api.lookup import not_found
from voiceops.api.compiled_reads import ReadsValues
from voiceops.api.errors import field_error
from voiceops.api.fields import UUID_PATTERN, reads_text
from voiceops.api.kept_reads import Source, find_row
from voiceops.api.serializers import StrictModelSerializer


class WorkspaceRelatedField(PrimaryKeyRelatedField[Any]):
    """A foreign key in a payload, resolved inside the workspace of the request.

    Something other than a UUID is a 422. Unknown and foreign ids both raise NotFound, after the
    schema was checked.
    """

    def get_queryset(self) -> QuerySet[Any]:
        queryset = super().get_queryset()
        assert queryset is not None
        return queryset.filter(workspace=self.context["workspace"])

    def run_validation(self, data: Any = empty) -> Any:
        """Raises ValidationError for a blank id where null is not allowed."""
        # REST framework reads an empty string as null; only a form has no other way to say null.
        is_null = self.allow_null and reads_text(self)
        if data == "" and not is_null:
            raise field_error("type_error.uuid")
        return super().run_validation(data)

    def to_internal_value(self, data: Any) -> Any:
        """Return the row of the workspace with this id.

        Raises ValidationError for a malformed id; NotFound for a row that does not exist or belongs
        to another workspace, which look the same to a client.
        """
        is_uuid = isinstance(data, uuid.UUID) or (
            isinstance(data, str) and UUID_PATTERN.fullmatch(data)
        )
        if not is_uuid:
            raise field_error("type_error.uuid")
        queryset, workspace = super().get_queryset(), self.context["workspace"]
        assert queryset is not None
        row = find_row(
            Source(
                key=(type(self.parent), self.field_name),
                # The statement is kept for every workspace, so the workspace is one of its values.
                build=lambda values: queryset.filter(**values),
                values={"workspace": workspace.pk, "pk": data},
            )
        )
        if row is None:
            raise not_found(queryset.model)
        row.workspace = workspace  # which need not be read again
        return row


class WorkspaceSerializer(ReadsValues, StrictModelSerializer):
    # Base of every serializer of a tenant table. Its context must hold the `workspace`.

    serializer_related_field = WorkspaceRelatedField
