"""A web process wakes the workers from a thread, once for many requests."""

import threading
from typing import Any

import pytest

from voiceops.core import task_queue


def test_equal_wake_ups_of_one_moment_are_sent_once(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []
    is_sending, may_go_on, are_all_sent = (threading.Event() for _ in range(3))

    def send(job: str, arguments: dict[str, Any]) -> bool:
        sent.append(job)
        is_sending.set()
        assert may_go_on.wait(timeout=10)
        if len(sent) == 3:
            are_all_sent.set()
        return False

    monkeypatch.setattr(task_queue, "_send", send)
    monkeypatch.setattr(task_queue, "_sender", None)
    task_queue.send_from_a_thread()
    assert task_queue.enqueue(task_queue.RUN_DISPATCHER)
    assert is_sending.wait(timeout=10)
    for job in (task_queue.RUN_SWEEP, *[task_queue.RUN_DISPATCHER] * 20):
        assert task_queue.enqueue(job)
    may_go_on.set()

    # Work that was recorded while the first message was under way has one of its own.
    assert are_all_sent.wait(timeout=10)
    assert sorted(sent) == sorted([task_queue.RUN_DISPATCHER] * 2 + [task_queue.RUN_SWEEP])


def test_a_message_with_arguments_is_sent_by_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []

    def send(job: str, arguments: dict[str, Any]) -> bool:
        sent.append((job, arguments))
        return False

    monkeypatch.setattr(task_queue, "_send", send)
    monkeypatch.setattr(task_queue, "_sender", task_queue._Sender())

    assert not task_queue.enqueue(task_queue.IMPORT_BATCH, batch_id="1")

    assert sent == [(task_queue.IMPORT_BATCH, {"batch_id": "1"})]
