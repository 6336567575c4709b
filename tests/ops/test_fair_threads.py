"""Callers share the threads of the web server."""

import socket
import struct
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from ops.serving.fair_threads import QUICK_AT_ONCE, FairThreads, find_caller
from ops.serving.web_worker import SOCKET_STALL_SECONDS, WebWorker
from tests.ops.processes import becomes_true

ADDRESS = ("203.0.113.9", 50_000)


def test_a_request_passes_those_of_a_caller_who_has_a_thread() -> None:
    threads = FairThreads(2)
    done: list[str] = []
    gates = [threading.Semaphore(0) for _ in range(2)]
    started = threading.Semaphore(0)

    def wait_for(gate: threading.Semaphore) -> None:
        started.release()
        gate.acquire(timeout=10)

    held = [threads.submit("flood", wait_for, gate) for gate in gates]
    for _ in held:
        assert started.acquire(timeout=10)
    flood = [threads.submit("flood", done.append, "flood") for _ in range(20)]
    calm = threads.submit("calm", done.append, "calm")
    gates[0].release()
    calm.result(timeout=10)

    assert done[0] == "calm"
    gates[1].release()
    for future in [*held, *flood]:
        future.result(timeout=10)
    assert done == ["calm", *["flood"] * 20]
    threads.shutdown()


def test_a_caller_who_holds_many_threads_leaves_some_for_others() -> None:
    threads = FairThreads(12)
    gate = threading.Event()
    held: list[int] = []
    done: list[int] = []

    def read_slowly(number: int) -> bool:
        held.append(number)
        return gate.wait(timeout=30)

    slow = [threads.submit("slow", read_slowly, number) for number in range(30)]
    try:
        assert becomes_true(lambda: len(held) == 8, seconds=20)
        for number in range(4):
            threads.submit(f"other {number}", done.append, number).result(timeout=20)
        meanwhile = len(held)
    finally:
        gate.set()
    answers = [future.result(timeout=20) for future in slow]
    threads.shutdown()

    assert (done, meanwhile, answers) == ([0, 1, 2, 3], 8, [True] * 30)


def test_callers_without_a_thread_are_served_in_turn() -> None:
    threads = FairThreads(1)
    done: list[str] = []
    gate, started = threading.Semaphore(0), threading.Semaphore(0)

    def wait() -> None:
        started.release()
        gate.acquire(timeout=10)

    threads.submit("other", wait)
    assert started.acquire(timeout=10)
    jobs = [threads.submit(name, done.append, name) for name in ("a", "a", "a", "b", "b", "c")]
    gate.release()
    for job in jobs:
        job.result(timeout=10)

    assert done == ["a", "b", "c", "a", "b", "a"]
    threads.shutdown()


def test_few_quick_jobs_run_at_once() -> None:
    threads = FairThreads(16)
    lock, running, most = threading.Lock(), 0, 0

    def compute() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.001)
        with lock:
            running -= 1

    for future in [threads.submit("a", compute) for _ in range(40)]:
        future.result(timeout=10)

    assert most == QUICK_AT_ONCE
    threads.shutdown()


def test_jobs_that_take_long_hold_back_no_other_while_a_thread_is_free() -> None:
    threads = FairThreads(4)
    gate = threading.Event()

    held = [threads.submit("a", gate.wait, 10) for _ in range(3)]

    assert threads.submit("b", lambda: "quick").result(timeout=5) == "quick"
    gate.set()
    assert [future.result(timeout=5) for future in held] == [True] * 3
    threads.shutdown()


def test_what_was_submitted_before_the_shutdown_is_run() -> None:
    threads = FairThreads(4)
    gate = threading.Event()
    futures = [threads.submit("a", gate.wait, 10) for _ in range(4)]

    threads.shutdown(wait=False)
    gate.set()

    assert [future.result(timeout=5) for future in futures] == [True] * 4


def test_an_error_is_raised_where_the_result_is_read() -> None:
    threads = FairThreads(1)

    future = threads.submit("a", lambda: 1 // 0)

    with pytest.raises(ZeroDivisionError):
        future.result(timeout=10)
    assert threads.submit("a", lambda: "next").result(timeout=10) == "next"
    threads.shutdown()


def caller_of(request: bytes) -> str:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(request)
        found = find_caller(ours, ADDRESS)
        assert ours.recv(65_536) == request  # nothing of it was taken
    return found


def head(line: str) -> bytes:
    return f"GET / HTTP/1.1\r\nHost: a\r\n{line}\r\n\r\n".encode()


@pytest.mark.parametrize("name", ["Authorization", "X-API-Key", "cookie"])
def test_a_caller_is_known_by_its_credentials(name: str) -> None:
    first, again, other = (caller_of(head(f"{name}: {value}")) for value in ("vo_1", "vo_1", "2"))

    assert first == again
    assert first not in (other, ADDRESS[0])
    assert "vo_1" not in first


@pytest.mark.parametrize(
    "request_head",
    [lambda: head("Accept: */*"), lambda: head("A: b\r\n\r\nAuthorization: in the body")],
)
def test_a_caller_without_credentials_is_known_by_its_address(
    request_head: Callable[[], bytes],
) -> None:
    assert caller_of(request_head()) == ADDRESS[0]


def test_a_connection_on_which_nothing_arrived_is_not_waited_for() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert find_caller(ours, ADDRESS) == ADDRESS[0]
        assert find_caller(ours, "") == ""


def test_a_client_that_stalls_lets_its_thread_go() -> None:
    worker = WebWorker.__new__(WebWorker)
    worker.tpool, worker.handle = FairThreads(1), lambda connection: connection.sock.recv(1)
    worker.method_queue = SimpleNamespace(defer=lambda *_: None)
    worker.cfg = SimpleNamespace(is_ssl=False)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"GET /healthz HTTP/1.1\r\n\r\n")
        worker.enqueue_req(
            SimpleNamespace(sock=ours, client=ADDRESS, initialized=False, parser=None)
        )

        options = (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO)
        stalls = [ours.getsockopt(socket.SOL_SOCKET, option, 16) for option in options]
        worker.tpool.shutdown()
    assert [struct.unpack("ll", stall) for stall in stalls] == [(SOCKET_STALL_SECONDS, 0)] * 2
