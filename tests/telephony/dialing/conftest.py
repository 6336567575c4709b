from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from accounts.models import Workspace
from telephony.dialing import dialer as dialer_module
from telephony.dialing.dialer import Dialer
from telephony.dialing.jobs import Job, load_jobs
from telephony.models import Call, PhoneNumber, Stage
from tests import make
from tests.telephony.dialing.doubtful_calls import FENCE
from tests.telephony.dialing.fakes import FakeGate, FakeLiveKit, InlineDatabase
from voiceops.core.clock import database_now
from voiceops.core.ids import uuid7

OWNER = uuid7()


@pytest.fixture(autouse=True)
def real_time(settings: Any) -> None:
    """Limits last as long as at LiveKit; the sandbox plays them faster."""
    settings.USES_SANDBOX = False
    settings.DIAL_FENCE_SECONDS = FENCE.total_seconds()


@pytest.fixture
def number(ours: Workspace) -> PhoneNumber:
    return make.phone_number(ours, calls_per_second=20, max_concurrent_calls=30)


@pytest.fixture
def gate() -> FakeGate:
    return FakeGate()


@pytest.fixture
def livekit() -> Any:
    return FakeLiveKit()


@pytest.fixture
def outer_connection(db: None) -> BaseDatabaseWrapper:
    """The connection in whose transaction the test runs."""
    return connections["default"]


@pytest.fixture
async def inline_db(
    outer_connection: BaseDatabaseWrapper, monkeypatch: pytest.MonkeyPatch
) -> InlineDatabase:
    """Plays both OrmThreads. Inside the event loop, too, the ORM uses the test's connection."""
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    connections["default"] = outer_connection
    return InlineDatabase()


@pytest.fixture
def answered() -> list[Call]:
    """The calls that the dialer handed to `on_answered`."""
    return []


@pytest.fixture
def dialer(
    livekit: Any,
    gate: FakeGate,
    inline_db: InlineDatabase,
    answered: list[Call],
    monkeypatch: pytest.MonkeyPatch,
) -> Dialer:
    """A dialer that a busy test machine does not make late."""
    monkeypatch.setattr(dialer_module, "SLOT_TOLERANCE", timedelta(milliseconds=400))

    async def on_answered(_: Any, calls: Any) -> None:
        answered.extend(calls)

    database: Any = inline_db
    return Dialer(
        livekit=livekit,
        gate=gate,
        owner=OWNER,
        intent_db=database,
        db=database,
        on_answered=on_answered,
    )


def reserved(number: PhoneNumber, **fields: Any) -> Job:
    """A call that OWNER has reserved on the number, with its agent in the room."""
    now = database_now()
    values = {
        "number": number,
        "from_number": number.phone_number,
        "lease_owner": OWNER,
        "lease_expires_at": now + timedelta(seconds=15),
        "agent_joined_at": now,
        **fields,
    }
    call = make.call(number.workspace, **values)
    [job] = load_jobs([call.pk])
    return job


def intent(number: PhoneNumber, **fields: Any) -> Job:
    """A call whose intent was committed a moment ago and is not sent."""
    now = database_now()
    values = {"stage": Stage.INTENT, "intent_at": now, "not_after": now + timedelta(seconds=10)}
    return reserved(number, **{**values, **fields})


def stored(job: Job | Call) -> Call:
    """The call as its row has it now."""
    return Call.unscoped.get(pk=job.pk if isinstance(job, Call) else job.call.pk)
