"""Callers share the threads of the web server."""

import pytest

from ops.serving.fair_queue import FairQueue, find_caller

ADDRESS = ("203.0.113.9", 50_000)


def head(line: str) -> bytes:
    return f"GET / HTTP/1.1\r\nHost: a\r\n{line}\r\n\r\n".encode()


def test_a_request_passes_those_of_a_caller_who_holds_a_thread() -> None:
    queue: FairQueue[str] = FairQueue()
    for name in ("flood 1", "flood 2", "flood 3"):
        queue.push("flood", name)
    held = [queue.pop(), queue.pop()]

    queue.push("calm", "calm 1")

    assert held == [("flood", "flood 1"), ("flood", "flood 2")]
    assert queue.pop() == ("calm", "calm 1")
    assert queue.pop() == ("flood", "flood 3")
    assert queue.pop() is None


def test_callers_who_hold_no_thread_are_served_in_turn() -> None:
    queue: FairQueue[str] = FairQueue()
    for name in ("a1", "a2", "a3", "b1", "b2", "c1"):
        queue.push(name[0], name)

    served = []
    while (turn := queue.pop()) is not None:
        served.append(turn.request)
        queue.end(turn)

    assert served == ["a1", "b1", "c1", "a2", "b2", "a3"]
    assert not queue


def test_a_caller_whose_request_has_ended_holds_no_thread() -> None:
    queue: FairQueue[str] = FairQueue()
    queue.push("a", "a1")
    turn = queue.pop()
    assert turn is not None
    queue.end(turn)
    queue.push("a", "a2")
    queue.push("b", "b1")

    assert queue.pop() == ("a", "a2")
    assert queue.pop() == ("b", "b1")


@pytest.mark.parametrize("name", ["Authorization", "X-API-Key", "cookie"])
def test_a_caller_is_known_by_its_credentials(name: str) -> None:
    first, again, other = (
        find_caller(head(f"{name}: {value}"), ADDRESS) for value in ("vo_1", "vo_1", "2")
    )

    assert first == again
    assert first not in (other, ADDRESS[0])
    assert "vo_1" not in first


@pytest.mark.parametrize(
    "request_head",
    [head("Accept: */*"), head("A: b\r\n\r\nAuthorization: in the body")],
)
def test_a_caller_without_credentials_is_known_by_its_address(request_head: bytes) -> None:
    assert find_caller(request_head, ADDRESS) == ADDRESS[0]


def test_callers_on_a_socket_of_the_file_system_are_one() -> None:
    assert find_caller(head("Accept: */*"), "") == ""
