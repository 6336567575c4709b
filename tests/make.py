"""Builders for test data. Each creates one valid object in the given workspace; keyword arguments
set the fields that the test cares about.
"""

import itertools
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.utils import timezone
from rest_framework.test import APIClient

from accounts.auth import api_keys, tokens
from accounts.models import ApiKey, AuditEntry, Invitation, Membership, Session, User, Workspace
from accounts.roles import Role
from agents.models import (
    CONFIG_FIELDS,
    Agent,
    AgentScripts,
    AgentVersion,
    Rehearsal,
    RehearsingWorker,
    VoiceWorker,
)
from batches.models import (
    Batch,
    Callback,
    Recipient,
    RejectedRow,
    ReportSubscription,
    SavedMapping,
    SavedReport,
    Suppression,
    SuppressionImport,
)
from telephony.models import Call, NumberPace, PhoneNumber, SipTrunk
from voiceops.core.ids import lowest_id, uuid7
from webhooks import signing
from webhooks.models import WebhookDelivery, WebhookEndpoint, WebhookEvent

PASSWORD = "correct horse battery staple"
_numbers = itertools.count(1)


def workspace(**fields: Any) -> Workspace:
    return Workspace.unscoped.create(**{"name": f"Workspace {next(_numbers)}", **fields})


def user(**fields: Any) -> User:
    """A user with a password and a proven address, without a workspace."""
    number = next(_numbers)
    return User.objects.create_user(
        **{
            "email": f"user{number}@example.com",
            "password": PASSWORD,
            "email_proven_at": timezone.now(),
            **fields,
        }
    )


def member(of: Workspace, role: Role = Role.MEMBER, **fields: Any) -> User:
    """A user with `role` in the workspace, which is also their default workspace."""
    new_user = user(default_workspace=of, **fields)
    Membership.unscoped.create(workspace=of, user=new_user, role=role)
    return new_user


def membership(of: Workspace, role: Role = Role.MEMBER) -> Membership:
    return Membership.unscoped.get(user=member(of, role))


def api_key(of: Workspace, role: Role = Role.ADMIN, **fields: Any) -> tuple[ApiKey, str]:
    """Returns the row and the key in clear text."""
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
    """An API client that authenticates with an API key of `role`."""
    return APIClient(headers={"X-API-Key": api_key(of, role)[1]})


def session(of: User) -> Session:
    now = timezone.now()
    return Session.objects.create(
        id=uuid7(),
        user=of,
        refresh_hash="",
        refreshed_at=now,
        expires_at=tokens.refresh_expiry(now),
    )


def access_token(of: User) -> str:
    return tokens.issue_token(
        tokens.ACCESS, user_id=of.pk, session_id=session(of).pk, now=timezone.now()
    )


def bearer(of: User) -> APIClient:
    """An API client that sends the user's access token in the Authorization header."""
    return APIClient(headers={"Authorization": f"Bearer {access_token(of)}"})


def browser(of: User) -> APIClient:
    """An API client that sends the user's access token as a cookie, as a browser does."""
    api_client = APIClient()
    api_client.cookies["access_token"] = access_token(of)
    return api_client


def agent(of: Workspace, *, published: bool = True, **fields: Any) -> Agent:
    """An agent, published as version 1 unless `published` is False."""
    values = {"name": "Reception", "system_prompt": "Be kind.", "first_message": "Hello!", **fields}
    config = {name: value for name, value in values.items() if name in CONFIG_FIELDS}
    other_fields = {name: value for name, value in values.items() if name not in CONFIG_FIELDS}

    new_agent = Agent(workspace=of, **other_fields)
    new_agent.set_draft(config)
    new_agent.save(force_insert=True)
    if published:
        publish_draft(new_agent)
    return new_agent


def publish_draft(agent: Agent) -> AgentVersion:
    """Publish the agent's draft and return the new version."""
    agent.published_version = agent.version
    agent.save(update_fields=["published_version"])
    return agent.create_version()


def scripts(of: Agent, **fields: Any) -> AgentScripts:
    """Scripts of an agent: one with the tag `smoke`, unless the test says otherwise."""
    content = {"scripts": [{"label": "greets", "tags": ["smoke"], "caller": ["Hello"]}]}
    return AgentScripts.unscoped.create(
        workspace=of.workspace, agent=of, **{"content": content, **fields}
    )


def rehearsal(of: Agent, **fields: Any) -> Rehearsal:
    """A rehearsal that waits for a worker."""
    values = {"version": of.version, "mode": "text", "fingerprint": "f", **fields}
    return Rehearsal.unscoped.create(workspace=of.workspace, agent=of, **values)


def voice_worker(**fields: Any) -> VoiceWorker:
    """A worker that has just reported, which speaks with the local provider alone."""
    values = {
        "name": "voice-1:8081",
        "agent_name": "voiceops",
        "max_calls": 10,
        "default_provider": "local",
        "providers": [provider("local")],
        "reported_at": timezone.now(),
    }
    return VoiceWorker.objects.create(**{**values, **fields})


def rehearsing_worker(**fields: Any) -> RehearsingWorker:
    """A worker that was just seen to be able to rehearse."""
    return RehearsingWorker.objects.create(
        **{"name": "worker-1", "seen_at": timezone.now(), **fields}
    )


def provider(name: str, **part: Any) -> dict[str, Any]:
    """What a worker reports of a provider that is ready there, with changes of each part."""
    ready = {"has_package": True, "has_keys": True, "models": None, "languages": None}
    return {
        "name": name,
        "parts": [{"kind": kind, **ready, **part} for kind in ("llm", "stt", "tts")],
    }


def phone_number(of: Workspace, **fields: Any) -> PhoneNumber:
    """An active number with an outbound trunk and a pace row, as registration creates them."""
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
    """An outbound call, reserved by default (not yet dialled)."""
    pk = uuid7()
    its_agent = fields.pop("agent", None) or agent(of)
    values = {
        "agent": its_agent,
        "agent_version": its_agent.versions.first(),
        "from_number": "+12025550100",
        "to_number": "+12025550186",
        "room": f"vo-{pk}",
    }
    return Call.unscoped.create(pk=pk, workspace=of, **{**values, **fields})


def call_at(of: Workspace, at: datetime, **fields: Any) -> Call:
    """A call that was made at this time, with an id of that time."""
    made = call(of, **fields)
    pk = UUID(int=lowest_id(at).int | made.pk.int % 2**80)
    Call.unscoped.filter(pk=made.pk).update(id=pk, created_at=at)
    return Call.unscoped.get(pk=pk)


def ended_call(of: Workspace, at: datetime, **fields: Any) -> Call:
    """A call that was made at this time and not answered."""
    values = {"stage": "ended", "outcome": "no_answer", "dialed_at": at, "ended_at": at, **fields}
    return call_at(of, at, **values)


def batch(of: Workspace, **fields: Any) -> Batch:
    """A batch in status `ready` without recipients."""
    its_agent = fields.pop("agent", None) or agent(of)
    values = {
        "name": "Reminders",
        "agent": its_agent,
        "agent_version": its_agent.versions.first(),
        "status": Batch.Status.READY,
        "columns": ["phone", "first_name"],
        "variable_names": [None, "first_name"],
    }
    number = fields.pop("phone_number", None) or phone_number(of)
    return Batch.unscoped.create(workspace=of, phone_number=number, **{**values, **fields})


def recipient(of: Batch, **fields: Any) -> Recipient:
    """A pending recipient, due now by default, with a number that no other has."""
    row = fields.pop("row_number", None) or of.recipients.count() + 2
    number = fields.pop("phone_number", None) or f"+1202555{next(_numbers):04}"
    values = {"values": [number, "Ada"], "due_at": timezone.now(), **fields}
    return Recipient.unscoped.create(
        workspace=of.workspace, batch=of, row_number=row, phone_number=number, **values
    )


def callback(of: Workspace, **fields: Any) -> Callback:
    """A callback in an hour, of a number without a recipient."""
    at = timezone.now() + timedelta(hours=1)
    values = {"phone_number": "+12025550186", "at": at, "requested_at": at}
    its_agent = fields.pop("agent", None) or agent(of)
    return Callback.unscoped.create(workspace=of, agent=its_agent, **{**values, **fields})


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


def saved_report(of: Workspace, **fields: Any) -> SavedReport:
    values = {"name": f"Report {next(_numbers)}", "days": 7, **fields}
    return SavedReport.unscoped.create(workspace=of, **values)


def report_subscription(of: Workspace, **fields: Any) -> ReportSubscription:
    values = {
        "user": fields.get("user") or member(of),
        "report": fields.get("report") or saved_report(of),
        "due_at": timezone.now() + timedelta(days=3),
    }
    return ReportSubscription.unscoped.create(workspace=of, **{**values, **fields})


def suppression(of: Workspace, **fields: Any) -> Suppression:
    return Suppression.unscoped.create(
        workspace=of, **{"phone_number": f"+1202555{next(_numbers):04}", **fields}
    )


def suppression_import(of: Workspace, **fields: Any) -> SuppressionImport:
    return SuppressionImport.unscoped.create(workspace=of, **fields)


def webhook(of: Workspace, **fields: Any) -> WebhookEndpoint:
    """An endpoint with its own secret that receives every event type."""
    endpoint = WebhookEndpoint(workspace=of, **{"url": "https://example.com/hook", **fields})
    endpoint.secret = signing.encrypt_secret(endpoint, "secret", signing.generate_secret())
    endpoint.save(force_insert=True)
    return endpoint


def delivery(of: WebhookEndpoint, **fields: Any) -> WebhookDelivery:
    """A pending delivery of a new event, due now by default."""
    now, number = timezone.now(), next(_numbers)
    event = WebhookEvent.unscoped.create(
        workspace=of.workspace, type="call.ended", key=f"call.ended:{number}", body="{}", at=now
    )
    return WebhookDelivery.unscoped.create(
        workspace=of.workspace, endpoint=of, event=event, **{"due_at": now, **fields}
    )
