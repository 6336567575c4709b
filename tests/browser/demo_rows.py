"""A workspace as it looks in the middle of a working day, for pictures and checks of the pages."""

import random
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.core.files import File
from django.utils import timezone

from accounts.models import User, Workspace
from accounts.roles import Role
from batches.models import Batch, Recipient, RejectedRow
from sandbox.livekit.ogg_opus import TONES
from telephony.clients.recording_storage import recordings_storage
from telephony.models import Call, CallEvent, Recording, Turn
from tests import make
from voiceops.core.ids import lowest_id

NAMES = ("Ada", "Grace", "Alan", "Edith", "Emmy", "Max", "Lise", "Niels", "Marie", "Nora", "Vera")
OUTCOMES = (
    *["answered"] * 11,
    *["no_answer"] * 5,
    *["voicemail"] * 4,
    *["busy"] * 2,
    "declined",
    "invalid_number",
    "carrier_error",
)
SIP_STATUS = {
    "answered": 200,
    "no_answer": 480,
    "voicemail": 200,
    "busy": 486,
    "declined": 603,
    "invalid_number": 404,
    "carrier_error": 503,
}
TALK = (
    ("agent", "Hello Ada, this is the practice of Doctor Lind. Am I speaking with Ada Byron?"),
    ("user", "Yes, speaking."),
    ("agent", "You have an appointment on Thursday at ten. Will you be able to come?"),
    ("user", "Thursday is difficult. Could it be in the afternoon?"),
    ("agent", "Three o'clock is free. Shall I book it for you?"),
    ("user", "Yes, please. That suits me well."),
    ("agent", "Done: Thursday at three. You will get a message. Goodbye, Ada!"),
)
EVENTS = (
    (0.4, "agent_joined", "The voice agent joined the room"),
    (0.8, "dialing", "Calling +12025550186"),
    (1.9, "ringing", "+12025550186 is ringing"),
    (6.2, "answered", "+12025550186 answered"),
    (6.9, "detected", "A person answered"),
    (48.0, "hangup", "The agent hung up"),
)


def make_demo(now: datetime | None = None) -> tuple[User, dict[str, Any]]:
    """Fill a workspace; return its admin, and the rows that pages are opened for."""
    now = now or timezone.now()
    chance = random.Random(7)  # noqa: S311 - the same pictures each time
    ours = make.workspace(name="Lind Practice", timezone="Europe/Berlin")
    admin = make.member(ours, Role.ADMIN, name="Grace Hopper", email="grace@example.com")
    make.member(ours, Role.MANAGER, name="Alan Turing", email="alan@example.com")
    make.member(ours, Role.MEMBER, name="Emmy Noether", email="emmy@example.com")
    agent = make.agent(ours, name="Appointment reminders", **AGENT)
    make.agent(ours, name="Feedback after a visit")
    number = make.phone_number(
        ours, label="Reception", phone_number="+12025550100", calls_per_second=2.0
    )
    make.phone_number(ours, label="Surveys", phone_number="+12025550199", status="error")
    batch = _batch(ours, agent, number, chance, "March reminders", "running", 240)
    batch.calls_per_second = 0.2
    batch.save()
    done = _batch(ours, agent, number, chance, "February reminders", "completed", 180)
    paused = _batch(ours, agent, number, chance, "Missed appointments", "paused", 60)
    paused.error = (
        "The carrier failed (503 Service Unavailable), 12 times in a row. One call at a time "
        "probes, and the batch resumes when it gets through."
    )
    paused.save()
    _batch(ours, agent, number, chance, "Satisfaction survey", "ready", 90)
    _calls(ours, agent, batch, chance, now)
    call = _talk(ours, agent, batch, now)
    for days in (1, 2):
        make.callback(ours, agent=agent, at=now + timedelta(days=days), remark="After work")
    for reason in ("asked on a call", "letter of 3 March", "wrong number"):
        make.suppression(ours, reason=reason)
    _doubts(ours, agent, now)
    webhook = make.webhook(ours, url="https://crm.example.com/hooks/voiceops", description="CRM")
    make.delivery(webhook, status="delivered", response_status=200, attempts=1)
    delivery = make.delivery(webhook, status="failed", response_status=500, attempts=5)
    make.api_key(ours, name="CRM")
    rows = {"batch": batch, "done": done, "call": call, "agent": agent, "number": number}
    return admin, {**rows, "webhook": webhook, "delivery": delivery}


AGENT: dict[str, Any] = {
    "system_prompt": (
        "You call patients of the practice of Doctor Lind to remind them of an appointment.\n"
        "You speak with {{first_name}}. The appointment is on {{day}} at {{time}}.\n\n"
        "Be brief and friendly. Offer another time if they cannot come."
    ),
    "first_message": "Hello {{first_name}}, this is the practice of Doctor Lind.",
    "variables": [
        {"name": "first_name", "required": True},
        {"name": "day", "required": True},
        {"name": "time", "default": "10:00"},
    ],
    "dispositions": [
        {"name": "confirmed", "label": "Will come", "consequence": {"type": "finish"}},
        {"name": "moved", "label": "Other time agreed", "consequence": {"type": "finish"}},
        {
            "name": "never_again",
            "label": "Does not want calls",
            "consequence": {"type": "suppress"},
        },
    ],
}
SHARES: dict[str, dict[str, int]] = {
    "running": {"completed": 46, "failed": 12, "retrying": 9, "pending": 24, "in_call": 3},
    "completed": {"completed": 74, "failed": 20},
    "paused": {"completed": 12, "failed": 8, "pending": 70},
    "ready": {"pending": 94},
}


def _batch(
    ours: Workspace,
    agent: Any,
    number: Any,
    chance: random.Random,
    name: str,
    state: str,
    size: int,
) -> Batch:
    now = timezone.now()
    has_begun = state != "ready"
    batch = make.batch(
        ours,
        agent=agent,
        phone_number=number,
        name=name,
        status=state,
        started_at=now - timedelta(minutes=38) if has_begun else None,
        ended_at=now - timedelta(minutes=2) if state == "completed" else None,
        rejected_count=4,
        rows_read=size,
    )
    shares = {**SHARES[state], "skipped": 5, "review": 1 if has_begun else 0}
    states = [status for status, share in shares.items() for _ in range(share * size // 100 or 1)]
    Recipient.unscoped.bulk_create(
        _recipient(batch, row, status, chance) for row, status in enumerate(states, 2)
    )
    for row in range(4):
        make.rejected_row(batch, row_number=500 + row, values=[f"123{row}", chance.choice(NAMES)])
    assert RejectedRow.unscoped.filter(batch=batch).count() == 4
    return batch


def _recipient(batch: Batch, row: int, status: str, chance: random.Random) -> Recipient:
    number = f"+1202{chance.randrange(2_000_000, 9_999_999)}"
    outcome = {
        "completed": chance.choice(("answered", "answered", "voicemail")),
        "failed": chance.choice(("no_answer", "busy", "declined")),
    }.get(status)
    return Recipient(
        workspace=batch.workspace,
        batch=batch,
        row_number=row,
        phone_number=number,
        values=[number, chance.choice(NAMES)],
        status=status,
        outcome=outcome,
        reason={"skipped": "suppressed", "review": "in_doubt"}.get(status),
        attempts=0 if status in ("pending", "skipped") else chance.choice((1, 1, 2)),
        due_at=timezone.now() + timedelta(minutes=30)
        if status in ("pending", "retrying")
        else None,
    )


def _calls(ours: Workspace, agent: Any, batch: Batch, chance: random.Random, now: datetime) -> None:
    """Calls of today until now, and some of the days before and a week ago, for the comparison."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    calls = []
    for days, amount in ((0, 420), (1, 360), (2, 410), (3, 280), (7, 450)):
        seconds = max(int((now - midnight).total_seconds()), 3600)
        for index in range(amount):
            at = now - timedelta(days=days, seconds=seconds * (1 - chance.betavariate(4, 2)))
            calls.append(_call(ours, agent, batch, chance, at, index))
    Call.unscoped.bulk_create(calls)
    for call in calls:  # written by the database's clock otherwise
        Call.unscoped.filter(pk=call.pk).update(created_at=call.dialed_at)


def _call(
    ours: Workspace, agent: Any, batch: Batch, chance: random.Random, at: datetime, index: int
) -> Call:
    outcome = chance.choice(OUTCOMES)
    answered = at + timedelta(seconds=7) if outcome == "answered" else None
    pk = type(lowest_id(at))(int=lowest_id(at).int + chance.getrandbits(60) + index)
    return Call(
        pk=pk,
        workspace=ours,
        batch_id=batch.pk if batch.started_at and at > batch.started_at else None,
        agent=agent,
        agent_version=agent.versions.first(),
        from_number="+12025550100",
        to_number=f"+1202{chance.randrange(2_000_000, 9_999_999)}",
        room=f"vo-{pk}",
        stage="ended",
        outcome=outcome,
        sip_status_code=SIP_STATUS[outcome],
        cost_micros=chance.randrange(20_000, 90_000) if answered else None,
        dialed_at=at,
        answered_at=answered,
        ended_at=(answered or at) + timedelta(seconds=chance.randrange(18, 140)),
        variables={"first_name": chance.choice(NAMES)},
    )


def _doubts(ours: Workspace, agent: Any, now: datetime) -> None:
    """The last call of everybody in review: the answer to the dial request was lost."""
    for recipient in Recipient.unscoped.filter(status="review").order_by("pk"):
        at = now - timedelta(minutes=recipient.row_number % 30 + 1)
        call = make.call(
            ours,
            agent=agent,
            batch_id=recipient.batch_id,
            recipient_id=recipient.pk,
            to_number=recipient.phone_number,
            dialed_at=at,
            stage="ended",
            outcome="unknown",
            intent_at=at,
            agent_joined_at=at,
        )
        calling = f"Calling {recipient.phone_number}"
        for seconds, text in ((0, calling), (140, "Nobody can prove whether the phone rang")):
            CallEvent.unscoped.create(
                workspace=ours,
                call=call,
                type="step",
                text=text,
                at=at + timedelta(seconds=seconds),
            )
        Call.unscoped.filter(pk=call.pk).update(created_at=at)


def _talk(ours: Workspace, agent: Any, batch: Batch, now: datetime) -> Call:
    """A call that was recorded, with its transcript and timeline."""
    start = now - timedelta(minutes=3)
    answered = start + timedelta(seconds=6.2)
    call = make.call(
        ours,
        agent=agent,
        stage="ended",
        outcome="answered",
        disposition="moved",
        disposition_by="agent",
        dialed_at=start,
        answered_at=answered,
        ended_at=answered + timedelta(seconds=42),
        has_recording=True,
        variables={"first_name": "Ada", "day": "Thursday"},
    )
    Call.unscoped.filter(pk=call.pk).update(created_at=start)
    for second, (role, text) in enumerate(TALK):
        Turn.unscoped.create(
            workspace=ours,
            call=call,
            role=role,
            text=text,
            external_id=str(second),
            started_at=answered + timedelta(seconds=1 + 1.5 * second),
        )
    for offset, kind, text in EVENTS:
        CallEvent.unscoped.create(
            workspace=ours, call=call, type=kind, text=text, at=start + timedelta(seconds=offset)
        )
    with Path(TONES).open("rb") as tones:
        name = recordings_storage().save(f"demo/{call.pk}.ogg", File(tones))
    Recording.unscoped.create(workspace=ours, call=call, status="ready", storage_key=name)
    return call
