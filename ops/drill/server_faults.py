"""F11 to F14: the database and the broker go away, in the middle of a batch and at the worst
moment.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import requests
from django.db import connection

from ops.drill.line_faults import ANSWERED, send_webhook
from ops.drill.world import People, World

ENDINGS = [f"{n:02}" for n in range(40)]
JSON = "application/json"
HORIZON = 1.0  # seconds after the database went in which intents it had stored may still be sent
GONE = 6.0


@contextmanager
def asking(world: World) -> Iterator[list[tuple[int, str]]]:
    """Ask the API again and again meanwhile; the statuses and kinds of its answers."""
    seen: list[tuple[int, str]] = []
    stop = threading.Event()
    headers = {"Authorization": str(world.api.http.headers["Authorization"])}

    def ask() -> None:
        while not stop.wait(0.1):
            try:
                answer = requests.get(f"{world.url}/batches", headers=headers, timeout=20)
            except requests.RequestException:
                continue
            seen.append((answer.status_code, answer.headers.get("Content-Type", "")))

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join(30)


def called_on(people: People, at: float) -> bool:
    return any(dial["at"] > at for dial in people.dials())


def database_crashes(world: World) -> Iterator[None]:
    people = world.call(ENDINGS, rate=5)
    with asking(world) as seen:
        for restart in range(2):
            world.wait(
                lambda restart=restart: len(people.dials()) >= 5 + 10 * restart,  # type: ignore[misc]
                "calls under way",
            )
            world.servers.stop_postgres()
            world.servers.start_postgres()
            back = time.time()
            world.wait(lambda back=back: called_on(people, back), "workers call again", seconds=10)  # type: ignore[misc]
    yield
    kinds = {(status, kind) for status, kind in seen if status != 200}
    world.expect(kinds <= {(503, JSON)}, f"the API answered {kinds} while the database was away")
    world.expect({p.status for p in people.people()} <= {"completed", "review"}, str(people.ends()))


def database_away(world: World) -> Iterator[None]:
    people = world.call(ENDINGS, rate=5)
    world.wait(lambda: len(people.dials()) >= 5, "calls are under way")
    world.servers.stop_postgres()
    away = time.time()
    try:
        status = send_webhook(
            world, {"event": "room_finished", "room": {"name": people_room(people)}}
        )
        time.sleep(GONE)
        late = [dial for dial in people.dials() if dial["at"] > away + HORIZON]
    finally:
        world.servers.start_postgres()
    back = time.time()
    world.wait(lambda: called_on(people, back), "calls go on", seconds=15)
    yield
    world.expect(status == 503, f"a webhook was answered {status} while the database was away")
    world.expect(not late, f"{len(late)} people were dialled while the database was away")
    world.expect({p.status for p in people.people()} <= {"completed", "review"}, str(people.ends()))


def people_room(people: People) -> str:
    return str(people.dials()[0]["room"])


def commit_in_doubt(world: World) -> Iterator[None]:
    """An intent's COMMIT is durable, and the connection dies before it is acknowledged: PostgreSQL
    waits for a standby that does not exist, and the waiting backend is ended.
    """
    people = world.call(ENDINGS[:10], rate=5)
    world.wait(lambda: len(people.dials()) >= 2, "calls are under way")
    world.read(lambda: execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'"))
    world.read(lambda: execute("SELECT pg_reload_conf()"))
    try:
        world.wait(lambda: world.read(end_a_waiting_intent), "an intent waits for its COMMIT")
    finally:
        world.read(lambda: execute("ALTER SYSTEM RESET synchronous_standby_names"))
        world.read(lambda: execute("SELECT pg_reload_conf()"))
    yield
    doubtful = [call for call in people.calls() if call.end_reason == "not_placed"]
    rooms = {dial["room"] for dial in people.dials()}
    world.expect(all(call.room not in rooms for call in doubtful), "an intent in doubt was sent")
    world.expect({p.status for p in people.people()} <= {"completed", "review"}, str(people.ends()))


def execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit TO local")  # this session does not wait itself
        cursor.execute(statement)


def end_a_waiting_intent() -> bool:
    """End every backend that waits in COMMIT once there is an intent nobody else can have stored."""
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


def broker_away(world: World) -> Iterator[None]:
    people = world.call(ENDINGS, rate=5)
    world.wait(lambda: len(people.dials()) >= 5, "calls are under way")
    emptied = world.servers.redis("FLUSHALL")
    world.wait(lambda: len(people.dials()) >= 10, "calls go on without the messages")
    world.servers.kill_redis()
    gone = time.time()
    try:
        world.wait(
            lambda: called_on(people, gone + 1.0), "calls go on without the broker", seconds=15
        )
        second = world.call(ENDINGS[:5])
        uploaded = time.time()
        world.wait(
            lambda: called_on(second, uploaded),
            "a new batch is called without the broker",
            seconds=30,
        )
    finally:
        world.servers.start_redis()
    yield
    world.expect(emptied == "+OK", f"FLUSHALL was answered {emptied!r}")
    world.expect(set(people.ends().values()) == {ANSWERED}, str(people.ends()))
