from typing import Any

import pytest
from django.test import Client

from accounts.models import Workspace
from telephony.domain import report_tokens
from telephony.models import Call
from tests import make
from tests.telephony.calls.livekit import report, reported
from tests.telephony.calls.reported_calls import sent, talking, timeline


@pytest.mark.parametrize(
    ("most", "events"),
    [
        (4, [reported("callee_joined")]),
        (4, [reported("callee_answered")]),
        (4, [reported("detected", kind="human")]),
        (
            5,  # usage counts once, so its report is looked for first
            [reported("turn", role="user", text="a", started_at="2026-11-23T10:00:00Z")] * 5
            + [reported("usage")],
        ),
        (4, [reported("turn", role="user", text="a", started_at="2026-11-23T10:00:00Z")] * 5),
    ],
)
def test_report_of_several_events_costs_few_queries(
    ours: Workspace, django_assert_max_num_queries: Any, most: int, events: list[dict[str, Any]]
) -> None:
    call = talking(ours) if events[0]["type"] in ("turn", "detected") else sent(ours)

    with django_assert_max_num_queries(most):
        response = report(call, *events)

    assert response.status_code == 200


def test_empty_report_is_accepted(ours: Workspace) -> None:
    call = sent(ours)

    response = report(call)

    assert (response.status_code, response.json()) == (200, {"detail": "Received"})
    assert timeline(call) == []


def test_token_of_another_call_is_401(ours: Workspace) -> None:
    call, other = make.call(ours), make.call(ours)

    response = report(
        call, reported("agent_joined"), Authorization=f"Bearer {report_tokens.mint(other.pk)}"
    )

    assert (response.status_code, response.json()) == (401, {"detail": "Invalid or missing token"})


@pytest.mark.parametrize(
    "path", ["/calls/nonsense/report", "/calls/01933b5e-0000-7000-8000-000000000000/report"]
)
def test_missing_token_is_401_for_every_call(db: None, path: str) -> None:
    response = Client().post(path, data={}, content_type="application/json")

    assert response.status_code == 401


def test_unknown_call_is_404(ours: Workspace) -> None:
    call = make.call(ours)
    Call.unscoped.filter(pk=call.pk).delete()

    answers = [report(call, reported(kind)) for kind in ("agent_alive", "agent_joined")]

    assert [(a.status_code, a.json()) for a in answers] == [(404, {"detail": "Call not found"})] * 2


def test_get_is_405_and_a_form_is_415(ours: Workspace) -> None:
    call = make.call(ours)
    headers = {"Authorization": f"Bearer {report_tokens.mint(call.pk)}"}

    got = Client().get(f"/calls/{call.pk}/report", headers=headers)
    posted = Client().post(f"/calls/{call.pk}/report", data={"a": 1}, headers=headers)

    assert (got.status_code, got.json()) == (405, {"detail": "Method not allowed"})
    assert got.headers["Allow"] == "POST"
    assert (posted.status_code, posted.json()) == (415, {"detail": "Unsupported media type"})


def invalid(loc: list[Any], msg: str, kind: str) -> dict[str, Any]:
    return {"loc": ["body", *loc], "msg": msg, "type": kind}


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ([], [invalid([], "value is not a valid dict", "type_error.dict")]),
        ({}, [invalid(["events"], "field required", "value_error.missing")]),
        (
            {"events": {}},
            [invalid(["events"], "value is not a valid list", "type_error.list")],
        ),
        (
            {"events": [], "more": 1},
            [invalid(["more"], "extra fields not permitted", "value_error.extra")],
        ),
        (
            {
                "events": [
                    7,
                    {"type": "detected", "kind": "alien", "at": "soon", "id": ""},
                    {"type": "turn"},
                ]
            },
            [
                invalid(["events", 0], "value is not a valid dict", "type_error.dict"),
                invalid(
                    ["events", 1, "id"],
                    "ensure this value has at least 1 characters",
                    "value_error.any_str.min_length",
                ),
                invalid(["events", 1, "at"], "invalid datetime format", "value_error.datetime"),
                invalid(
                    ["events", 1, "kind"],
                    "value is not a valid enumeration member; "
                    "permitted: 'human', 'machine', 'uncertain', 'screened'",
                    "type_error.enum",
                ),
                invalid(["events", 2, "id"], "field required", "value_error.missing"),
                invalid(["events", 2, "at"], "field required", "value_error.missing"),
                invalid(["events", 2, "role"], "field required", "value_error.missing"),
                invalid(["events", 2, "text"], "field required", "value_error.missing"),
            ],
        ),
        (
            {"events": [{"type": "agent_alive", "id": None, "at": 5, "mood": "good"}]},
            [
                invalid(
                    ["events", 0, "id"],
                    "none is not an allowed value",
                    "type_error.none.not_allowed",
                ),
                invalid(["events", 0, "at"], "invalid datetime format", "value_error.datetime"),
                invalid(["events", 0, "mood"], "extra fields not permitted", "value_error.extra"),
            ],
        ),
    ],
)
def test_invalid_report_is_422(ours: Workspace, body: Any, errors: list[dict[str, Any]]) -> None:
    call = make.call(ours)

    response = report(call, body=body)

    assert (response.status_code, response.json()) == (422, {"detail": errors})
