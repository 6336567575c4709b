"""The periodic rounds over telephony's own rows: what webhooks and reports did not finish.

Each function does one bounded round and may run in several processes at once. The worker decides
when and in which order they run.
"""

from collections.abc import Awaitable, Callable

from telephony.clients.livekit.session import LiveKit, run_in_session
from telephony.dialing import polling
from telephony.dialing.lost_agents import AgentWatch
from telephony.dialing.room_deleter import delete_due_rooms
from telephony.domain import room_deletion
from telephony.services import inbound, inbox, numbers, recordings, web_calls
from voiceops.core.orm_thread import OrmThread

Round = Callable[[LiveKit, OrmThread], Awaitable[int]]


def apply_pending_events() -> int:
    """Apply webhook events that were stored but not applied; returns how many were applied."""
    return inbox.apply_pending_events()


def reconcile_calls() -> int:
    """Decide calls in doubt and end calls that went silent; returns how many were checked."""
    return _run_round(polling.reconcile_calls)


def follow_inbound_calls() -> int:
    """Find inbound calls without a webhook and end those that ring in vain; returns how many were
    checked.
    """
    return _run_round(inbound.follow_inbound_calls)


def follow_recordings() -> int:
    """Ask LiveKit for missing recordings and start those not started; returns how many were
    checked.
    """
    return _run_round(recordings.follow_recordings)


def close_unused_web_calls() -> int:
    """End browser test calls that no one joined in time; returns how many were checked."""
    return _run_round(web_calls.close_unused_web_calls)


def follow_calls() -> int:
    """Run every round that asks LiveKit about calls; returns how many calls were checked.

    Raises OperationalError or InterfaceError when the database is unreachable.
    """
    return (
        reconcile_calls() + follow_inbound_calls() + follow_recordings() + close_unused_web_calls()
    )


def watch_calls(agents: AgentWatch) -> None:
    """End calls whose agent is lost, and delete the rooms of ended calls that are due.

    Raises OperationalError or InterfaceError when the database is unreachable.
    """
    suspects = agents.find_suspects()
    # Without work no session is opened, which every worker would do every second.
    if not suspects and not room_deletion.has_due():
        return

    async def work(livekit: LiveKit, db: OrmThread) -> int:
        # The lost agents first: their callees hear silence.
        await agents.follow_suspects(livekit, db, suspects)
        return await delete_due_rooms(livekit, db)

    _run_round(work)


def clean_provisioning() -> int:
    """Remove one phone number whose registration or removal was interrupted; returns 1 if it did.

    One per round, because each may have to wait for LiveKit and Twilio.
    """
    return numbers.clean_provisioning(limit=1)


def _run_round(work: Round) -> int:
    async def run(livekit: LiveKit) -> int:
        async with OrmThread() as db:
            return await work(livekit, db)

    return run_in_session(run)
