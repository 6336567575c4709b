from typing import Any

from django.db import IntegrityError, transaction

from accounts import audit
from accounts.auth.principal import Principal
from accounts.models import Workspace
from batches.models import SavedMapping
from voiceops.core.errors import Conflict

ALREADY = "Column mapping already exists"


def create_mapping(
    *, workspace: Workspace, principal: Principal | None = None, **fields: Any
) -> SavedMapping:
    """Raises Conflict where the workspace has one of that name."""
    return _save(SavedMapping(workspace=workspace, **fields), "column_mapping.created", principal)


def update_mapping(
    *, mapping: SavedMapping, changes: dict[str, Any], principal: Principal | None = None
) -> SavedMapping:
    """Batches made with it before keep what they were made with. Raises Conflict for a name that is
    taken.
    """
    for name, value in changes.items():
        setattr(mapping, name, value)
    return _save(mapping, "column_mapping.updated", principal)


def delete_mapping(*, mapping: SavedMapping, principal: Principal | None = None) -> None:
    with transaction.atomic():
        _audit("column_mapping.deleted", mapping, principal)
        mapping.delete()


def _save(mapping: SavedMapping, action: str, principal: Principal | None) -> SavedMapping:
    try:
        with transaction.atomic():
            mapping.save()
            _audit(action, mapping, principal)
    except IntegrityError as error:
        same = SavedMapping.unscoped.filter(
            workspace=mapping.workspace_id, name=mapping.name
        ).exclude(pk=mapping.pk)
        if same.exists():
            raise Conflict(ALREADY) from error
        raise
    return mapping


def _audit(action: str, mapping: SavedMapping, principal: Principal | None) -> None:
    changes = {
        name: getattr(mapping, name) for name in ("name", "column_mapping", "default_country")
    }
    audit.record(
        action,
        principal=principal,
        target=mapping,
        changes=changes,
    )
