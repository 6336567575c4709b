"""F19 to F24: processes that stop, die, run in parallel or have the wrong time.

Each scenario is a generator. Up to its `yield` it causes the fault; after it, when every batch has
ended, it checks what must hold.
"""

import http
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import requests
from django.conf import settings

from ops.drill.line_faults import two_digits
from ops.drill.world import DrillBatch, World
from ops.serving.processes import worker_command
from telephony.models import Call, CallEvent
from voiceops.core.clock import database_now
from voiceops.core.errors import DomainError

RECONCILERS = 4
DEPLOYS = 10
MAX_EXIT_SECONDS = 30.0
CLAIMS_STOP_SECONDS = 1.0  # after SIGTERM
HEALTH_POLL_SECONDS = 0.05


def run_parallel_reconcilers(world: World) -> Iterator[None]:
    """Four processes reconcile the same lost calls, and one is killed. Each call ends once."""
    world.set_livekit_faults(drop_after_dial_rate=1.0)
    batch = world.start_batch(two_digits(30))
    batch.wait_for_dials(20)  # their responses are lost
    reconcilers = [world.start_command("reconcile_calls") for _ in range(RECONCILERS)]
    # By now they are in the middle of their work, and the killed one holds locks.
    time.sleep(2.0)
    reconcilers[0].kill()
    for process in reconcilers:
        process.wait(timeout=60)
    world.set_livekit_faults()
    yield
    batch.expect_all_answered()
    for call in batch.calls(stage="ended", dialed_at__isnull=False):
        ends = world.query(CallEvent.unscoped.filter(call=call, type="ended").count)
        world.expect(ends == 1, f"{call} ended {ends} times")


def skew_clocks(world: World) -> Iterator[None]:
    """A worker that is five minutes fast calls alone; then one that is five minutes slow shares a
    batch with it. Leases, tokens and time slots go by the database's clock, so nothing happens.
    """
    removed = [world.kill_and_hold(name) for name in ("worker", "worker2")]
    try:
        with skewed_worker("+300s"):
            alone = world.start_batch(["00", "01", "02", "71", "77"])
            world.wait_until(alone.has_ended, "a worker with a fast clock calls everyone")
            with skewed_worker("-300s"):
                shared = world.start_batch(two_digits(20), rate=5)
                world.wait_until(shared.has_ended, "workers ten minutes apart call everyone")
    finally:
        for service in removed:
            world.restore(service)
    yield
    for batch in (alone, shared):
        batch.expect_one_dial_each()
        repeated = [call for call in batch.calls() if call.sequence > 1]
        world.expect(not repeated, f"one worker seized {len(repeated)} calls of the other")
        refused = batch.calls(end_reason="livekit_key_refused")
        world.expect(not refused, "LiveKit refused tokens")


@contextmanager
def skewed_worker(skew: str) -> Iterator[None]:
    """A worker whose wall clock differs by `skew`, for example "+300s"; killed at the end.

    Raises DomainError when `faketime` is not installed.
    """
    program = shutil.which("faketime")
    if program is None:
        raise DomainError("faketime is not installed (apt-get install faketime)")
    # Timeouts use the monotonic clock, which must go on; and no failpoint may kill this worker.
    environment = {**os.environ, "FAKETIME_DONT_FAKE_MONOTONIC": "1", "VO_FAIL": ""}
    log_path = Path(settings.DATA_DIR) / "logs" / f"skewed{skew}.log"
    with log_path.open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 our own command, no shell
            [program, "-f", skew, *worker_command(skew)],
            cwd=settings.BASE_DIR,
            env=environment,
            stdout=log,
            stderr=log,
            process_group=0,
        )
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def pause_worker_before_send(world: World) -> Iterator[None]:
    """A worker is suspended between an intent and its send until the fence has closed, and then
    continues. What it then sends is refused or belongs to a new intent.
    """
    batch = world.start_batch(two_digits(30), rate=5)
    world.wait_until(lambda: world.calls_hit_at("after_intent"), "a worker stops after an intent")
    suspended = world.calls_hit_at("after_intent")
    # Once the fence has closed, reconciliation may put the call back.
    time.sleep(settings.DIAL_FENCE_SECONDS + 3)
    for name in ("worker", "worker2"):
        world.send_signal(name, signal.SIGCONT)
    world.wait_until(batch.has_ended, "every recipient is called", seconds=60)
    yield
    sent_at = {dial["room"]: dial["at"] for dial in batch.dials()}
    for call in batch.calls(pk__in=suspended):
        if call.room in sent_at:
            expect_sent_before_fence(world, call, sent_at[call.room])
        else:
            # `abandoned`: the worker took its intent back when it continued, under a lease that had
            # expired, and another worker found it first. Nothing was sent.
            unsent = call.end_reason in ("abandoned", "not_placed", "in_doubt")
            world.expect(unsent, f"{call} ended {call.end_reason}")


def expect_sent_before_fence(world: World, call: Call, sent_at: float) -> None:
    """A suspended call may still have been sent when its worker continued before reconciliation had
    reached it: the worker then takes the intent back, and sends the call with a new one.
    """
    fence = call.not_after
    before_fence = fence is not None and sent_at <= fence.timestamp()
    world.expect(before_fence, f"{call} was sent after its fence")


def deploy_under_load(world: World) -> Iterator[None]:
    """Worker and web server are stopped and started again ten times while a batch is called.

    Workers exit within 30 s and claim nothing more than one second after SIGTERM; the web server
    refuses nobody.
    """
    batch = world.start_batch(two_digits(100), rate=10)
    slowest_exit = 0.0
    late_claims = 0
    with HealthPoller(f"{world.url}/healthz") as poller:
        for deploy in range(1, DEPLOYS + 1):
            batch.wait_for_dials(9 * deploy)
            seconds, claims = restart_worker_and_web(world, batch)
            slowest_exit = max(slowest_exit, seconds)
            late_claims += claims
    yield
    world.expect(slowest_exit <= MAX_EXIT_SECONDS, f"an exit took {slowest_exit:.1f} s")
    world.expect(
        late_claims == 0, f"{late_claims} recipients were claimed over a second after SIGTERM"
    )
    failed = poller.failures
    world.expect(not failed, f"of {poller.requests} requests failed: {failed[:5]}")


def restart_worker_and_web(world: World, batch: DrillBatch) -> tuple[float, int]:
    """Send both SIGTERM. Returns how many seconds the worker took to exit, and how many calls it
    claimed when it should not have any more.
    """
    old = world.running_service("worker").process
    stopped_at = world.query(database_now)
    world.send_signal("worker", signal.SIGTERM)
    # Only gunicorn's master: it must drain its workers itself.
    os.kill(world.running_service("web").process.pid, signal.SIGTERM)
    seconds = world.wait_until(lambda: old.poll() is not None, "the worker exits")
    claims = batch.calls(
        created_at__gt=stopped_at + timedelta(seconds=CLAIMS_STOP_SECONDS),
        created_at__lt=world.query(database_now),
    )
    # When its successor runs already, these claims may be the successor's.
    is_successor_running = old is not world.running_service("worker").process
    return seconds, 0 if is_successor_running else len(claims)


class HealthPoller(threading.Thread):
    """Requests a URL again and again, each time on a new connection, until its block ends."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.url = url
        self.requests = 0
        self.failures: list[str] = []
        self.is_over = threading.Event()

    def __enter__(self) -> "HealthPoller":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.is_over.set()
        self.join(timeout=MAX_EXIT_SECONDS)

    def run(self) -> None:
        while not self.is_over.wait(HEALTH_POLL_SECONDS):
            self.requests += 1
            try:
                with requests.Session() as client:
                    client.trust_env = False
                    status = client.get(self.url, timeout=MAX_EXIT_SECONDS).status_code
            except requests.RequestException as error:
                self.failures.append(str(error))
            else:
                if status != http.HTTPStatus.OK:
                    self.failures.append(str(status))


def remove_agent(world: World) -> Iterator[None]:
    """No agent joins the rooms. Nobody is dialed until one does."""
    world.sandbox.request("PUT", "agent", {"online": False})
    batch = world.start_batch(["00", "01"])
    world.wait_until(
        lambda: batch.calls(end_reason="no_agent"), "calls are given up for want of an agent"
    )
    dialed = len(batch.dials())
    world.sandbox.request("PUT", "agent", {"online": True})
    yield
    world.expect(dialed == 0, f"{dialed} recipients were dialed without an agent")
    batch.expect_all_answered()
