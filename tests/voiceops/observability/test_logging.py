import json
import logging

import pytest

from voiceops.observability.structured_logging import (
    JsonFormatter,
    PlainFormatter,
    bind,
    log_context,
)


def record(message: str, *args: object, error: BaseException | None = None) -> logging.LogRecord:
    exc_info = (type(error), error, None) if error else None
    return logging.LogRecord("voiceops.x", logging.WARNING, __file__, 1, message, args, exc_info)


def test_an_entry_is_one_object_with_the_context_of_its_request() -> None:
    with log_context(request_id="r1"):
        bind(workspace="w1")
        line = JsonFormatter().format(record("first\nsecond %s", "third\r\n"))
    after = json.loads(JsonFormatter().format(record("later")))

    entry = json.loads(line)
    assert not {"\n", "\r"} & set(line)
    assert {**entry, "at": ""} == {
        "at": "",
        "level": "WARNING",
        "logger": "voiceops.x",
        "message": "first\nsecond third\r\n",
        "request_id": "r1",
        "workspace": "w1",
    }
    assert "request_id" not in after


def test_an_entry_for_a_terminal_is_one_line() -> None:
    assert PlainFormatter().format(record("one\r\ntwo")).endswith("WARNING voiceops.x one\\r\\ntwo")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Key (phone)=(+12025550186) exists", "Key (phone)=(+1202•••••86) exists"),
        ("ada.l@example.com failed", "•••@example.com failed"),
        ("key vo_abcdefgh_" + "x" * 38, "key •••"),
        ("whsec_" + "QUJD" * 10 + "=", "•••"),
        ("Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "Bearer •••"),
        ("amqp://user:p4ssword@broker:5672//", "amqp://•••@broker:5672//"),
        ("at 2026-11-25T10:00:00+00:00, 3+4", "at 2026-11-25T10:00:00+00:00, 3+4"),
    ],
)
def test_numbers_addresses_and_credentials_are_masked(text: str, expected: str) -> None:
    line = json.loads(JsonFormatter().format(record("%s", text, error=ValueError(text))))

    assert line["message"] == expected
    assert text == expected or text not in line["exception"]
