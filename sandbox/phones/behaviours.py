"""What named numbers do instead of the table (PUT /_sandbox/behaviours)."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from sandbox.livekit.sip_errors import Refusal, network_failure, sip_refusal
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


NETWORK_FAILURES = ("refused", "unresolved")
DEFAULT_TRUNK_ADDRESS = "sip.sandbox.invalid"  # in the words of a network failure

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
    "silent": (_is_flag, "true or false"),
    "early_media": (_is_flag, "true or false"),
    "network": (lambda value: value in NETWORK_FAILURES, " or ".join(NETWORK_FAILURES)),
    "invite_after": (_is_seconds, SECONDS_EXPECTED),
    "agent_dies": (_is_seconds, SECONDS_EXPECTED),
    "agent_lag": (_is_seconds, SECONDS_EXPECTED),
    "agent_unreachable": (_is_seconds, SECONDS_EXPECTED),
    "double_delete": (_is_flag, "true or false"),
    "egress_missing": (_is_flag, "true or false"),
}
# These fields have the names of Callee's attributes.
PLAIN_FIELDS = (
    *("trying", "rings", "talk", "machine", "hangs_up", "mute", "silent", "early_media"),
    *("invite_after", "agent_dies", "agent_lag", "agent_unreachable", "double_delete"),
    "egress_missing",
)


@dataclass
class Phones:
    """All phones. `behaviours` overrides the table of callee.py for exact numbers, call by call;
    the last of a number's behaviours stays.
    """

    behaviours: dict[str, list[Callee]] = field(default_factory=dict)

    def callee_of(self, number: str, *, earlier_dials: int) -> Callee:
        """Return what the next callee at a number does."""
        planned = self.behaviours.get(number)
        if not planned:
            return callee_of_number(number, earlier_dials=earlier_dials)
        return planned.pop(0) if len(planned) > 1 else planned[0]


def parse_behaviours(body: Any) -> list[Callee]:
    """Parse a number's behaviour, or a list of them, one per call.

    Raises ValueError with a sentence that names the problem.
    """
    if body == []:
        raise ValueError("a list of behaviours must not be empty")
    return [parse_behaviour(each) for each in (body if isinstance(body, list) else [body])]


def parse_behaviour(body: Any) -> Callee:
    """Parse one behaviour of PUT behaviours.

    Raises ValueError with a sentence that names the problem.
    """
    _validate(body)
    callee = Callee(**{name: body[name] for name in PLAIN_FIELDS if name in body})
    if "answer_after" in body:
        callee = replace(callee, trying=0.0, rings=float(body["answer_after"]))
    if twirp := body.get("twirp"):
        error = TwirpError(twirp["code"], str(twirp.get("msg", "")), twirp.get("meta"))
        return replace(callee, error=error)
    if (refusal := _refusal(body)) is not None:
        return replace(callee, refusal=refusal, rings=float(body.get("rings", 0.0)))
    return callee


def _refusal(body: Any) -> Refusal | None:
    """Return the refusal that a valid behaviour describes, or None."""
    if "sip_code" in body:
        return sip_refusal(body["sip_code"], body.get("phrase"), body.get("headers"))
    if "network" in body:
        return network_failure(body["network"], DEFAULT_TRUNK_ADDRESS)
    if failure := body.get("failure"):
        return Refusal(code=failure["code"], msg=str(failure.get("msg", "")))
    return None


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
