"""Calling windows in bodies, in both forms."""

from typing import Any

import pytest

from accounts.models import Workspace
from tests import make

SPAN = {"days": [5, 6], "start": "20:00", "end": "02:00"}


def test_window_is_answered_in_the_form_it_was_written(ours: Workspace) -> None:
    window = {
        "timezone": "recipient",
        "spans": [SPAN, {"days": [1], "start": "10:00", "end": "24:00"}],
        "closed_dates": ["2026-12-24"],
        "holidays": "recipient",
    }
    client = make.client(ours)

    for written in (window, {"timezone": "UTC", "spans": [SPAN], "holidays": None}):
        response = client.patch(f"/workspaces/{ours.pk}", {"calling_window": written})

        assert (response.status_code, response.json()["calling_window"]) == (200, written)


@pytest.mark.parametrize(
    ("change", "loc", "msg"),
    [
        (
            {"calling_window": {"spans": []}},
            ["calling_window", "spans"],
            "ensure this value has at least 1 items",
        ),
        (
            {"calling_window": {"spans": [{"start": "09:00"}]}},
            ["calling_window", "spans", 0, "end"],
            "field required",
        ),
        (
            {"calling_window": {"spans": [SPAN], "start": "09:00"}},
            ["calling_window", "spans"],
            "give either spans or days, start and end",
        ),
        (
            {"calling_window": {"spans": [SPAN], "closed_dates": ["24.12.2026"]}},
            ["calling_window", "closed_dates", 0],
            "invalid date, expected YYYY-MM-DD",
        ),
        (
            {"calling_window": {"spans": [SPAN], "holidays": "XX"}},
            ["calling_window", "holidays"],
            "no public holidays are known for this country",
        ),
    ],
)
def test_invalid_spans_are_refused(
    ours: Workspace, change: dict[str, Any], loc: list[str], msg: str
) -> None:
    response = make.client(ours).patch(f"/workspaces/{ours.pk}", change)

    mistakes = response.json()["detail"]
    assert (response.status_code, mistakes[0]["loc"], mistakes[0]["msg"]) == (
        422,
        ["body", *loc],
        msg,
    )
