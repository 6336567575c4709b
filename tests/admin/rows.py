"""One row of every table, with a secret where it may have one."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db import models
from django.utils import timezone

from accounts.models import (
    ErasedNumber,
    IdempotentRequest,
    PasswordReset,
    RecoveryCode,
    SecondFactor,
    StaffTry,
    Workspace,
)
from batches.models import RecipientCount
from telephony.models import (
    CallEvent,
    HourlyCalls,
    HourlyCursor,
    HourlyLatency,
    InboxEvent,
    Recording,
    Turn,
)
from tests import make
from webhooks.models import WebhookCursor

SECRET = "encrypted-never-displayed"


def event(of: Workspace) -> CallEvent:
    fields = {"type": "answered", "text": "The callee answered", "at": timezone.now()}
    return CallEvent.unscoped.create(workspace=of, call=make.call(of), **fields)


def turn(of: Workspace) -> Turn:
    fields = {"role": "user", "text": "Hello", "started_at": timezone.now(), "external_id": "t1"}
    return Turn.unscoped.create(workspace=of, call=make.call(of), **fields)


def recording(of: Workspace) -> Recording:
    call = make.call(of, stage="ended", ended_at=timezone.now())
    return Recording.unscoped.create(workspace=of, call=call, storage_key="recordings/a/b.ogg")


def inbox_event(of: Workspace) -> InboxEvent:
    fields = {
        "event": "room_started",
        "room": f"vo-{of.pk}",
        "body": {},
        "received_at": timezone.now(),
    }
    return InboxEvent.objects.create(event_id=f"EV_{of.pk}", **fields)


def hourly_calls(of: Workspace) -> HourlyCalls:
    counts = {"calls": 3, "talk": timedelta(seconds=41), "cost_micros": 0, "priced_calls": 0}
    return HourlyCalls.unscoped.create(
        workspace=of, hour=timezone.now(), own_number="+12025550100", **counts
    )


def hourly_latency(of: Workspace) -> HourlyLatency:
    return HourlyLatency.unscoped.create(
        workspace=of, hour=timezone.now(), figure="p50", milliseconds=810, calls=3
    )


def password_reset(of: Workspace) -> PasswordReset:
    expires_at = timezone.now() + timedelta(hours=1)
    return PasswordReset.objects.create(
        user=make.member(of), token_hash=f"{SECRET}{of.pk}", expires_at=expires_at
    )


def idempotent_request(of: Workspace) -> IdempotentRequest:
    return IdempotentRequest.objects.create(
        scope=f"key:{of.pk}", key="k", fingerprint="f", answer=SECRET
    )


def second_factor(of: Workspace) -> SecondFactor:
    return SecondFactor.objects.create(user=make.member(of), secret=f"{SECRET}{of.pk}")


def recovery_code(of: Workspace) -> RecoveryCode:
    return RecoveryCode.objects.create(factor=second_factor(of), code_hash=f"{SECRET}{of.pk}")


MAKERS: dict[str, Callable[[Workspace], Any]] = {
    "workspace": lambda of: of,
    "user": make.member,
    "membership": make.membership,
    "session": lambda of: make.session(make.member(of)),
    "apikey": lambda of: make.api_key(of, key_hash=SECRET)[0],
    "invitation": lambda of: make.invitation(of, token_hash=f"{SECRET}{of.pk}"),
    "passwordreset": password_reset,
    "secondfactor": second_factor,
    "recoverycode": recovery_code,
    "stafftry": lambda of: StaffTry.objects.create(
        scope=f"{SECRET}{of.pk}", began_at=timezone.now()
    ),
    "auditentry": make.audit_entry,
    "erasednumber": lambda of: ErasedNumber.unscoped.create(
        workspace=of, digest=SECRET, key=SECRET
    ),
    "idempotentrequest": idempotent_request,
    "agent": make.agent,
    "agentversion": lambda of: make.agent(of).versions.get(),
    "agentscripts": lambda of: make.scripts(make.agent(of)),
    "rehearsal": lambda of: make.rehearsal(make.agent(of)),
    "voiceworker": lambda of: make.voice_worker(name=of.pk.hex),
    "rehearsingworker": lambda of: make.rehearsing_worker(name=of.pk.hex),
    "phonenumber": lambda of: make.phone_number(of, sip_auth_password=SECRET),
    "numberpace": lambda of: make.phone_number(of).pace,
    "siptrunk": lambda of: make.sip_trunk(of, auth_password=SECRET),
    "call": make.call,
    "callevent": event,
    "turn": turn,
    "recording": recording,
    "inboxevent": inbox_event,
    "hourlycalls": hourly_calls,
    "hourlylatency": hourly_latency,
    "hourlycursor": lambda of: HourlyCursor.objects.create(
        name=of.pk.hex[-20:], position=timezone.now()
    ),
    "batch": make.batch,
    "recipient": lambda of: make.recipient(make.batch(of)),
    "recipientcount": lambda of: RecipientCount.unscoped.get(
        batch_id=make.recipient(make.batch(of)).batch_id
    ),
    "rejectedrow": lambda of: make.rejected_row(make.batch(of)),
    "callback": make.callback,
    "savedmapping": make.saved_mapping,
    "savedreport": make.saved_report,
    "reportsubscription": make.report_subscription,
    "suppression": make.suppression,
    "suppressionimport": make.suppression_import,
    "webhookendpoint": lambda of: make.webhook(of, previous_secret=SECRET),
    "webhookevent": lambda of: make.delivery(make.webhook(of)).event,
    "webhookdelivery": lambda of: make.delivery(make.webhook(of)),
    "webhookcursor": lambda of: WebhookCursor.objects.create(
        name=of.pk.hex[-20:], position=timezone.now()
    ),
}


def made(model: type[models.Model], of: Workspace) -> Any:
    return MAKERS[str(model._meta.model_name)](of)
