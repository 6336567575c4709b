"""F1 to F10 and F15 to F18: what can happen between us and LiveKit.

Each fault is a generator: up to its `yield` it strikes, after it, when everything has come to rest,
it looks.
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

from ops.drill.world import People, World
from telephony.models import CallEvent, InboxEvent

Scenario = Callable[[World], Iterator[None]]
ANSWERED = ("completed", "answered", 1)


def killed_people(world: World) -> People:
    """Called slowly, by a worker that dies at one failpoint after the other."""
    return world.shared("killed", lambda: world.call([f"{n:02}" for n in range(40)], rate=5))


def killed(point: str, *, first_ends_as: tuple[str | None, ...]) -> Scenario:
    """The worker is killed at a failpoint; the calls it struck end so, and their people are dialled
    once each.
    """

    def scenario(world: World) -> Iterator[None]:
        people = killed_people(world)
        world.wait(lambda: world.struck(point), f"the worker passes {point}", seconds=60)
        yield
        struck = set(world.struck(point))
        dialled = [dial["number"] for dial in people.dials()]
        for call in people.calls(pk__in=struck):
            world.expect(
                call.end_reason in first_ends_as or None in first_ends_as,
                f"{call} ended {call.end_reason}",
            )
            world.expect(
                dialled.count(call.to_number) == 1, f"{call.to_number} was dialled other than once"
            )
        attempts = {
            p.attempts
            for p in people.people()
            if p.last_call_id is not None and p.status == "completed"
        }
        world.expect(attempts == {1}, f"attempts counted: {attempts}")

    return scenario


def response_lost(world: World) -> Iterator[None]:
    world.faults(drop_after_dial_rate=1.0)
    people = world.call(["01", "02", "65"])
    world.wait(lambda: len(people.dials()) == 3, "three dials whose answers are lost")
    world.faults()
    yield
    found = people.ends()
    world.expect(
        found == {"01": ANSWERED, "02": ANSWERED, "65": ("failed", "no_answer", 1)}, str(found)
    )
    world.expect(len(people.dials()) == 3, f"{len(people.dials())} dials for three people")


def request_lost(world: World) -> Iterator[None]:
    world.faults(refuse_rate=1.0)
    people = world.call(["01", "02"])
    world.wait(lambda: len(people.calls(stage="unknown")) == 2, "two attempts in doubt")
    world.expect(people.dials() == [], "a request that never arrived was dialled")
    world.faults()
    yield
    first = {call.end_reason for call in people.calls(sequence=1)}
    world.expect(first == {"not_placed"}, f"the lost requests ended as {first}")
    world.expect(people.ends() == {"01": ANSWERED, "02": ANSWERED}, str(people.ends()))
    world.expect(len(people.dials()) == 2, f"{len(people.dials())} dials for two people")


def server_error(world: World) -> Iterator[None]:
    world.faults(error_before_rate=1.0)
    before = world.call(["01", "02"])
    world.wait(
        lambda: len({c.to_number for c in before.calls(stage="ended")}) == 2,
        "two refusals before the dial",
    )
    world.faults(error_after_dial_rate=1.0)
    after = world.call(["01", "02"])
    world.wait(
        lambda: len({dial["number"] for dial in after.dials()}) == 2, "two errors after the dial"
    )
    world.faults()
    yield
    for people in (before, after):
        world.expect(people.ends() == {"01": ANSWERED, "02": ANSWERED}, str(people.ends()))
        world.expect(len(people.dials()) == 2, f"{len(people.dials())} dials for two people")


def no_sip_node(world: World) -> Iterator[None]:
    """LiveKit's own 503: no SIP node took the call. (A proxy's 503 in HTML:
    tests/faults/test_proxy.py.)
    """
    refusal = {
        "twirp": {"code": "unavailable", "msg": "twirp error unknown: no response from servers"}
    }
    world.sandbox.ask("PUT", "behaviours", {world.next_number("01"): refusal})
    people = world.call(["01"])
    world.wait(
        lambda: len(people.calls(end_reason="livekit_unavailable")) >= 2,
        "a refusal, and another try",
    )
    world.sandbox.ask("DELETE", "behaviours")
    yield
    world.expect(people.ends() == {"01": ANSWERED}, str(people.ends()))
    world.expect(len(people.dials()) == 1, f"{len(people.dials())} dials for one person")


def hanging(world: World) -> Iterator[None]:
    """One request in ten is answered only when our patience is long over; the others do not wait
    for them.
    """
    world.faults(hang_rate=0.1, hang_seconds=60)
    people = world.call([f"{n:02}" for n in range(40)])
    world.wait(
        lambda: sum(p.status == "completed" for p in people.people()) >= 30,
        "three in four are through",
    )
    world.faults()
    yield
    world.expect(set(people.ends().values()) == {ANSWERED}, str(people.ends()))


def livekit_down(world: World) -> Iterator[None]:
    world.rest(60)  # how a call ends that is up when LiveKit dies nobody can know
    people = world.call([f"{n:02}" for n in range(50)], rate=10)
    people.ends_as_dialled = (
        False  # calls that are up die with LiveKit, and nothing tells how they would have ended
    )
    world.wait(lambda: len(people.dials()) >= 5, "calls are under way")
    gone = world.take_away("sandbox")
    try:
        world.wait(
            lambda: people.batch().error is not None, "the batch pauses itself, with a reason"
        )
        failures = len(people.calls(end_reason="livekit_unreachable"))
        time.sleep(3)
    finally:
        world.bring_back(gone)
    back = time.time()
    world.wait(world.sandbox.answers, "LiveKit is back")
    world.wait(lambda: any(dial["at"] > back for dial in people.dials()), "calls go on", seconds=30)
    yield
    world.expect(failures <= 60, f"{failures} failures until the batch paused itself")
    for person in people.people():
        world.expect(
            person.status == "review" or person.attempts == 1,
            f"{person}: {person.attempts} attempts",
        )


def webhooks(**rates: object) -> Scenario:
    """Repeated, reordered or lost: every call has one answer, one end, and the outcome of its
    number.
    """

    def scenario(world: World) -> Iterator[None]:
        world.faults(**rates)
        people = world.call(["00", "01", "02", "71", "77"])
        world.wait(people.at_rest, "everybody's outcome is known")
        world.faults()
        yield
        for call in people.calls(stage="ended", dialed_at__isnull=False):
            events = world.read(lambda call=call: list(CallEvent.unscoped.filter(call=call)))  # type: ignore[misc]
            kinds = [event.type for event in events]
            world.expect(
                kinds.count("ended") == 1 and kinds.count("answered") <= 1, f"{call}: {kinds}"
            )
            world.expect("alarm" not in kinds, f"{call} raised an alarm")
        world.expect(all(p.attempts == 1 for p in people.people()), str(people.ends()))

    return scenario


def foreign_webhooks(world: World) -> Iterator[None]:
    """Of a room that is nobody's, of another program's, and of a call long over."""
    people = world.call(["00"])
    world.wait(people.at_rest, "the call is over")
    yield
    old = people.calls(outcome="answered")[0]
    callee = {"identity": old.callee_identity, "kind": "SIP"}
    before = world.read(lambda: list(InboxEvent.objects.values_list("pk", flat=True)))
    for room in (f"vo-{uuid4()}", "somebody-elses", old.room):
        status = send_webhook(
            world, {"event": "participant_joined", "room": {"name": room}, "participant": callee}
        )
        world.expect(status == 200, f"a webhook of {room} was answered {status}")
    [now] = people.calls(pk=old.pk)
    same = (now.stage, now.outcome, now.ended_at, now.end_reason) == (
        *(old.stage, old.outcome),
        *(old.ended_at, old.end_reason),
    )
    world.expect(same, f"{old} was changed by a late webhook")
    stored = world.read(
        lambda: InboxEvent.objects.exclude(pk__in=before).filter(room="somebody-elses").count()
    )
    world.expect(stored == 0, "an event of another program's room was stored")


def send_webhook(world: World, event: dict[str, object]) -> int:
    """As LiveKit sends and signs it; the answer's status."""
    body = json.dumps(
        {"id": f"EV_{uuid4().hex}", "createdAt": str(int(time.time())), **event}
    ).encode()
    digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
    claims = {"iss": settings.LIVEKIT_API_KEY, "exp": int(time.time()) + 300, "sha256": digest}
    token = jwt.encode(claims, settings.LIVEKIT_API_SECRET, algorithm="HS256")
    headers = {"Authorization": token, "Content-Type": "application/webhook+json"}
    return requests.post(
        f"{world.url}/livekit/webhook", data=body, headers=headers, timeout=10
    ).status_code
