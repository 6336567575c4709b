"""The latest end of every stage by our own clock, also while LiveKit shows participants that died.

LiveKit ends calls by itself. Each limit here is what LiveKit was asked to keep plus a margin, and
is reached only when LiveKit forgot the call: a crashed host leaves its rooms in the store
(`docs/reference/real-livekit.md §2.2`). What reaches its limit unanswered ends in review.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings

from telephony.domain.disconnect_reasons import HANG_UP_REASONS
from telephony.models import Call, Direction, Stage

DEFAULT_RINGING_SECONDS = 30  # where the agent's version names no limit
DEFAULT_MAX_CALL_SECONDS = 600
# Past the ringing timeout: LiveKit answers the dial up to 12 s later, webhooks are repeated for 24.
RINGING_MARGIN = timedelta(seconds=30)
# Past the fence: a room that is deleted is quiet after two seconds.
FENCE_MARGIN = timedelta(seconds=30)
# Past the maximum duration, for the agent's goodbye.
DURATION_MARGIN = timedelta(minutes=1)
# More, for as long as LiveKit cannot be asked: the proof may come with it.
OUTAGE_MARGIN = timedelta(minutes=5)
# An inbound call rings for ten seconds at most without an agent, and is answered at once with one.
INBOUND_RINGING_LIMIT = timedelta(seconds=40)
# LiveKit's times are whole seconds; the share is for the short calls of the sandbox.
MAX_DURATION_TOLERANCE = timedelta(seconds=1.5)
MAX_DURATION_TOLERANCE_SHARE = 0.05


@dataclass(frozen=True)
class LatestEnd:
    """A row of the documentation's table."""

    stage: str
    limit: str
    margin: timedelta
    end: str


@dataclass(frozen=True)
class Limits:
    """What an agent's version asks LiveKit to keep, in LiveKit's seconds."""

    ringing_seconds: float = DEFAULT_RINGING_SECONDS
    maximum_seconds: float = DEFAULT_MAX_CALL_SECONDS


# Versions never change, so that entries never become stale.
_limits_by_version: dict[UUID, Limits] = {}

LATEST_ENDS = (
    LatestEnd("`intent`, `unknown`", "the fence (`DIAL_FENCE_SECONDS`)", FENCE_MARGIN, "review"),
    LatestEnd("`dialing`, `ringing` (outbound)", "the ringing timeout", RINGING_MARGIN, "review"),
    LatestEnd(
        "the same, while LiveKit cannot be asked",
        "the above",
        OUTAGE_MARGIN,
        "review, and an alarm",
    ),
    LatestEnd("`ringing` (inbound)", "the first ringing", INBOUND_RINGING_LIMIT, "`unknown`"),
    LatestEnd(
        "`in_progress`",
        "the maximum duration",
        DURATION_MARGIN,
        "`max_duration`, or `left_unnoticed`",
    ),
)


def livekit_time(seconds: float) -> timedelta:
    """Return how long `seconds` of LiveKit's limits last: the sandbox plays them faster."""
    return timedelta(seconds=seconds / settings.SANDBOX_SPEED if settings.USES_SANDBOX else seconds)


def latest_unanswered_end(call: Call) -> datetime | None:
    """Return when a call that may have been sent must have been answered or ended.

    None for a call without an intent, of which nothing was sent.
    """
    if call.intent_at is None:
        return None
    if call.stage in Stage.before_callee():
        fence = timedelta(seconds=settings.DIAL_FENCE_SECONDS)
        return call.intent_at + fence + FENCE_MARGIN
    return call.intent_at + livekit_time(_limits_of(call).ringing_seconds) + RINGING_MARGIN


def is_past_latest_end(call: Call, now: datetime, *, livekit_is_away: bool = False) -> bool:
    """Return whether an unanswered outbound call has reached its latest end."""
    latest = latest_unanswered_end(call)
    return latest is not None and now >= latest + (
        OUTAGE_MARGIN if livekit_is_away else timedelta()
    )


def maximum_seconds(call: Call) -> float:
    """Return the longest duration that the call's agent allows, in LiveKit's seconds."""
    return _limits_of(call).maximum_seconds


def maximum_end(call: Call) -> datetime | None:
    """Return when LiveKit ends the call: it counts the maximum from the dial; None if not dialled.

    For a caller or a browser, whom only the agent times, it counts from the answer.
    """
    since = (
        call.answered_at
        if call.direction == Direction.INBOUND
        else call.dialed_at or call.answered_at
    )
    return None if since is None else since + livekit_time(maximum_seconds(call))


def is_at_maximum(call: Call, at: datetime) -> bool:
    """Return whether a call that LiveKit ended at `at` had reached its maximum duration.

    LiveKit reports it exactly as a hang-up (`docs/reference/real-livekit.md §2.5`).
    """
    if call.direction == Direction.INBOUND or call.dialed_at is None:
        return False
    maximum = livekit_time(maximum_seconds(call))
    tolerance = min(MAX_DURATION_TOLERANCE, maximum * MAX_DURATION_TOLERANCE_SHARE)
    return at >= call.dialed_at + maximum - tolerance


def ending_by_the_clock(
    call: Call, at: datetime, reason: str, by: str | None
) -> tuple[str, str | None]:
    """Return the end's reason and who hung up: at its maximum LiveKit ended it, not the callee."""
    if reason in HANG_UP_REASONS and is_at_maximum(call, at):
        return "max_duration", "agent"
    return reason, by


def _limits_of(call: Call) -> Limits:
    """Return the limits of the call's version, which is read once per process."""
    pk = call.agent_version_id
    if pk is None:
        return Limits()
    if pk not in _limits_by_version:
        config = call.agent_version.config if call.agent_version else {}
        _limits_by_version[pk] = Limits(
            float(config.get("ringing_timeout_seconds", DEFAULT_RINGING_SECONDS)),
            float(config.get("max_call_duration_seconds", DEFAULT_MAX_CALL_SECONDS)),
        )
    return _limits_by_version[pk]
