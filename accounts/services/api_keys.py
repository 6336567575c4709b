"""API keys: creating and revoking them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import transaction

from accounts import audit
from accounts.auth import api_keys
from accounts.auth.principal import Principal
from accounts.models import ApiKey, Membership, Workspace
from accounts.roles import Role
from voiceops.core.errors import Forbidden
from voiceops.core.ip_networks import is_network_within


def create_api_key(
    *,
    workspace: Workspace,
    name: str,
    role: Role,
    principal: Principal,
    expires_at: datetime | None = None,
    allowed_addresses: Sequence[str] = (),
) -> tuple[ApiKey, str]:
    """Return the new row and the key itself, which cannot be read again.

    `allowed_addresses` are the IP addresses and networks that may use the key; empty allows all. A
    key created with another key belongs to the same user as that one, has its addresses and expiry
    where none are given, and can do no more. Raises Forbidden when more is asked for.
    """
    if principal.key is not None:
        expires_at = expires_at or principal.key.expires_at
        allowed_addresses = allowed_addresses or principal.key.allowed_addresses
        _require_no_wider(principal.key, role, expires_at, allowed_addresses)
    new = api_keys.generate_key()
    creator = principal.key.created_by if principal.key else principal.user
    with transaction.atomic():
        row = workspace.api_keys.create(
            name=name,
            role=role,
            prefix=new.prefix,
            key_hash=new.key_hash,
            created_by=creator,
            expires_at=expires_at,
            allowed_addresses=list(allowed_addresses),
        )
        changes: dict[str, Any] = {"name": name, "role": role.label, "prefix": new.prefix}
        if allowed_addresses:
            changes["allowed_addresses"] = list(allowed_addresses)
        audit.record("api_key.created", principal=principal, target=row, changes=changes)
    return row, new.key


def _require_no_wider(
    maker: ApiKey, role: Role, expires_at: datetime | None, addresses: Sequence[str]
) -> None:
    """Raises Forbidden when a key could do more than the one that makes it."""
    too_late = maker.expires_at and (expires_at is None or expires_at > maker.expires_at)
    bound = tuple(maker.allowed_addresses)
    too_wide = bound and not all(is_network_within(network, bound) for network in addresses)
    for is_wider, what in (
        (role > maker.role, "role"),
        (too_late, "expiry"),
        (too_wide, "addresses"),
    ):
        if is_wider:
            raise Forbidden(f"An API key makes only keys of at most its own {what}")


def revoke_api_key(*, key: ApiKey, principal: Principal, now: datetime) -> None:
    """Revoke the key for good; the row stays."""
    key.revoked_at = now
    key.save(update_fields=["revoked_at"])
    audit.record(
        "api_key.revoked",
        principal=principal,
        target=key,
        changes={"name": key.name, "prefix": key.prefix},
    )


def revoke_keys_of(member: Membership, *, above: int, principal: Principal, now: datetime) -> None:
    """Revoke the keys the member created whose role is higher than `above`.

    A key must not be able to do more than its creator.
    """
    keys = member.workspace.api_keys.filter(created_by=member.user, role__gt=above, revoked_at=None)
    for key in keys.order_by("pk"):
        revoke_api_key(key=key, principal=principal, now=now)
