"""F11 to F14: database and broker fail in the middle of a batch, and at the worst moment.

Each scenario is a generator. Up to its `yield` it causes the fault; after it, when every batch has
ended, it checks what must hold.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import requests
from django.db import connection

from ops.drill.line_faults import send_webhook, two_digits
from ops.drill.world import DrillBatch, World

DATABASE_RESTARTS = 2
DATABASE_OUTAGE_SECONDS = 6.0
# Intents that were committed before the database stopped may still be sent for this long.
SEND_WINDOW_SECONDS = 1.0
API_POLL_SECONDS = 0.1
JSON = "application/json"
# A standby that does not exist, so that PostgreSQL waits for it in every COMMIT.
MISSING_STANDBY = "'nobody'"


@contextmanager
def polling_api(world: World) -> Iterator[list[tuple[int, str]]]:
    """Request a list from the API again and again. Yields the (status, content type) of each
    response, to be read when the block has ended.
    """
    responses: list[tuple[int, str]] = []
    stop = threading.Event()

    def poll() -> None:
        while not stop.wait(API_POLL_SECONDS):
            with suppress(requests.RequestException):
                responses.append(request_batches(world))

    thread = threading.Thread(target=poll, daemon=True)
    thread.start()
    try:
        yield responses
    finally:
        stop.set()
        thread.join(30)


def request_batches(world: World) -> tuple[int, str]:
    """The status and content type of a response. Raises requests.RequestException."""
    headers = {"Authorization": str(world.api.http.headers["Authorization"])}
    response = requests.get(f"{world.url}/batches", headers=headers, timeout=20)
    return response.status_code, response.headers.get("Content-Type", "")


def crash_database(world: World) -> Iterator[None]:
    """PostgreSQL crashes twice and starts again. Workers dial again within ten seconds, and the API
    answers 503 in JSON meanwhile.
    """
    batch = world.start_batch(two_digits(40), rate=5)
    with polling_api(world) as responses:
        for restart in range(DATABASE_RESTARTS):
            batch.wait_for_dials(5 + 10 * restart)
            world.servers.postgres.crash()
            world.servers.postgres.start()
            wait_for_dial_since(world, batch, time.time(), seconds=10)
    yield
    failures = {response for response in responses if response[0] != 200}
    world.expect(
        failures <= {(503, JSON)}, f"the API answered {failures} while the database was away"
    )
    batch.expect_statuses("completed", "review")


def stop_database(world: World) -> Iterator[None]:
    """PostgreSQL is away for a while. Meanwhile nobody is dialed, and webhooks are answered 503, so
    that LiveKit repeats them.
    """
    batch = world.start_batch(two_digits(40), rate=5)
    batch.wait_for_dials(5)
    room = batch.dials()[0]["room"]
    world.servers.postgres.crash()
    stopped_at = time.time()
    try:
        status = send_webhook(world, {"event": "room_finished", "room": {"name": room}})
        time.sleep(DATABASE_OUTAGE_SECONDS)
        late = [dial for dial in batch.dials() if dial["at"] > stopped_at + SEND_WINDOW_SECONDS]
    finally:
        world.servers.postgres.start()
    wait_for_dial_since(world, batch, time.time(), seconds=15)
    yield
    world.expect(status == 503, f"a webhook was answered {status} while the database was away")
    world.expect(not late, f"{len(late)} recipients were dialed while the database was away")
    batch.expect_statuses("completed", "review")


def wait_for_dial_since(world: World, batch: DrillBatch, at: float, *, seconds: float) -> None:
    """Wait until the batch has dialed after the Unix time `at`. Raises ExpectationFailed."""
    world.wait_until(lambda: batch.has_dialed_since(at), "dialing continues", seconds=seconds)


def interrupt_commit(world: World) -> Iterator[None]:
    """The COMMIT of an intent is durable, but the connection dies before it is acknowledged. The
    worker must not send, and the recipient is dialed by a later attempt.

    To get there, PostgreSQL is made to wait for a standby that does not exist, and the waiting
    backend is terminated.
    """
    batch = world.start_batch(two_digits(10), rate=5)
    batch.wait_for_dials(2)
    configure(world, f"SET synchronous_standby_names = {MISSING_STANDBY}")
    try:
        world.wait_until(
            lambda: world.query(terminate_waiting_commits), "an intent waits in its COMMIT"
        )
    finally:
        configure(world, "RESET synchronous_standby_names")
    yield
    rooms = {dial["room"] for dial in batch.dials()}
    sent = [call for call in batch.calls(end_reason="not_placed") if call.room in rooms]
    world.expect(not sent, "an intent in doubt was sent")
    batch.expect_statuses("completed", "review")


def configure(world: World, change: str) -> None:
    """Change the server's configuration, and have it reloaded."""
    world.query(lambda: execute(f"ALTER SYSTEM {change}"))
    world.query(lambda: execute("SELECT pg_reload_conf()"))


def execute(statement: str) -> None:
    with connection.cursor() as cursor:
        # This session must not wait for the missing standby itself.
        cursor.execute("SET synchronous_commit TO local")
        cursor.execute(statement)


def terminate_waiting_commits() -> bool:
    """Terminate every backend that waits in COMMIT. True when an unsent intent was among what they
    had written.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM telephony_call WHERE stage = 'intent' AND dialed_at IS NULL"
        )
        [intents] = cursor.fetchone()
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND query = 'COMMIT'"
        )
        waiting = [pid for (pid,) in cursor.fetchall()]
        for pid in waiting:
            cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
    return bool(waiting and intents)


def stop_broker(world: World) -> Iterator[None]:
    """Redis is emptied, and then killed. Running batches go on, and a new one is found by the
    sweep.
    """
    batch = world.start_batch(two_digits(40), rate=5)
    batch.wait_for_dials(5)
    # Messages that were waiting are gone; rows still say what is due.
    reply = world.servers.send_to_redis("FLUSHALL")
    batch.wait_for_dials(10)
    world.servers.kill_redis()
    killed_at = time.time()
    try:
        wait_for_dial_since(world, batch, killed_at + 1.0, seconds=15)
        second = world.start_batch(two_digits(5))
        wait_for_dial_since(world, second, time.time(), seconds=30)
    finally:
        world.servers.start_redis()
    yield
    world.expect(reply == "+OK", f"FLUSHALL was answered {reply!r}")
    batch.expect_all_answered()
