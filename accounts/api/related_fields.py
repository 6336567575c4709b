import uuid
from typing import Any

from django.db.models import QuerySet
from rest_framework.fields import empty
from rest_framework.relations import PrimaryKeyRelatedField

from accounts.api.lookup import not_found
from voiceops.api.errors import field_error
from voiceops.api.fields import UUID_PATTERN, reads_text
from voiceops.api.serializers import StrictModelSerializer


class WorkspaceRelatedField(PrimaryKeyRelatedField[Any]):
    """A foreign key in a payload resolves inside the caller's workspace.

    What is no UUID is 422; unknown and foreign ids alike are `<Thing> not found`, after the schema.
    """

    def get_queryset(self) -> QuerySet[Any]:
        queryset = super().get_queryset()
        assert queryset is not None
        return queryset.filter(workspace=self.context["workspace"])

    def run_validation(self, data: Any = empty) -> Any:
        if data == "" and not (
            self.allow_null and reads_text(self)
        ):  # REST framework takes all blanks for null
            raise field_error("type_error.uuid")
        return super().run_validation(data)

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, uuid.UUID) and not (
            isinstance(data, str) and UUID_PATTERN.fullmatch(data)
        ):
            raise field_error("type_error.uuid")
        queryset = self.get_queryset()
        row = queryset.filter(pk=data).first()
        if row is None:
            raise not_found(queryset.model)
        return row


class WorkspaceSerializer(StrictModelSerializer):
    """Base of every serializer of a tenant table: its view passes the caller's workspace in the
    context.
    """

    serializer_related_field = WorkspaceRelatedField
