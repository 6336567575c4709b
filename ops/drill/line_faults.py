"""F1 to F10 and F15 to F18: faults between us and LiveKit.

Each scenario is a generator. Up to its `yield` it causes the fault; after it, when every batch has
ended, it checks what must hold.
"""

import base64
import hashlib
import json
import time
from collections.abc import Callable, Iterator
from uuid import uuid4

import jwt
import requests
from django.conf import settings

from ops.drill.world import COMPLETED_AT_ONCE, NOT_ANSWERED, DrillBatch, World
from telephony.models import Call, CallEvent, InboxEvent

Scenario = Callable[[World], Iterator[None]]
FOREIGN_ROOM = "somebody-elses"
MAX_FAILURES_UNTIL_PAUSE = 60
OUTAGE_SECONDS = 3.0


def two_digits(count: int) -> list[str]:
    """The endings of the first `count` numbers of a hundred, which the sandbox answers up to 59."""
    return [f"{index:02}" for index in range(count)]


def kill_worker_at(failpoint: str, *, end_reasons: tuple[str | None, ...]) -> Scenario:
    """The worker is killed at a failpoint. The calls it was working on end with one of
    `end_reasons` (None: with any), and their recipients are dialed exactly once.
    """

    def scenario(world: World) -> Iterator[None]:
        # Called slowly, because the worker dies at one failpoint after the other.
        batch = world.shared_batch("killed", lambda: world.start_batch(two_digits(40), rate=5))
        world.wait_until(
            lambda: world.calls_hit_at(failpoint), f"the worker passes {failpoint}", seconds=60
        )
        yield
        dialed = [dial["number"] for dial in batch.dials()]
        for call in batch.calls(pk__in=set(world.calls_hit_at(failpoint))):
            ended_well = None in end_reasons or call.end_reason in end_reasons
            world.expect(ended_well, f"{call} ended {call.end_reason}")
            count = dialed.count(call.to_number)
            world.expect(count == 1, f"{call.to_number} was dialed {count} times")
        expect_one_attempt_each(world, batch)

    return scenario


def expect_one_attempt_each(world: World, batch: DrillBatch) -> None:
    """Attempts that were never sent must not have been counted."""
    attempts = {
        recipient.attempts
        for recipient in batch.recipients()
        if recipient.last_call_id is not None and recipient.status == "completed"
    }
    world.expect(attempts == {1}, f"attempts counted: {attempts}")


def lose_responses(world: World) -> Iterator[None]:
    """LiveKit dials and its response is lost. The outcomes are found by evidence, without a second
    dial.
    """
    world.set_livekit_faults(drop_after_dial_rate=1.0)
    batch = world.start_batch(["01", "02", "65"])
    batch.wait_for_dials(3)  # their responses are lost
    world.set_livekit_faults()
    yield
    batch.expect_results({"01": COMPLETED_AT_ONCE, "02": COMPLETED_AT_ONCE, "65": NOT_ANSWERED})
    batch.expect_one_dial_each()


def lose_requests(world: World) -> Iterator[None]:
    """The request never arrives. That is proven, and the recipients are dialed by a new attempt."""
    world.set_livekit_faults(refuse_rate=1.0)
    batch = world.start_batch(["01", "02"])
    world.wait_until(lambda: len(batch.calls(stage="unknown")) == 2, "two attempts in doubt")
    world.expect(batch.dials() == [], "a request that never arrived was dialed")
    world.set_livekit_faults()
    yield
    first = {call.end_reason for call in batch.calls(sequence=1)}
    world.expect(first == {"not_placed"}, f"the lost requests ended as {first}")
    batch.expect_all_answered()
    batch.expect_one_dial_each()


def return_server_errors(world: World) -> Iterator[None]:
    """LiveKit answers 500, first without having dialed and then after it has. Both times each
    recipient is dialed once in the end.
    """
    world.set_livekit_faults(error_before_rate=1.0)
    before = world.start_batch(["01", "02"])
    world.wait_until(
        lambda: len({call.to_number for call in before.calls(stage="ended")}) == 2,
        "two refusals before the dial",
    )
    world.set_livekit_faults(error_after_dial_rate=1.0)
    after = world.start_batch(["01", "02"])
    world.wait_until(
        lambda: len({dial["number"] for dial in after.dials()}) == 2, "two errors after the dial"
    )
    world.set_livekit_faults()
    yield
    for batch in (before, after):
        batch.expect_all_answered()
        batch.expect_one_dial_each()


def refuse_for_lack_of_sip_nodes(world: World) -> Iterator[None]:
    """LiveKit's own 503, because no SIP node accepted the call: the recipient is tried again.

    The other half of F8, a proxy's 503 in HTML, is in tests/faults/test_proxy.py.
    """
    refusal = {"twirp": {"code": "unavailable", "msg": "no response from servers"}}
    # A refusal of one number only, so that other batches are not disturbed.
    world.sandbox.request("PUT", "behaviours", {world.next_number("01"): refusal})
    batch = world.start_batch(["01"])
    world.wait_until(
        lambda: len(batch.calls(end_reason="livekit_unavailable")) >= 2,
        "a refusal, and another try",
    )
    world.sandbox.request("DELETE", "behaviours")
    yield
    batch.expect_all_answered()
    batch.expect_one_dial_each()


def hang_requests(world: World) -> Iterator[None]:
    """One request in ten is answered long after our timeout. The others are not held up by them."""
    world.set_livekit_faults(hang_rate=0.1, hang_seconds=60)
    batch = world.start_batch(two_digits(40))
    world.wait_until(
        lambda: [row.status for row in batch.recipients()].count("completed") >= 30,
        "three in four are completed",
    )
    world.set_livekit_faults()
    yield
    batch.expect_all_answered()


def stop_livekit(world: World) -> Iterator[None]:
    """LiveKit cannot be reached. The batch pauses itself after a few failures, and continues by
    itself when LiveKit is back, without a counted attempt.
    """
    # Calls of other batches must end first: those in progress are cut off with LiveKit, phones and
    # agents included, and nobody can tell what became of them. So few are called at a time.
    world.wait_until_all_ended(60)
    batch = world.start_batch(two_digits(50), rate=5)
    batch.outcomes_follow_numbers = False
    batch.wait_for_dials(5)
    livekit = world.kill_and_hold("sandbox")
    try:
        world.wait_until(
            lambda: batch.row().error is not None, "the batch pauses itself, with a reason"
        )
        failures = len(batch.calls(end_reason="livekit_unreachable"))
        time.sleep(OUTAGE_SECONDS)
    finally:
        world.restore(livekit)
    restored_at = time.time()
    world.wait_until(world.sandbox.is_reachable, "LiveKit is back")
    world.wait_until(lambda: batch.has_dialed_since(restored_at), "dialing continues", seconds=30)
    yield
    world.expect(
        failures <= MAX_FAILURES_UNTIL_PAUSE, f"{failures} failures until the batch paused itself"
    )
    for recipient in batch.recipients():
        counted_once = recipient.status == "review" or recipient.attempts == 1
        world.expect(counted_once, f"{recipient}: {recipient.attempts} attempts")


def disturb_webhooks(**rates: object) -> Scenario:
    """Webhooks are repeated, reordered or lost. Every call still has one answer, one end and the
    outcome of its number.
    """

    def scenario(world: World) -> Iterator[None]:
        world.set_livekit_faults(**rates)
        batch = world.start_batch(["00", "01", "02", "71", "77"])
        world.wait_until(batch.has_ended, "every outcome is known")
        world.set_livekit_faults()
        yield
        for call in batch.calls(stage="ended", dialed_at__isnull=False):
            expect_consistent_events(world, call)
        attempts = {recipient.attempts for recipient in batch.recipients()}
        world.expect(attempts == {1}, str(batch.results()))

    return scenario


def expect_consistent_events(world: World, call: Call) -> None:
    """One end, at most one answer, and no evidence that contradicts the end."""
    events = CallEvent.unscoped.filter(call=call)
    types = world.fetch(events.values_list("type", flat=True))
    once = types.count("ended") == 1 and types.count("answered") <= 1
    world.expect(once, f"{call}: {types}")
    world.expect("alarm" not in types, f"{call} raised an alarm")


def send_foreign_webhooks(world: World) -> Iterator[None]:
    """Webhooks about an unknown room of ours, about another program's room, and about a call that
    has ended: all are accepted, and change nothing.
    """
    batch = world.start_batch(["00"])
    world.wait_until(batch.has_ended, "the call has ended")
    yield
    before = batch.calls(outcome="answered")[0]
    stored_before = world.fetch(InboxEvent.objects.values_list("pk", flat=True))
    for room in (f"vo-{uuid4()}", FOREIGN_ROOM, before.room):
        status = send_webhook(world, callee_joined_event(room, before.callee_identity))
        world.expect(status == 200, f"a webhook of {room} was answered {status}")
    [after] = batch.calls(pk=before.pk)
    for name in ("stage", "outcome", "ended_at", "end_reason"):
        same = getattr(before, name) == getattr(after, name)
        world.expect(same, f"a late webhook changed {name} of {before}")
    new = InboxEvent.objects.exclude(pk__in=stored_before)
    stored = world.query(lambda: new.filter(room=FOREIGN_ROOM).count())
    world.expect(stored == 0, "an event of another program's room was stored")


def callee_joined_event(room: str, identity: str) -> dict[str, object]:
    callee = {"identity": identity, "kind": "SIP"}
    return {"event": "participant_joined", "room": {"name": room}, "participant": callee}


def send_webhook(world: World, event: dict[str, object]) -> int:
    """Send an event as LiveKit does, with a valid signature; returns the status of the response."""
    event = {"id": f"EV_{uuid4().hex}", "createdAt": str(int(time.time())), **event}
    body = json.dumps(event).encode()
    digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
    claims = {"iss": settings.LIVEKIT_API_KEY, "exp": int(time.time()) + 300, "sha256": digest}
    token = jwt.encode(claims, settings.LIVEKIT_API_SECRET, algorithm="HS256")
    headers = {"Authorization": token, "Content-Type": "application/webhook+json"}
    url = f"{world.url}/livekit/webhook"
    return requests.post(url, data=body, headers=headers, timeout=10).status_code
