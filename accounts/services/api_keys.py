from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import transaction

from accounts import audit
from accounts.auth import api_keys
from accounts.auth.principal import Principal
from accounts.models import ApiKey, Membership, Workspace
from accounts.roles import Role


def create_api_key(
    *,
    workspace: Workspace,
    name: str,
    role: Role,
    principal: Principal,
    expires_at: datetime | None = None,
    allowed_addresses: Sequence[str] = (),
) -> tuple[ApiKey, str]:
    """The row and the key itself, which nobody will see again. A key made by a key has the same
    person behind it.

    `allowed_addresses` (IP addresses or networks) are where it may be used from, empty for
    anywhere.
    """
    new = api_keys.generate_key()
    maker = principal.key.created_by if principal.key else principal.user
    with transaction.atomic():
        row = workspace.api_keys.create(
            name=name,
            role=role,
            prefix=new.prefix,
            key_hash=new.key_hash,
            created_by=maker,
            expires_at=expires_at,
            allowed_addresses=list(allowed_addresses),
        )
        changes: dict[str, Any] = {"name": name, "role": role.label, "prefix": new.prefix}
        if allowed_addresses:
            changes["allowed_addresses"] = list(allowed_addresses)
        audit.record("api_key.created", principal=principal, target=row, changes=changes)
    return row, new.key


def revoke_api_key(*, key: ApiKey, principal: Principal, now: datetime) -> None:
    key.revoked_at = now
    key.save(update_fields=["revoked_at"])
    audit.record(
        "api_key.revoked",
        principal=principal,
        target=key,
        changes={"name": key.name, "prefix": key.prefix},
    )


def revoke_keys_of(member: Membership, *, above: int, principal: Principal, now: datetime) -> None:
    """The keys that somebody made hold no role longer than they themselves do."""
    made = member.workspace.api_keys.filter(created_by=member.user, role__gt=above, revoked_at=None)
    for key in made.order_by("pk"):
        revoke_api_key(key=key, principal=principal, now=now)
