"""Invalid bodies under /_sandbox are refused and change nothing."""

from typing import Any

import requests

from sandbox.livekit.twirp import HTTP_STATUS
from tests import sandbox_server

ERROR_CODE = ", ".join(HTTP_STATUS)
INVALID_BODIES: list[tuple[str, Any, str]] = [
    ("faults", {"refuse": 1}, "unknown fault refuse"),
    ("faults", {"refuse_rate": 2}, "refuse_rate must be between 0 and 1"),
    ("faults", {"refuse_rate": "x"}, "refuse_rate must be a number, 0 or greater"),
    (
        "faults",
        {"refuse_rate": 0.6, "hang_rate": 0.6},
        "the rates of the dial faults add up to more than 1",
    ),
    ("faults", {"webhook_reorder": "no"}, "webhook_reorder must be true or false"),
    ("faults", {"seed": 1.5}, "seed must be a whole number"),
    ("faults", [], "an object is expected"),
    ("behaviours", [], "an object is expected"),
    ("behaviours", {"+1": 486}, "an object is expected"),
    ("behaviours", {"+1": {"sip": 486}}, "unknown field sip"),
    ("behaviours", {"+1": {"talk": "long"}}, "talk must be a number, 0 or greater, or null"),
    ("behaviours", {"+1": {"rings": None}}, "rings must be a number, 0 or greater"),
    ("behaviours", {"+1": {"sip_code": 200}}, "sip_code must be a SIP status from 300 to 699"),
    (
        "behaviours",
        {"+1": {"headers": {"X-Twilio-Error": 32203}}},
        "headers must be an object of texts",
    ),
    ("behaviours", {"+1": {"hangs_up": "nobody"}}, "hangs_up must be agent or callee"),
    ("behaviours", {"+1": {"mute": 1}}, "mute must be true or false"),
    (
        "behaviours",
        {"+1": {"twirp": "busy"}},
        f"twirp must be an object whose code is one of {ERROR_CODE}",
    ),
    ("twilio", {"balance": "nan"}, "balance must be a number"),
    ("twilio", {"inventory": None}, "inventory must be a list"),
    ("twilio", {"faults": {}}, "faults must be a list"),
    (
        "twilio",
        {"faults": [{"method": "POST", "path": "/", "times": "1"}]},
        "times must be a number, 0 or greater",
    ),
    ("twilio", {"faults": [{"method": 1, "path": "/"}]}, "method must be a text"),
    (
        "twilio",
        {"faults": [{"method": "POST", "path": "/", "status": 7}]},
        "status must be 0, or from 100 to 599",
    ),
]


def test_invalid_body_is_refused_with_a_sentence() -> None:
    """An invalid behaviour must not break the call that it is for."""
    with sandbox_server.start() as box:
        answers = [
            requests.put(f"{box.url}/_sandbox/{path}", json=body, timeout=5)
            for path, body, _ in INVALID_BODIES
        ]

    assert [(answer.status_code, answer.json()["detail"]) for answer in answers] == [
        (400, sentence) for _, _, sentence in INVALID_BODIES
    ]


def test_partly_invalid_body_changes_nothing() -> None:
    with sandbox_server.start() as box:
        before = box.control("GET", "twilio")

        requests.put(
            f"{box.url}/_sandbox/twilio", json={"balance": 5, "inventory": ["nonsense"]}, timeout=5
        )

        assert box.control("GET", "twilio") == before
