"""The errors of reports, as the API documents them (`docs/reference/api-contract.md §1`)."""

from typing import Any

import pytest

from telephony.serializers.reports import MAX_REPORT_EVENTS, InvalidReport, read_report

AT = "2026-11-23T10:00:00Z"
TYPES = (
    "'agent_joined', 'agent_alive', 'callee_joined', 'callee_answered', 'detected', 'turn', "
    "'tool_call', 'usage', 'callee_left', 'ended', 'analysis', 'disposition', "
    "'callback', 'message_left', 'transfer', 'dtmf', 'error'"
)
ITEM = {"kind": "llm", "provider": "openai", "model": "gpt-4.1"}
UNKNOWN_TYPE = f"value is not a valid enumeration member; permitted: {TYPES}"


def errors(body: Any) -> list[tuple[list[str | int], str, str]]:
    with pytest.raises(InvalidReport) as refused:
        read_report(body)
    return [(error["loc"][1:], error["msg"], error["type"]) for error in refused.value.errors]


def event(type: Any, **fields: Any) -> dict[str, Any]:
    return {"id": "1", "type": type, "at": AT, **fields}


@pytest.mark.parametrize("unknown", ["nonsense", 5, [], {}, True])
def test_unknown_type_is_reported_with_the_other_errors_of_the_event(unknown: Any) -> None:
    body = {"events": [event("agent_joined"), {"type": unknown, "id": 7, "mood": "good"}]}

    assert errors(body) == [
        (["events", 1, "type"], UNKNOWN_TYPE, "type_error.enum"),
        (["events", 1, "id"], "str type expected", "type_error.str"),
        (["events", 1, "at"], "field required", "value_error.missing"),
    ]


def test_missing_and_null_types_have_different_errors() -> None:
    body = {"events": [{"id": "1", "at": AT}, event(None)]}

    assert errors(body) == [
        (["events", 0, "type"], "field required", "value_error.missing"),
        (["events", 1, "type"], "none is not an allowed value", "type_error.none.not_allowed"),
    ]


@pytest.mark.parametrize(
    ("wrong", "message", "kind"),
    [
        (event("turn", role=5, text="a", started_at=AT), "str type expected", "type_error.str"),
        (
            event("turn", role="x" * 17, text="a", started_at=AT),
            "ensure this value has at most 16 characters",
            "value_error.any_str.max_length",
        ),
        (
            event("turn", role="user", text="a", started_at=AT, interrupted=1),
            "value could not be parsed to a boolean",
            "type_error.bool",
        ),
        (
            event("turn", role="user", text="a", started_at="soon"),
            "invalid datetime format",
            "value_error.datetime",
        ),
        (event("ended", reason=5), "str type expected", "type_error.str"),
        (
            event("analysis", summary=None),
            "none is not an allowed value",
            "type_error.none.not_allowed",
        ),
        (event("analysis", fields=[]), "value is not a valid dict", "type_error.dict"),
        (
            event("detected", kind="human", seconds="1"),
            "value is not a valid float",
            "type_error.float",
        ),
        (event("usage", items={}), "value is not a valid list", "type_error.list"),
        (
            event("usage", latency={"p50": -1}),
            "ensure this value is greater than or equal to 0",
            "value_error.number.not_ge",
        ),
        (
            event("usage", items=[{**ITEM, "input_tokens": 10**13}]),
            "ensure this value is less than or equal to 1000000000000",
            "value_error.number.not_le",
        ),
        (
            event("turn", role="agent", text="a", latency={"total": True}),
            "value is not a valid float",
            "type_error.float",
        ),
    ],
)
def test_each_wrong_field_has_its_documented_error(
    wrong: dict[str, Any], message: str, kind: str
) -> None:
    [(location, *error)] = errors({"events": [wrong]})

    assert location[:2] == ["events", 0]
    assert error == [message, kind]


def test_unknown_fields_of_the_body_come_before_errors_of_events() -> None:
    body = {"events": [event("agent_joined", mood="good")], "more": 1}

    extra = ("extra fields not permitted", "value_error.extra")
    assert errors(body) == [(["more"], *extra), (["events", 0, "mood"], *extra)]


def test_too_many_events_are_one_error() -> None:
    body = {"events": [event("nonsense")] * (MAX_REPORT_EVENTS + 1)}

    assert errors(body) == [
        (["events"], "ensure this value has at most 1000 items", "value_error.list.max_items")
    ]


@pytest.mark.parametrize(
    ("given", "data"),
    [
        (event("agent_alive"), {}),
        (event("agent_alive", callee_status="ringing"), {"callee_status": "ringing"}),
        (event("tool_call", name="book"), {"name": "book"}),
        (event("tool_call", name="book", result=None), {"name": "book", "result": None}),
        (event("usage", tokens=5, audio={"ms": 1}), {"tokens": 5, "audio": {"ms": 1}}),
        (
            event("usage", items=[{**ITEM, "input_tokens": 7}], latency={"p50": 0.5}),
            {"items": [{**ITEM, "input_tokens": 7}], "latency": {"p50": 0.5}},
        ),
        (event("ended"), {"reason": ""}),
        (event("ended", reason="x" * 70), {"reason": "x" * 64}),
        (event("analysis"), {"summary": None, "fields": {}}),
    ],
)
def test_absent_fields_have_their_defaults_or_stay_absent(
    given: dict[str, Any], data: dict[str, Any]
) -> None:
    [read] = read_report({"events": [given]})

    assert read.data == data


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-11-23T10:00:00Z", "2026-11-23T10:00:00+00:00"),
        ("2026-11-23T10:00:00+05:30", "2026-11-23T04:30:00+00:00"),
        ("2026-11-23T10:00:00", "2026-11-23T10:00:00+00:00"),
    ],
)
def test_times_are_read_in_utc(text: str, utc: str) -> None:
    [read] = read_report({"events": [{"id": "1", "type": "agent_joined", "at": text}]})

    assert read.at.isoformat() == utc
