"""Builders: each makes one valid thing in a given workspace, and takes what a test cares about as keywords."""

import itertools
from datetime import timedelta
from typing import Any

from django.utils import timezone
from rest_framework.test import APIClient

from accounts import keys, tokens
from accounts.models import ApiKey, AuditEntry, Invitation, Membership, Session, User, Workspace
from accounts.roles import Role
from voiceops.ids import uuid7

PASSWORD = "correct horse battery staple"
_numbers = itertools.count(1)


def workspace(**fields: Any) -> Workspace:
    return Workspace.unscoped.create(**{"name": f"Workspace {next(_numbers)}", **fields})


def user(**fields: Any) -> User:
    """Somebody with a password and no workspace."""
    number = next(_numbers)
    return User.objects.create_user(**{"email": f"user{number}@example.com", "password": PASSWORD, **fields})


def member(of: Workspace, role: Role = Role.MEMBER, **fields: Any) -> User:
    """Somebody with that role, whose default workspace it is."""
    person = user(default_workspace=of, **fields)
    Membership.unscoped.create(workspace=of, user=person, role=role)
    return person


def membership(of: Workspace, role: Role = Role.MEMBER) -> Membership:
    return Membership.unscoped.get(user=member(of, role))


def api_key(of: Workspace, role: Role = Role.ADMIN, **fields: Any) -> tuple[ApiKey, str]:
    """The row and the key itself."""
    new = keys.generate_key()
    values = {"name": "Key", "role": role, "prefix": new.prefix, "key_hash": new.key_hash, **fields}
    return ApiKey.unscoped.create(workspace=of, **values), new.key


def invitation(of: Workspace, **fields: Any) -> Invitation:
    token = keys.random_text(32)
    values = {"email": f"guest{next(_numbers)}@example.com", "role": Role.MEMBER, "token_hash": keys.digest(token)}
    expires_at = timezone.now() + timedelta(days=7)
    return Invitation.unscoped.create(workspace=of, **{**values, "expires_at": expires_at, **fields})


def audit_entry(of: Workspace, **fields: Any) -> AuditEntry:
    return AuditEntry.unscoped.create(workspace=of, **{"actor_type": "system", "action": "thing.done", **fields})


def client(of: Workspace, role: Role = Role.ADMIN) -> APIClient:
    """A program with a key of that role."""
    return APIClient(headers={"X-API-Key": api_key(of, role)[1]})


def session(of: User) -> Session:
    now = timezone.now()
    return Session.objects.create(
        id=uuid7(), user=of, refresh_hash="", refreshed_at=now, expires_at=tokens.expiry_of_refresh(now)
    )


def access_token(of: User) -> str:
    return tokens.issue(tokens.ACCESS, user_id=of.pk, session_id=session(of).pk, now=timezone.now())


def bearer(of: User) -> APIClient:
    """A person's program: their JWT in the Authorization header."""
    return APIClient(headers={"Authorization": f"Bearer {access_token(of)}"})


def browser(of: User) -> APIClient:
    """A person's browser: their JWT in the cookie."""
    visitor = APIClient()
    visitor.cookies["access_token"] = access_token(of)
    return visitor
