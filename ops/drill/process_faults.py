"""F19 to F27: processes that stop, die, run twice or have the wrong time; and orders that cross
each other.
"""

import http
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import requests
from django.conf import settings

from accounts.models import AuditEntry
from ops.demo.client import Api, ApiError
from ops.drill.line_faults import ANSWERED
from ops.drill.world import People, World
from telephony.models import CallEvent
from voiceops.core.clock import database_now
from voiceops.core.errors import DomainError

ENDINGS = [f"{n:02}" for n in range(30)]
DEPLOYS = 10
EXIT_SECONDS = 30.0
CLAIMS_STOP = 1.0  # seconds after SIGTERM


def reconcilers_at_once(world: World) -> Iterator[None]:
    world.faults(drop_after_dial_rate=1.0)
    people = world.call(ENDINGS)
    world.wait(lambda: len(people.dials()) >= 20, "dials whose answers are lost")
    running = [world.manage("reconcile_calls") for _ in range(4)]
    time.sleep(2.0)
    running[0].kill()
    for process in running:
        process.wait(timeout=60)
    world.faults()
    yield
    world.expect(set(people.ends().values()) == {ANSWERED}, str(people.ends()))
    for call in people.calls(stage="ended", dialed_at__isnull=False):
        ends = world.read(
            lambda call=call: CallEvent.unscoped.filter(call=call, type="ended").count()  # type: ignore[misc]
        )
        world.expect(ends == 1, f"{call} ended {ends} times")


def wrong_clock(world: World) -> Iterator[None]:
    """A worker five minutes fast calls alone; then one five minutes slow shares a list with it.
    Leases, tokens and time slots go by the database's clock.
    """
    gone = [world.take_away(name) for name in ("worker", "worker2")]
    skewed = [worker_at("+300s")]
    try:
        alone = world.call(["00", "01", "02", "71", "77"])
        world.wait(alone.at_rest, "everybody is called by a worker with a fast clock")
        skewed.append(worker_at("-300s"))
        shared = world.call(ENDINGS[:20], rate=5)
        world.wait(shared.at_rest, "everybody is called by workers ten minutes apart")
    finally:
        for process in skewed:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        for one in gone:
            world.bring_back(one)
    yield
    for people, count in ((alone, 5), (shared, 20)):
        world.expect(
            len(people.dials()) == count, f"{len(people.dials())} dials for {count} people"
        )
        again = [call for call in people.calls() if call.sequence > 1]
        world.expect(not again, f"{len(again)} calls were taken from one worker by the other")
        world.expect(not people.calls(end_reason="livekit_key_refused"), "LiveKit refused tokens")


def worker_at(skew: str) -> subprocess.Popen[bytes]:
    """A worker whose wall clock is off by so much. Raises DomainError without `faketime`."""
    program = shutil.which("faketime")
    if program is None:
        raise DomainError("faketime is not installed (apt-get install faketime)")
    command = [
        program,
        "-f",
        skew,
        sys.executable,
        "-m",
        "celery",
        "-A",
        "voiceops",
        "worker",
        "-n",
        f"{skew}@%h",
    ]
    flags = [
        "--pool",
        "threads",
        "--concurrency",
        "8",
        "--without-gossip",
        "--without-mingle",
        "--loglevel",
        "WARNING",
    ]
    environment = {**os.environ, "FAKETIME_DONT_FAKE_MONOTONIC": "1", "VO_FAIL": ""}
    log = (Path(settings.DATA_DIR) / "logs" / f"skewed{skew}.log").open("ab")
    return subprocess.Popen(  # noqa: S603 our own command, no shell
        [*command, *flags],
        cwd=settings.BASE_DIR,
        env=environment,
        stdout=log,
        stderr=log,
        process_group=0,
    )


def stopped_before_send(world: World) -> Iterator[None]:
    """A worker stands still between an intent and its send until the fence has closed, and goes on."""
    people = world.call(ENDINGS, rate=5)
    world.wait(lambda: world.struck("after_intent"), "a worker stops after an intent")
    struck = world.struck("after_intent")
    time.sleep(settings.DIAL_FENCE_SECONDS + 3)
    for name in ("worker", "worker2"):
        world.blow(name, signal.SIGCONT)
    world.wait(people.at_rest, "everybody is called", seconds=60)
    yield
    sent = {dial["room"]: dial["at"] for dial in people.dials()}
    for call in people.calls(pk__in=struck):
        if call.room not in sent:
            world.expect(
                call.end_reason in ("not_placed", "in_doubt"), f"{call} ended {call.end_reason}"
            )
        # Nobody had judged it when its worker went on: that put it back, and sent it by a new
        # intent.
        else:
            fence = call.not_after
            world.expect(
                fence is not None and sent[call.room] <= fence.timestamp(),
                f"{call} was sent after its fence",
            )


def deploys(world: World) -> Iterator[None]:
    """Ten times the worker and the web server are told to end, and started anew, while people are
    called.
    """
    people = world.call([f"{n:02}" for n in range(100)], rate=10)
    slowest, late = 0.0, 0
    with Visitor(f"{world.url}/healthz") as visitor:
        for deploy in range(DEPLOYS):
            world.wait(
                lambda deploy=deploy: len(people.dials()) >= 9 * (deploy + 1),  # type: ignore[misc]
                "calls under way",
            )
            old = world.process("worker").process
            began = world.read(database_now)
            world.blow("worker", signal.SIGTERM)
            os.kill(world.process("web").process.pid, signal.SIGTERM)
            slowest = max(
                slowest,
                world.wait(lambda old=old: old.poll() is not None, "the worker exits"),  # type: ignore[misc]
            )
            claims = people.calls(
                created_at__gt=began + timedelta(seconds=CLAIMS_STOP),
                created_at__lt=world.read(database_now),
            )
            late += len(claims) if old is world.process("worker").process else 0
    yield
    world.expect(slowest <= EXIT_SECONDS, f"an exit took {slowest:.1f} s")
    world.expect(late == 0, f"{late} people were claimed more than a second after SIGTERM")
    world.expect(
        not visitor.turned_away, f"of {visitor.visits} requests failed: {visitor.turned_away[:5]}"
    )


class Visitor(threading.Thread):
    """Asks the web server all the time, on a new connection each time, until the block ends."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.url = url
        self.visits = 0
        self.turned_away: list[str] = []
        self.over = threading.Event()

    def __enter__(self) -> "Visitor":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.join(timeout=EXIT_SECONDS)

    def run(self) -> None:
        while not self.over.wait(0.05):
            self.visits += 1
            try:
                with requests.Session() as client:
                    client.trust_env = False
                    status = client.get(self.url, timeout=EXIT_SECONDS).status_code
            except requests.RequestException as error:
                self.turned_away.append(str(error))
            else:
                if status != http.HTTPStatus.OK:
                    self.turned_away.append(str(status))


def livekit_killed_mid_ring(world: World) -> Iterator[None]:
    world.rest(60)  # how a call ends that is up when LiveKit dies nobody can know
    people = world.call(["60", "61", "62", "63", "64"])
    people.ends_as_dialled = False
    world.wait(lambda: people.calls(stage="ringing") or len(people.dials()) == 5, "phones ring")
    world.blow("sandbox", signal.SIGKILL)
    time.sleep(0.5)
    world.wait(world.sandbox.answers, "LiveKit is back")
    yield
    ends = {person.status for person in people.people()}
    world.expect(ends <= {"failed", "review"}, str(people.ends()))
    world.expect(max(p.attempts for p in people.people()) <= 1, str(people.ends()))


def agent_away(world: World) -> Iterator[None]:
    """No agent comes: nobody is dialled until one does."""
    world.sandbox.ask("PUT", "agent", {"online": False})
    people = world.call(["00", "01"])
    world.wait(
        lambda: people.calls(end_reason="no_agent"), "calls are given up for want of an agent"
    )
    dialled = len(people.dials())
    world.sandbox.ask("PUT", "agent", {"online": True})
    yield
    world.expect(dialled == 0, f"{dialled} people were dialled without an agent")
    world.expect(people.ends() == {"00": ANSWERED, "01": ANSWERED}, str(people.ends()))


def two_starts(world: World) -> Iterator[None]:
    people = world.call(["00", "01"], start="manual")
    world.wait(lambda: people.batch().status == "ready", "the list is read")
    statuses: list[int] = []

    def start() -> None:
        api = Api(world.url, **world.api.credentials)
        api.log_in()
        try:
            api.post(f"/batches/{people.batch_id}/start")
            statuses.append(200)
        except ApiError as error:
            statuses.append(error.status)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    yield
    started = world.read(
        lambda: AuditEntry.unscoped.filter(
            action="batch.started", object_id=people.batch_id
        ).count()
    )
    world.expect(
        sorted(statuses) == [200, 400, 400, 400], f"four starts were answered {sorted(statuses)}"
    )
    world.expect(started == 1, f"{started} starts in the audit log")
    world.expect(len(people.dials()) == 2, f"{len(people.dials())} dials for two people")


def same_number_twice(world: World) -> Iterator[None]:
    """In one list and in two spellings: one person. On two lists: the workspace's cap decides."""
    first = People(world, area=int(world.next_number("01")[2:5]))
    numbers = [f"+1{first.area}5550101", f"({first.area}) 555-0101", f"1-{first.area}-555-0101"]
    world.call_list(first, "phone\n" + "\n".join(numbers) + "\n", default_country="US")
    world.wait(first.at_rest, "the list is called")
    workspace = world.read(lambda: first.batch().workspace_id)
    world.api.patch(f"/workspaces/{workspace}", {"max_attempts_per_day": 1})
    second = People(world, area=first.area)
    world.call_list(second, f"phone\n{numbers[0]}\n")
    world.wait(second.at_rest, "the second list is refused")
    world.api.patch(f"/workspaces/{workspace}", {"max_attempts_per_day": None})
    yield
    found = sorted((person.status, person.reason) for person in first.people())
    world.expect([status for status, _ in found] == ["completed", "skipped", "skipped"], str(found))
    world.expect([p.reason for p in second.people()] == ["daily_cap"], str(second.ends()))
    dials = len(first.dials()) + len(second.dials())
    world.expect(dials == 1, f"{dials} dials for one person")


def orders_between_claim_and_intent(world: World) -> Iterator[None]:
    """Reserved calls wait for their slots: paused, suppressed and stopped people among them are not
    dialled.
    """
    paused, stopped, suppressed = (world.call(ENDINGS[:8], rate=1) for _ in range(3))
    for people in (paused, stopped, suppressed):
        world.wait(
            lambda people=people: len(people.dials()) >= 2 and people.calls(stage="reserved"),  # type: ignore[misc]
            "slots",
        )
    paused.order("pause")
    at_pause = time.time()
    stopped.order("stop")
    at_stop = time.time()
    for person in suppressed.people():
        world.api.post("/suppressions", {"phone_number": person.phone_number, "reason": "asked"})
    at_suppression = time.time()
    time.sleep(4.0)
    late = [d for d in paused.dials() if d["at"] > at_pause + 2]
    late += [d for d in stopped.dials() if d["at"] > at_stop + 2]
    late += [d for d in suppressed.dials() if d["at"] > at_suppression + 1]
    paused.order("resume")
    yield
    world.expect(not late, f"{len(late)} people were dialled after the order")
    ends = {
        call.end_reason
        for people in (paused, stopped, suppressed)
        for call in people.calls(dialed_at=None)
    }
    world.expect(
        "suppressed" in ends and ends & {"batch_paused", "batch_stopped"} != set(),
        f"refusals: {ends}",
    )
    world.expect(set(paused.ends().values()) == {ANSWERED}, str(paused.ends()))
    world.expect(
        {p.status for p in stopped.people()} <= {"completed", "cancelled"}, str(stopped.ends())
    )
    world.expect(
        {p.status for p in suppressed.people()} <= {"completed", "skipped"}, str(suppressed.ends())
    )
