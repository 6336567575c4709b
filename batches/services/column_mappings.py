from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from accounts import audit
from accounts.auth.principal import Access
from accounts.models import Workspace
from batches.importing.columns import Remembered
from batches.models import SavedMapping
from voiceops.core.errors import Conflict

ALREADY = "Column mapping already exists"
MOST_REMEMBERED = 500  # the newest; a workspace with more has to name the one it means


def create_mapping(*, workspace: Workspace, access: Access | None = None, **fields: Any) -> SavedMapping:
    """Raises Conflict where the workspace has one of that name."""
    return _save(SavedMapping(workspace=workspace, **fields), "column_mapping.created", access)


def update_mapping(*, mapping: SavedMapping, changes: dict[str, Any], access: Access | None = None) -> SavedMapping:
    """Batches made with it before keep what they were made with. Raises Conflict for a name that is taken."""
    for name, value in changes.items():
        setattr(mapping, name, value)
    return _save(mapping, "column_mapping.updated", access)


def delete_mapping(*, mapping: SavedMapping, access: Access | None = None) -> None:
    with transaction.atomic():
        _note("column_mapping.deleted", mapping, access)
        mapping.delete()


def remembered_mappings(workspace_id: UUID) -> list[Remembered]:
    """The newest first."""
    rows = SavedMapping.unscoped.filter(workspace=workspace_id).order_by("-pk")[:MOST_REMEMBERED]
    return [Remembered(*row) for row in rows.values_list("pk", "column_mapping", "default_country")]


def _save(mapping: SavedMapping, action: str, access: Access | None) -> SavedMapping:
    try:
        with transaction.atomic():
            mapping.save()
            _note(action, mapping, access)
    except IntegrityError as error:
        same = SavedMapping.unscoped.filter(workspace=mapping.workspace_id, name=mapping.name).exclude(pk=mapping.pk)
        if same.exists():
            raise Conflict(ALREADY) from error
        raise
    return mapping


def _note(action: str, mapping: SavedMapping, access: Access | None) -> None:
    changes = {name: getattr(mapping, name) for name in ("name", "column_mapping", "default_country")}
    audit.record(action, access=access or Access(workspace=mapping.workspace), target=mapping, changes=changes)
