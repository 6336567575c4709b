"""The rows of the API benchmark: one workspace with a long list, its calls, and all that is listed
beside them.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, models
from django.utils import timezone

from accounts.auth import sessions, tokens
from accounts.models import Membership, Session, User, Workspace
from accounts.roles import Role
from agents.models import Agent, AgentVersion
from batches.models import Batch, Recipient, Suppression
from ops.bench.row_copies import copy_row
from telephony.models import Call, CallEvent, Outcome, PhoneNumber, SipTrunk, Stage, Turn
from webhooks.models import WebhookEndpoint

BENCH_EMAIL = "bench@example.com"
SMALL_BATCHES = 120
RECIPIENTS_PER_SMALL_BATCH = 20
AGENTS = 30
WEBHOOKS = 20
SUPPRESSIONS_PER_ROW = 0.1
SAMPLED_CALLS = 200
EVENTS_PER_CALL = 14  # as many as a call of a real installation has
TURNS_PER_CALL = 30
FILLED_TABLES = (Call, CallEvent, Turn, Batch, Recipient, Suppression)
SERIES = "generate_series(1, %s) n"
# Ids that sort by number as those of uuid7 sort by time: milliseconds, version 7, the number.
MOMENT_OF_ROW = "%d + n::bigint * %d"
ID_OF_ROW = (
    f"(lpad(to_hex({MOMENT_OF_ROW}), 12, '0') || '7000' || '%s' || lpad(to_hex(n), 12, '0'))::uuid"
)
MILLISECONDS_A_DAY = 86_400_000
CALL_VALUES_OF_ROW = {
    "room": "'vo-' || n",
    "outcome": ("(array['answered', 'no_answer', 'busy', 'answered', 'voicemail'])[1 + mod(n, 5)]"),
    "to_number": "'+1202' || lpad((5550000 + n)::text, 7, '0')",
}
CALL_TIMES_OF_ROW = {
    "dialed_at": "t.dialed_at + n * interval '1 second'",
    "ringing_at": "t.dialed_at + n * interval '1 second'",
    "answered_at": (
        "case when mod(n, 5) in (0, 3, 4) then t.dialed_at + n * interval '1.000123 seconds' end"
    ),
    "ended_at": "t.dialed_at + n * interval '1.0002 seconds'",
}
RECIPIENT_VALUES_OF_ROW = {
    "row_number": "n",
    "phone_number": "'+1202' || lpad((5550000 + n)::text, 7, '0')",
    "values": "jsonb_build_array('+1202' || (5550000 + n), 'Ada ' || n, 'Rome')",
    "status": "(array['completed', 'failed', 'completed', 'skipped'])[1 + mod(n, 4)]",
}


@dataclass(frozen=True)
class ApiRows:
    """What the requests of the benchmark name."""

    user: User
    session: Session
    agent: Agent
    long_batch: Batch
    small_batches: list[UUID]
    calls: list[UUID]  # those with events and turns
    rows: int

    def issue_token(self) -> str:
        """A fresh access token; one would expire during a long run."""
        return tokens.issue_token(
            tokens.ACCESS,
            user_id=self.user.pk,
            session_id=self.session.pk,
            now=timezone.now(),
        )


def prepare_rows(rows: int, *, days: int = 0, long_batches: int = 1) -> ApiRows:
    """Fill an empty database: `rows` calls, and as many recipients in `long_batches` lists.

    The calls were made in the last `days`; with 0, a millisecond after one another.
    """
    now = timezone.now()
    workspace = Workspace.unscoped.create(name="Bench", min_gap_minutes=None)
    user = _create_manager(workspace)
    pair = sessions.open_session(user=user, now=now)
    agents = [_create_agent(workspace, number) for number in range(AGENTS)]
    version = agents[-1].create_version()
    number = _create_number(workspace)
    long_batch = _create_batch(version, number, "Long list")
    small = [
        _create_batch(version, number, f"Small list {index}") for index in range(SMALL_BATCHES)
    ]
    _fill_small_batches(small)
    others = [_create_batch(version, number, f"Long list {n}") for n in range(2, long_batches + 1)]
    step = max(1, days * MILLISECONDS_A_DAY // rows)
    _fill_long_batch([long_batch, *others], number, now, rows, step=step)
    _create_suppressions(workspace, now, max(1, int(rows * SUPPRESSIONS_PER_ROW)))
    WebhookEndpoint.unscoped.bulk_create(
        WebhookEndpoint(workspace=workspace, url=f"https://hooks.example.com/{index}")
        for index in range(WEBHOOKS)
    )
    calls = _sample_calls(workspace)
    _fill_timelines(workspace, calls, now)
    _analyze()
    return ApiRows(
        user=user,
        session=Session.objects.get(pk=tokens.decode_token(pair.access_token).session_id),
        agent=agents[-1],
        long_batch=long_batch,
        small_batches=[batch.pk for batch in small],
        calls=calls,
        rows=rows,
    )


def _create_manager(workspace: Workspace) -> User:
    user = User.objects.create(
        email=BENCH_EMAIL, default_workspace=workspace, email_proven_at=timezone.now()
    )
    Membership.unscoped.create(workspace=workspace, user=user, role=Role.MANAGER)
    return user


def _create_agent(workspace: Workspace, number: int) -> Agent:
    return Agent.unscoped.create(
        workspace=workspace,
        name=f"Agent {number}",
        system_prompt="You call customers about their appointment. " * 20,
        first_message="Hello {{first_name}}, this is the clinic.",
        llm={"provider": "openai", "model": "gpt-4.1-mini", "temperature": 0.3},
        tts={"provider": "cartesia", "model": "sonic-2", "voice": "calm"},
        variables=[{"name": "first_name", "required": True}, {"name": "city"}],
        published_version=1,
    )


def _create_number(workspace: Workspace) -> PhoneNumber:
    number = PhoneNumber.unscoped.create(
        workspace=workspace, phone_number="+12025550100", status=PhoneNumber.Status.ACTIVE
    )
    SipTrunk.unscoped.create(
        workspace=workspace, phone_number=number, direction=SipTrunk.TrunkDirection.OUTBOUND
    )
    return number


def _create_batch(version: AgentVersion, number: PhoneNumber, name: str) -> Batch:
    now = timezone.now()
    return Batch.unscoped.create(
        workspace=version.workspace,
        name=name,
        agent=version.agent,
        agent_version=version,
        phone_number=number,
        status=Batch.Status.PAUSED,
        calling_window={
            "days": [1, 2, 3, 4, 5],
            "start": "09:00",
            "end": "18:00",
            "timezone": "recipient",
        },
        columns=["phone", "first_name", "city"],
        variable_names=[None, "first_name", "city"],
        started_at=now,
    )


def _fill_small_batches(batches: list[Batch]) -> None:
    statuses = itertools.cycle([Recipient.Status.COMPLETED, Recipient.Status.FAILED])
    Recipient.unscoped.bulk_create(
        Recipient(
            workspace=batch.workspace,
            batch=batch,
            row_number=row,
            phone_number=f"+1202555{row:04}",
            values=[f"+1202555{row:04}", "Ada", "Rome"],
            status=next(statuses),
        )
        for batch in batches
        for row in range(1, RECIPIENTS_PER_SMALL_BATCH + 1)
    )


def _fill_long_batch(
    batches: list[Batch], number: PhoneNumber, now: datetime, rows: int, *, step: int
) -> None:
    """Every recipient of the long lists has been called once, one every `step` milliseconds."""
    batch, ids = batches[0], ", ".join(f"'{each.pk}'::uuid" for each in batches)
    # One list after the other, as imports write them.
    lists = {"batch_id": f"(array[{ids}])[1 + (n - 1)::bigint * {len(batches)} / {rows}]"}
    begin = int(now.timestamp() * 1000) - rows * step
    call_id, recipient_id = (ID_OF_ROW % (begin, step, variant) for variant in ("8000", "9000"))
    recipient = Recipient(
        workspace=batch.workspace, batch=batch, row_number=0, phone_number="+12025550000",
        attempts=1, outcome=Outcome.ANSWERED,
    )  # fmt: skip
    call = Call(
        workspace=batch.workspace, agent=batch.agent, agent_version=batch.agent_version,
        number=number, batch_id=batch.pk, stage=Stage.ENDED, room="vo-template",
        from_number=number.phone_number, variables={"first_name": "Ada", "city": "Rome"},
        dialed_at=now, settled_at=now, sip_status_code=200, sip_status="OK",
        end_reason="callee_hung_up", hung_up_by="callee",
    )  # fmt: skip
    _copy(recipient, {"id": recipient_id, **RECIPIENT_VALUES_OF_ROW, **lists}, rows)
    times = CALL_TIMES_OF_ROW if step == 1 else _times_of_row(begin, step)
    values = {**CALL_VALUES_OF_ROW, **times, **lists}
    _copy(call, {"id": call_id, "recipient_id": recipient_id, **values}, rows)


def _times_of_row(begin: int, step: int) -> dict[str, str]:
    """Return the times of a call that was made when its id says, in milliseconds."""
    made_at = f"to_timestamp(({MOMENT_OF_ROW % (begin, step)}) / 1000.0)"
    answered = f"case when mod(n, 5) in (0, 3, 4) then {made_at} + interval '7 seconds' end"
    return {
        "created_at": made_at,
        "dialed_at": made_at,
        "ringing_at": made_at,
        "answered_at": answered,
        "ended_at": f"{made_at} + interval '1 minute'",
    }


def _create_suppressions(workspace: Workspace, now: datetime, rows: int) -> None:
    template = Suppression(
        workspace=workspace, phone_number="+12025550000", reason="asked us to stop",
        source=Suppression.Source.IMPORT,
    )  # fmt: skip
    id_of_row = ID_OF_ROW % (int(now.timestamp() * 1000) - rows, 1, "8000")
    number = "'+4420' || lpad((70000000 + n)::text, 8, '0')"
    _copy(template, {"id": id_of_row, "phone_number": number}, rows)


def _copy(template: models.Model, differences: dict[str, str], rows: int) -> None:
    template.save(force_insert=True)
    copy_row(template, differences, source=SERIES, params=[rows])
    type(template)._base_manager.filter(pk=template.pk).delete()


def _sample_calls(workspace: Workspace) -> list[UUID]:
    """Calls that are spread over the table."""
    ids = workspace.calls.order_by("pk").values_list("pk", flat=True)
    every = max(1, ids.count() // SAMPLED_CALLS)
    return list(ids)[::every][:SAMPLED_CALLS]


def _fill_timelines(workspace: Workspace, calls: list[UUID], now: datetime) -> None:
    CallEvent.unscoped.bulk_create(
        CallEvent(workspace=workspace, call_id=call, **event)
        for call in calls
        for event in _events(now)
    )
    Turn.unscoped.bulk_create(
        Turn(
            workspace=workspace, call_id=call, role="agent" if index % 2 else "callee",
            text="Could we meet on Thursday at ten instead? " * 2, started_at=now,
            external_id=str(index),
        )
        for call in calls
        for index in range(TURNS_PER_CALL)
    )  # fmt: skip


def _events(now: datetime) -> Iterator[dict[str, Any]]:
    for index in range(EVENTS_PER_CALL):
        yield {
            "type": "agent_joined",
            "text": f"Step {index} of the call",
            "at": now,
            "data": {"source": "livekit", "step": index},
            "external_id": str(index),
        }


def _analyze() -> None:
    # PostgreSQL does this by itself, but only minutes later; until then lists are read by
    # sequential scans.
    with connection.cursor() as cursor:
        for model in FILLED_TABLES:
            cursor.execute(f'VACUUM ANALYZE "{model._meta.db_table}"')
