"""The figures of the overview, beside those of an earlier span."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Workspace
from ops.control.figures import read_figures
from telephony.models import Call
from tests import make
from tests.admin.pages import html_of
from tests.ops.control.test_groups import of_group
from voiceops.core.ids import lowest_id

NOON = datetime(2026, 3, 12, 12, tzinfo=UTC)


def call_at(of: Workspace, at: datetime, outcome: str, code: int | None = None) -> Call:
    """A call that was made at a time, and answered for a minute if it was."""
    call = make.call(of, stage="ended", outcome=outcome, sip_status_code=code, dialed_at=at)
    answered = at if outcome == "answered" else None
    pk = type(call.pk)(int=lowest_id(at).int + call.pk.int % 2**60)
    Call.unscoped.filter(pk=call.pk).update(
        id=pk, created_at=at, answered_at=answered, ended_at=at + timedelta(minutes=1)
    )
    return call


def figures(*workspaces: Workspace | None, days: int = 1, zone: Any = UTC) -> dict[str, Any]:
    return read_figures(workspaces or (None,), days=days, now=NOON, zone=zone)


def texts(cards: list[dict[str, Any]]) -> list[Any]:
    return [card["value"] for card in cards]


@pytest.fixture
def day(ours: Workspace, theirs: Workspace) -> None:
    call_at(ours, NOON - timedelta(hours=2), "answered", 200)
    call_at(ours, NOON - timedelta(hours=2), "busy", 486)
    call_at(ours, NOON - timedelta(minutes=5), "busy", 486)
    call_at(theirs, NOON - timedelta(hours=1), "no_answer", 480)
    # The day before: one until noon, and one after.
    call_at(ours, NOON - timedelta(hours=25), "answered", 200)
    call_at(ours, NOON - timedelta(hours=23), "answered", 200)


def test_cards_are_compared_with_the_same_time_of_the_day_before(
    day: None, ours: Workspace
) -> None:
    cards = figures(ours)["cards"]

    assert texts(cards) == [3, 1, 1 / 3, 60.0, None]
    assert cards[0]["changes"] == [
        ("yesterday", {"percent": 200, "is_up": True, "is_same": False}),
        ("last week", None),
    ]
    assert cards[1]["changes"][0] == (
        "yesterday",
        {"percent": 0, "is_up": False, "is_same": True},
    )


def test_the_figures_of_several_workspaces_are_added_up(
    day: None, ours: Workspace, theirs: Workspace
) -> None:
    assert texts(figures()["cards"]) == texts(figures(ours, theirs)["cards"])
    assert figures()["cards"][0]["value"] == 4


def test_columns_are_hours_of_the_readers_zone_with_the_answer_rate(
    day: None, ours: Workspace
) -> None:
    drawn = figures(ours, zone=ZoneInfo("Europe/Berlin"))

    columns = {column.key: column for column in drawn["columns"] if column.total}
    # 10:00 and 11:55 in UTC; Berlin is an hour ahead in March.
    assert {key: column.total for key, column in columns.items()} == {"11": 2, "12": 1}
    rates = [float(point.split(",")[1]) for point in drawn["rates"].split()]
    assert rates == [50.0, 100.0]
    assert len(drawn["columns"]) == 24


def test_a_longer_span_has_a_column_for_each_day(day: None, ours: Workspace) -> None:
    week = figures(ours, days=7)

    assert [(column.key, column.total) for column in week["columns"]] == [
        *((f"{number:02} Mar", 0) for number in range(6, 11)),
        ("11 Mar", 2),
        ("12 Mar", 3),
    ]
    assert week["cards"][0]["value"] == 5


def test_causes_are_what_carriers_answered(day: None, ours: Workspace) -> None:
    causes = figures(ours)["causes"]

    assert [(cause.label, cause.count, cause.size) for cause in causes] == [
        ("486 Busy Here", 2, 100.0),
        ("200 OK", 1, 50.0),
    ]


def test_the_page_has_the_figures_of_the_chosen_span(staff: Client, ours: Workspace) -> None:
    call_at(ours, timezone.now() - timedelta(days=3), "answered", 200)

    today = html_of(staff.get("/admin/overview/"))
    week = html_of(staff.get(f"/admin/overview/?days=7&workspace={ours.pk}"))
    nonsense = html_of(staff.get("/admin/overview/?days=1000000"))

    def calls_on(page: str) -> list[str]:
        return re.findall(r'Calls</p>\s*<p class="figure">\s*(.*?)\s*<', page)

    assert [calls_on(page) for page in (today, week, nonsense)] == [["0"], ["1"], ["0"]]
    assert "against the 7 days before" in week
    assert "200 OK" in week


def test_support_reads_the_figures_of_its_workspaces(ours: Workspace, theirs: Workspace) -> None:
    for workspace in (ours, theirs):
        call_at(workspace, timezone.now() - timedelta(days=1), "busy", 486)

    page = of_group("Support", ours).get("/admin/overview/?days=7").content.decode()

    assert re.findall(r'Calls</p>\s*<p class="figure">\s*(.*?)\s*<', page) == ["1"]
