"""The numbers of the dial protocol (`docs/architecture.md §5`), which all of its steps share."""

from datetime import timedelta

# --- claims and leases

CALL_LEASE = timedelta(seconds=15)  # a reserved call, or the wait for a dial's answer
LEASE_RENEWAL_SECONDS = 3.0
RESERVE_AHEAD_SECONDS = 2.0  # of a number's pace: rooms and agents take time to prepare
MIN_RESERVED_AHEAD = 2  # calls, on the slowest number

# --- rooms and agents

AGENT_JOIN_SECONDS = 10.0  # after this an agent that has not joined counts as missing
ROOM_MARGIN_SECONDS = 60  # by which an empty room outlives the fence

# --- intents and slots

# Slots lie 1/(0.96 x rate) apart: at exactly 1/rate, a window of one second would touch the limit
# (`docs/performance.md`).
PACE_UTILIZATION = 0.96
INTENT_HORIZON = timedelta(milliseconds=250)  # from an intent's commit to its slot, at most
INTENT_LIFETIME = timedelta(seconds=1)  # after this an intent that was not sent is put back
SLOT_TOLERANCE = timedelta(milliseconds=40)  # a send that is later than this needs a new slot
# A send costs the event loop half a millisecond: with more intents at a time the last would be
# late.
MAX_UNSENT_INTENTS = 40
MAX_PACE_REST_SECONDS = 0.1  # between two looks at the pace, when the horizon is full

# --- calls in doubt

# What was under way when the room was deleted may still be reported for so long.
ROOM_DELETION_WAIT = timedelta(seconds=2)
# The agent reports every two seconds; a shorter silence does not mean that it is gone.
AGENT_REPORT_TOLERANCE = timedelta(seconds=5)
# LiveKit repeats a webhook, and an agent its report, for so long.
EVIDENCE_WAIT = timedelta(seconds=30)

# --- test calls

TEST_RINGING_SECONDS = 20
TEST_CALL_MAX_SECONDS = 30  # LiveKit ends the call then, in case our hang-up does not arrive
TEST_MAX_SLOT_WAIT = timedelta(seconds=5)  # a number that rests for longer is busy

# --- calls that are up

CALL_SILENCE = timedelta(seconds=10)  # the agent of a call that is up reports every two seconds
