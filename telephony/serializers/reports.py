"""The shape of a report, checked by hand: five reports per call go through here, and a serializer
costs ten times this.

Mistakes are those of `voiceops.api.errors`, all of them at once.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from telephony.services.agent_reports import DETECTION_TEXTS, ReportEvent
from voiceops.api.errors import MESSAGES

Mistake = dict[str, Any]
Loc = tuple[str | int, ...]
LONGEST_ID, LONGEST_ROLE, LONGEST_WORD, LONGEST_TEXT = 128, 16, 64, 20_000
MOST_EVENTS = 1000


class BadReport(Exception):
    """The mistakes of a report, as the 422 shows them."""

    def __init__(self, mistakes: list[Mistake]) -> None:
        super().__init__(mistakes)
        self.mistakes = mistakes


def mistake(loc: Loc, kind: str, **parameters: object) -> Mistake:
    return {"loc": ["body", *loc], "msg": MESSAGES[kind].format(**parameters), "type": kind}


def text(longest: int) -> Callable[[Any], str | tuple[str, dict[str, object]]]:
    """A check: '' when the value is right, else the kind of mistake with its parameters."""

    def check(value: Any) -> str | tuple[str, dict[str, object]]:
        if not isinstance(value, str):
            return "type_error.str"
        too_long = len(value) > longest
        return ("value_error.any_str.max_length", {"limit": longest}) if too_long else ""

    return check


def any_length(value: Any) -> str:
    return "" if isinstance(value, str) else "type_error.str"


def one_of(*words: str) -> Callable[[Any], str | tuple[str, dict[str, object]]]:
    permitted = ", ".join(f"'{word}'" for word in words)
    return lambda value: "" if value in words else ("type_error.enum", {"permitted": permitted})


def moment(value: Any) -> str:
    return "" if parse_moment(value) else "value_error.datetime"


def boolean(value: Any) -> str:
    return "" if isinstance(value, bool) else "type_error.bool"


def mapping(value: Any) -> str:
    return "" if isinstance(value, dict) else "type_error.dict"


def anything(value: Any) -> str:
    return ""


Field = tuple[Callable[[Any], str | tuple[str, dict[str, object]]], bool]  # check, required
REASON: dict[str, Field] = {
    "reason": (any_length, False)
}  # cut when read: a refusal would cost the other events
COMMON: dict[str, Field] = {"id": (text(LONGEST_ID), True), "at": (moment, True)}
FIELDS: dict[str, dict[str, Field] | None] = {
    "agent_joined": {},
    "agent_alive": {"callee_status": (text(LONGEST_ROLE), False)},
    "callee_joined": {},
    "callee_answered": {},
    "detected": {"kind": (one_of(*DETECTION_TEXTS), True)},
    "turn": {
        "role": (text(LONGEST_ROLE), True),
        "text": (text(LONGEST_TEXT), True),
        "started_at": (moment, True),
        "interrupted": (boolean, False),
    },
    "tool_call": {
        "name": (text(LONGEST_WORD * 2), True),
        "arguments": (anything, False),
        "result": (anything, False),
    },
    "usage": None,  # whatever the models count
    "callee_left": REASON,
    "ended": REASON,
    "analysis": {"summary": (text(LONGEST_TEXT), False), "fields": (mapping, False)},
}
DEFAULTS: dict[str, dict[str, Any]] = {
    "turn": {"interrupted": False},
    "callee_left": {"reason": ""},
    "ended": {"reason": ""},
    "analysis": {"summary": None, "fields": {}},
}
TYPE = one_of(*FIELDS)


def parse_moment(value: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
        return found and (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def read_report(body: Any) -> list[ReportEvent]:
    """The events of a report. Raises BadReport."""
    mistakes = list(mistakes_of(body))
    if mistakes:
        raise BadReport(mistakes)
    return [read_event(event) for event in body["events"]]


def read_event(event: Mapping[str, Any]) -> ReportEvent:
    kind = event["type"]
    data = {
        **DEFAULTS.get(kind, {}),
        **{key: value for key, value in event.items() if key not in ("id", "type", "at")},
    }
    if kind == "turn":
        data["started_at"] = parse_moment(data["started_at"])
    if "reason" in data and FIELDS[kind] is REASON:
        data["reason"] = data["reason"][:LONGEST_WORD]
    at = parse_moment(event["at"])
    assert at is not None
    return ReportEvent(id=event["id"], type=kind, at=at, data=data)


def mistakes_of(body: Any) -> Iterator[Mistake]:
    if not isinstance(body, dict):
        yield mistake((), "type_error.dict")
        return
    yield from (mistake((name,), "value_error.extra") for name in body if name != "events")
    events = body.get("events")
    if "events" not in body:
        yield mistake(("events",), "value_error.missing")
    elif not isinstance(events, list):
        yield mistake(("events",), "type_error.list")
    elif len(events) > MOST_EVENTS:
        yield mistake(("events",), "value_error.list.max_items", limit=MOST_EVENTS)
    else:
        for position, event in enumerate(events):
            yield from mistakes_in_event(event, ("events", position))


def mistakes_in_event(event: Any, loc: Loc) -> Iterator[Mistake]:
    if not isinstance(event, dict):
        yield mistake(loc, "type_error.dict")
        return
    yield from check_field(event, "type", (TYPE, True), loc)
    kind = event.get("type")
    own = FIELDS.get(kind) if isinstance(kind, str) else None
    for name, one in {**COMMON, **(own or {})}.items():
        yield from check_field(event, name, one, loc)
    if own is not None:
        known = {"type", *COMMON, *own}
        yield from (
            mistake((*loc, name), "value_error.extra") for name in event if name not in known
        )


def check_field(event: Mapping[str, Any], name: str, one: Field, loc: Loc) -> Iterator[Mistake]:
    check, required = one
    if name not in event:
        if required:
            yield mistake((*loc, name), "value_error.missing")
        return
    value = event[name]
    if value is None and check is not anything:
        yield mistake((*loc, name), "type_error.none.not_allowed")
    elif found := check(value):
        kind, parameters = (found, {}) if isinstance(found, str) else found
        yield mistake((*loc, name), kind, **parameters)
    elif name == "id" and not value:
        yield mistake((*loc, name), "value_error.any_str.min_length", limit=1)
