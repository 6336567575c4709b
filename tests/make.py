"""Builders: each makes one valid thing in a given workspace, and takes what a test cares about as
keywords.
"""

import itertools
from datetime import timedelta
from typing import Any

from django.utils import timezone
from rest_framework.test import APIClient

from accounts.auth import api_keys, tokens
from accounts.models import ApiKey, AuditEntry, Invitation, Membership, Session, User, Workspace
from accounts.roles import Role
from agents.models import CONFIG_FIELDS, Agent, AgentVersion
from batches.models import Batch, Recipient, RejectedRow, SavedMapping, Suppression
from telephony.models import Call, NumberPace, PhoneNumber, SipTrunk
from voiceops.core.ids import uuid7
from webhooks import signing
from webhooks.models import WebhookDelivery, WebhookEndpoint, WebhookEvent

PASSWORD = "correct horse battery staple"
_numbers = itertools.count(1)


def workspace(**fields: Any) -> Workspace:
    return Workspace.unscoped.create(**{"name": f"Workspace {next(_numbers)}", **fields})


def user(**fields: Any) -> User:
    """Somebody with a password and no workspace."""
    number = next(_numbers)
    return User.objects.create_user(
        **{"email": f"user{number}@example.com", "password": PASSWORD, **fields}
    )


def member(of: Workspace, role: Role = Role.MEMBER, **fields: Any) -> User:
    """Somebody with that role, whose default workspace it is."""
    person = user(default_workspace=of, **fields)
    Membership.unscoped.create(workspace=of, user=person, role=role)
    return person


def membership(of: Workspace, role: Role = Role.MEMBER) -> Membership:
    return Membership.unscoped.get(user=member(of, role))


def api_key(of: Workspace, role: Role = Role.ADMIN, **fields: Any) -> tuple[ApiKey, str]:
    """The row and the key itself."""
    new = api_keys.generate_key()
    values = {"name": "Key", "role": role, "prefix": new.prefix, "key_hash": new.key_hash, **fields}
    return ApiKey.unscoped.create(workspace=of, **values), new.key


def invitation(of: Workspace, **fields: Any) -> Invitation:
    token = api_keys.random_text(32)
    values = {
        "email": f"guest{next(_numbers)}@example.com",
        "role": Role.MEMBER,
        "token_hash": api_keys.digest(token),
    }
    expires_at = timezone.now() + timedelta(days=7)
    return Invitation.unscoped.create(
        workspace=of, **{**values, "expires_at": expires_at, **fields}
    )


def audit_entry(of: Workspace, **fields: Any) -> AuditEntry:
    return AuditEntry.unscoped.create(
        workspace=of, **{"actor_type": "system", "action": "thing.done", **fields}
    )


def client(of: Workspace, role: Role = Role.ADMIN) -> APIClient:
    """A program with a key of that role."""
    return APIClient(headers={"X-API-Key": api_key(of, role)[1]})


def session(of: User) -> Session:
    now = timezone.now()
    return Session.objects.create(
        id=uuid7(),
        user=of,
        refresh_hash="",
        refreshed_at=now,
        expires_at=tokens.expiry_of_refresh(now),
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


def agent(of: Workspace, *, published: bool = True, **fields: Any) -> Agent:
    """An agent, by default published as version 1."""
    values = {"name": "Reception", "system_prompt": "Be kind.", "first_message": "Hello!", **fields}
    made = Agent(
        workspace=of, **{name: value for name, value in values.items() if name not in CONFIG_FIELDS}
    )
    made.set_draft({name: value for name, value in values.items() if name in CONFIG_FIELDS})
    made.save(force_insert=True)
    if published:
        version_of(made)
    return made


def version_of(agent: Agent) -> AgentVersion:
    """Freeze the draft as its published version."""
    agent.published_version = agent.version
    agent.save(update_fields=["published_version"])
    return agent.create_version()


def phone_number(of: Workspace, **fields: Any) -> PhoneNumber:
    """An active number with an outbound trunk and a pace, as a registration leaves it."""
    values = {
        "phone_number": f"+1202555{next(_numbers):04}",
        "status": PhoneNumber.Status.ACTIVE,
        **fields,
    }
    number = PhoneNumber.unscoped.create(
        workspace=of, **{"sip_address": "sip.example.com", **values}
    )
    NumberPace.unscoped.create(number=number, workspace=of)
    sip_trunk(of, phone_number=number, numbers=[number.phone_number])
    return number


def sip_trunk(of: Workspace, **fields: Any) -> SipTrunk:
    values = {
        "direction": "outbound",
        "livekit_trunk_id": f"ST_{next(_numbers)}",
        "address": "sip.example.com",
    }
    return SipTrunk.unscoped.create(workspace=of, **{**values, **fields})


def call(of: Workspace, **fields: Any) -> Call:
    """An outbound call that is queued, unless told otherwise."""
    pk = uuid7()
    made_agent = fields.pop("agent", None) or agent(of)
    values = {
        "agent": made_agent,
        "agent_version": made_agent.versions.first(),
        "from_number": "+12025550100",
        "to_number": "+12025550186",
        "room": f"vo-{pk}",
    }
    return Call.unscoped.create(pk=pk, workspace=of, **{**values, **fields})


def batch(of: Workspace, **fields: Any) -> Batch:
    """A ready batch without people."""
    made_agent = fields.pop("agent", None) or agent(of)
    values = {
        "name": "Reminders",
        "agent": made_agent,
        "agent_version": made_agent.versions.first(),
        "status": Batch.Status.READY,
        "columns": ["phone", "first_name"],
        "variable_names": [None, "first_name"],
    }
    number = fields.pop("phone_number", None) or phone_number(of)
    return Batch.unscoped.create(workspace=of, phone_number=number, **{**values, **fields})


def recipient(of: Batch, **fields: Any) -> Recipient:
    """Somebody who is due now, unless told otherwise."""
    row = fields.pop("row_number", None) or of.recipients.count() + 2
    number = fields.pop("phone_number", f"+1202555{row:04}")
    values = {"values": [number, "Ada"], "due_at": timezone.now(), **fields}
    return Recipient.unscoped.create(
        workspace=of.workspace, batch=of, row_number=row, phone_number=number, **values
    )


def rejected_row(of: Batch, **fields: Any) -> RejectedRow:
    values = {
        "row_number": 18,
        "error_code": "invalid_number",
        "error_message": "Not a number",
        "values": ["12345", ""],
    }
    return RejectedRow.unscoped.create(workspace=of.workspace, batch=of, **{**values, **fields})


def saved_mapping(of: Workspace, **fields: Any) -> SavedMapping:
    values = {
        "name": f"Mapping {next(_numbers)}",
        "column_mapping": {"Tel": "phone_number", "Vorname": "first_name"},
    }
    return SavedMapping.unscoped.create(workspace=of, **{**values, **fields})


def suppression(of: Workspace, **fields: Any) -> Suppression:
    return Suppression.unscoped.create(
        workspace=of, **{"phone_number": f"+1202555{next(_numbers):04}", **fields}
    )


def webhook(of: Workspace, **fields: Any) -> WebhookEndpoint:
    """An endpoint for every event, with a secret of its own."""
    endpoint = WebhookEndpoint(workspace=of, **{"url": "https://example.com/hook", **fields})
    endpoint.secret = signing.encrypt_secret(endpoint, "secret", signing.generate_secret())
    endpoint.save(force_insert=True)
    return endpoint


def delivery(of: WebhookEndpoint, **fields: Any) -> WebhookDelivery:
    """An event on its way, due now."""
    now, number = timezone.now(), next(_numbers)
    event = WebhookEvent.unscoped.create(
        workspace=of.workspace, type="call.ended", key=f"call.ended:{number}", body="{}", at=now
    )
    return WebhookDelivery.unscoped.create(
        workspace=of.workspace, endpoint=of, event=event, **{"due_at": now, **fields}
    )
