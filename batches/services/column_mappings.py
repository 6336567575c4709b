"""Save column mappings under a name, for later lists with the same columns."""

from typing import Any

from django.db import IntegrityError, transaction

from accounts import audit
from accounts.auth.principal import Principal
from accounts.models import Workspace
from batches.models import SavedMapping
from voiceops.core.errors import Conflict

MAPPING_EXISTS = "Column mapping already exists"
AUDITED_FIELDS = ("name", "column_mapping", "default_country")


def create_mapping(
    *, workspace: Workspace, principal: Principal | None = None, **fields: Any
) -> SavedMapping:
    """Save a new mapping. Raises Conflict when the workspace has one with this name."""
    return _save(SavedMapping(workspace=workspace, **fields), "column_mapping.created", principal)


def update_mapping(
    *, mapping: SavedMapping, changes: dict[str, Any], principal: Principal | None = None
) -> SavedMapping:
    """Change a mapping. Batches that were created with it keep what they were created with.

    Raises Conflict when the workspace has another one with the new name.
    """
    for name, value in changes.items():
        setattr(mapping, name, value)
    return _save(mapping, "column_mapping.updated", principal)


def delete_mapping(*, mapping: SavedMapping, principal: Principal | None = None) -> None:
    """Delete a mapping. Batches that were created with it keep theirs."""
    with transaction.atomic():
        _audit("column_mapping.deleted", mapping, principal)
        mapping.delete()


def _save(mapping: SavedMapping, action: str, principal: Principal | None) -> SavedMapping:
    try:
        with transaction.atomic():
            mapping.save()
            _audit(action, mapping, principal)
    except IntegrityError as error:
        others = SavedMapping.unscoped.filter(workspace=mapping.workspace_id).exclude(pk=mapping.pk)
        if others.filter(name=mapping.name).exists():
            raise Conflict(MAPPING_EXISTS) from error
        raise
    return mapping


def _audit(action: str, mapping: SavedMapping, principal: Principal | None) -> None:
    changes = {name: getattr(mapping, name) for name in AUDITED_FIELDS}
    audit.record(action, principal=principal, target=mapping, changes=changes)
