from typing import Any, ClassVar

from rest_framework import serializers

from accounts.api.related_fields import WorkspaceSerializer
from accounts.models import AuditEntry
from voiceops.api.serializers import (
    DateTime,
    PageQuery,
    Text,
    Uuid,
    without_pages,
)


class AuditEntrySerializer(WorkspaceSerializer):
    computed_from: ClassVar = {"actor": ["actor_id", "actor_type", "actor_name"]}
    actor = serializers.SerializerMethodField()

    class Meta:
        model = AuditEntry
        fields = ["id", "actor", "action", "object_type", "object_id", "at", "ip", "changes"]

    def get_actor(self, entry: AuditEntry) -> dict[str, str | None]:
        actor_id = str(entry.actor_id) if entry.actor_id else None
        return {"type": entry.actor_type, "id": actor_id, "name": entry.actor_name}


class ExportedEntrySerializer(WorkspaceSerializer):
    """An entry as a row of a table."""

    class Meta:
        model = AuditEntry
        fields = [
            *("id", "at", "actor_type", "actor_id", "actor_name", "action"),
            *("object_type", "object_id", "ip", "changes"),
        ]


class AuditQuery(PageQuery):
    """`object` is an id or a type.

    A period may be given as for calls (`after`, `before`) or as for the summary (`from`, `to`).
    """

    actor = Uuid(required=False)
    action = Text(required=False, max_length=60)
    object = Text(required=False, max_length=64)
    object_type = Text(required=False, max_length=40)
    object_id = Text(required=False, max_length=64)
    after = DateTime(required=False)
    before = DateTime(required=False)

    def get_fields(self) -> dict[str, Any]:
        return {
            **super().get_fields(),
            "from": DateTime(required=False),
            "to": DateTime(required=False),
        }


class AuditExportQuery(AuditQuery):
    """The filters of the list; an export has all that they find."""

    def get_fields(self) -> dict[str, Any]:
        return without_pages(super().get_fields())
