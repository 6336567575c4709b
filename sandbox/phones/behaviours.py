"""What named numbers do instead of the table (PUT /_sandbox/behaviours)."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from sandbox.livekit.sip_errors import Refusal, sip_refusal
from sandbox.livekit.twirp import HTTP_STATUS, TwirpError
from sandbox.phones.callee import Callee, callee_of_number

SECONDS_EXPECTED = "a number, 0 or greater"
ERROR_EXPECTED = f"an object whose code is one of {', '.join(HTTP_STATUS)}"


def _is_seconds(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_headers(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())


def _is_error(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.get("code") in HTTP_STATUS
        and (value.get("meta") is None or _is_headers(value["meta"]))
    )


# Each field's check, and what the error message says is expected.
BEHAVIOUR_FIELDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "sip_code": (
        lambda value: type(value) is int and 300 <= value <= 699,
        "a SIP status from 300 to 699",
    ),
    "phrase": (lambda value: value is None or isinstance(value, str), "a text"),
    "headers": (lambda value: value is None or _is_headers(value), "an object of texts"),
    "twirp": (_is_error, ERROR_EXPECTED),
    "failure": (_is_error, ERROR_EXPECTED),
    "answer_after": (_is_seconds, SECONDS_EXPECTED),
    "trying": (_is_seconds, SECONDS_EXPECTED),
    "rings": (_is_seconds, SECONDS_EXPECTED),
    "talk": (lambda value: value is None or _is_seconds(value), f"{SECONDS_EXPECTED}, or null"),
    "machine": (_is_flag, "true or false"),
    "hangs_up": (lambda value: value in ("agent", "callee"), "agent or callee"),
    "mute": (_is_flag, "true or false"),
}


@dataclass
class Phones:
    """All phones. `behaviours` overrides the table of callee.py for exact numbers."""

    behaviours: dict[str, Callee] = field(default_factory=dict)

    def callee_of(self, number: str, *, earlier_dials: int) -> Callee:
        return self.behaviours.get(number) or callee_of_number(number, earlier_dials=earlier_dials)


def parse_behaviour(body: Any) -> Callee:
    """Parse one entry of PUT behaviours.

    Raises ValueError with a sentence that names the problem.
    """
    _validate(body)
    callee = Callee()
    # These fields have the names of Callee's attributes.
    for name in ("trying", "rings", "talk", "machine", "hangs_up", "mute"):
        if name in body:
            callee = replace(callee, **{name: body[name]})
    if "answer_after" in body:
        callee = replace(callee, trying=0.0, rings=float(body["answer_after"]))
    if "sip_code" in body:
        refusal = sip_refusal(body["sip_code"], body.get("phrase"), body.get("headers"))
        return replace(callee, refusal=refusal, rings=float(body.get("rings", 0.0)))
    if failure := body.get("failure"):
        refusal = Refusal(code=failure["code"], msg=str(failure.get("msg", "")))
        return replace(callee, refusal=refusal, rings=float(body.get("rings", 0.0)))
    if twirp := body.get("twirp"):
        return replace(
            callee, error=TwirpError(twirp["code"], str(twirp.get("msg", "")), twirp.get("meta"))
        )
    return callee


def _validate(body: Any) -> None:
    """Raises ValueError with a sentence when a field is unknown or has an invalid value."""
    if not isinstance(body, dict):
        raise ValueError("an object is expected")  # noqa: TRY004  # all problems are ValueErrors
    for name, value in body.items():
        if name not in BEHAVIOUR_FIELDS:
            raise ValueError(f"unknown field {name}")
        is_valid, expected = BEHAVIOUR_FIELDS[name]
        if not is_valid(value):
            raise ValueError(f"{name} must be {expected}")
