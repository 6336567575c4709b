"""The file broker: what a reader finds while another process writes."""

import threading
from pathlib import Path
from queue import Empty
from typing import Any

import pytest
from kombu import Connection

from voiceops.core import file_broker

MESSAGES = 300


@pytest.fixture
def options(tmp_path: Path) -> dict[str, Any]:
    for name in ("queue", "control"):
        (tmp_path / name).mkdir()
    folders = {"data_folder_in": tmp_path / "queue", "data_folder_out": tmp_path / "queue"}
    control = {"control_folder": tmp_path / "control", "store_processed": False}
    return {
        name: str(value) if isinstance(value, Path) else value
        for name, value in {**folders, **control}.items()
    }


def read_until(
    done: threading.Event, options: dict[str, Any], got: list[int], broken: list[Exception]
) -> None:
    with Connection(
        "filesystem://", transport=file_broker.Transport, transport_options=options
    ) as connection:
        channel: Any = connection.default_channel
        while not broken:
            over = done.is_set()
            try:
                got.append(channel._get("calls")["number"])
            except Empty:
                if over:
                    return
            except ValueError as error:
                broken.append(error)


def test_concurrent_readers_get_every_message_whole_and_once(options: dict[str, Any]) -> None:
    got: list[int] = []
    broken: list[Exception] = []
    done = threading.Event()
    readers = [
        threading.Thread(target=read_until, args=(done, options, got, broken)) for _ in range(2)
    ]

    for reader in readers:
        reader.start()
    with Connection(
        "filesystem://", transport=file_broker.Transport, transport_options=options
    ) as connection:
        channel: Any = connection.default_channel
        for number in range(MESSAGES):
            channel._put("calls", {"number": number})
    done.set()
    for reader in readers:
        reader.join(30)

    assert broken == []
    assert sorted(got) == list(range(MESSAGES))


def test_binding_a_queue_twice_stores_it_once(options: dict[str, Any]) -> None:
    with Connection(
        "filesystem://", transport=file_broker.Transport, transport_options=options
    ) as connection:
        channel: Any = connection.default_channel
        for _ in range(2):
            channel._queue_bind("calls", "calls", "", "calls")

        assert [tuple(row) for row in channel.get_table("calls")] == [("calls", "", "calls")]


def test_the_celery_application_uses_this_transport() -> None:
    assert isinstance(Connection("filesystem://").transport, file_broker.Transport)
