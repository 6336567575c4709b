"""A batch's page beside its progress: tabs, pace, when people answer, and the rows of its rules."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Workspace
from batches.models import Batch
from tests import make
from tests.admin.pages import form_of, html_of, page_of
from tests.ops.control.test_groups import of_group


def dial(batch: Batch, minutes_ago: int, calls: int, outcome: str = "answered") -> None:
    """Make calls of the batch that ended."""
    at = timezone.now() - timedelta(minutes=minutes_ago)
    fields = {"batch_id": batch.pk, "stage": "ended", "outcome": outcome}
    for _ in range(calls):
        make.call_at(batch.workspace, at, dialed_at=at, ended_at=at, **fields)


def test_tabs_lead_to_what_belongs_to_the_batch(staff: Client, ours: Workspace) -> None:
    batch = make.batch(ours, rejected_count=2)
    for _ in range(3):
        make.recipient(batch)

    page = html_of(staff.get(page_of(Batch, batch)))

    [tabs] = re.findall(r'<nav class="tabs" aria-label="About this batch">(.*?)</nav>', page)
    found = re.findall(
        r'<a href="([^"]+)"[^>]*>\s*(\w[\w ]*?)\s*(?:<span[^>]*>(\d+)</span>)?</a>', tabs
    )
    assert found == [
        (page_of(Batch, batch), "Progress", ""),
        (f"/admin/batches/recipient/?batch__id__exact={batch.pk}", "People", "3"),
        (f"/admin/batches/rejectedrow/?batch__id__exact={batch.pk}", "Refused rows", "2"),
        (f"/admin/telephony/call/?batch={batch.pk}", "Calls", ""),
        (page_of(Batch, batch).replace("change", "history"), "History", ""),
    ]
    assert [staff.get(url.replace("&amp;", "&")).status_code for url, *_ in found] == [200] * 5


def test_calls_by_minute_are_pictured_under_the_allowed_pace(
    staff: Client, ours: Workspace
) -> None:
    started = timezone.now() - timedelta(hours=3)
    batch = make.batch(ours, status="running", started_at=started, calls_per_second=0.1)
    dial(batch, 90, 2)
    dial(batch, 5, 3)
    dial(batch, 4, 1)

    page = html_of(staff.get(page_of(Batch, batch)))

    [chart] = re.findall(r'<section class="panel stack" id="pace".*?</section>', page)
    # Those of an hour ago are not in the picture. Three are half of the six that were allowed.
    assert "4 calls dialled, 3 in the busiest minute" in chart
    assert "pace, 6 a minute" in chart
    assert re.findall(r'height="([\d.]+)" transform', chart) == ["50.000", "16.667"]
    assert 'points="0,0.00 100,0.00"' in chart
    assert '<div class="top figure" aria-hidden="true">6</div>' in chart
    assert 'hx-trigger="every 20s"' in chart


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"status": "running"}, "No call was dialled in the last minutes."),
        ({"status": "completed"}, "1 call dialled, 1 in the busiest minute."),
    ],
)
def test_the_picture_ends_with_the_batch(
    staff: Client, ours: Workspace, fields: dict[str, str], text: str
) -> None:
    now = timezone.now()
    ended = now - timedelta(minutes=170) if fields["status"] == "completed" else None
    batch = make.batch(ours, started_at=now - timedelta(hours=3), ended_at=ended, **fields)
    dial(batch, 175, 1)

    page = html_of(staff.get(page_of(Batch, batch)))

    assert text in page
    assert ("every 20s" in page) == (ended is None)


def test_when_people_answer_is_pictured_by_the_clock_of_the_workspace(staff: Client) -> None:
    ours = make.workspace(timezone="Asia/Tokyo")
    batch = make.batch(ours, status="running", started_at=timezone.now() - timedelta(hours=5))
    dial(batch, 120, 3)
    dial(batch, 120, 1, outcome="busy")
    dial(make.batch(ours), 120, 7)

    page = html_of(staff.get(page_of(Batch, batch)))

    hour = timezone.now() - timedelta(minutes=120) + timedelta(hours=9)
    [heat] = re.findall(r'<table class="heat".*?</table>', page)
    assert re.findall(r'<th scope="col">(\d\d)</th>', heat) == [f"{hour:%H}"]
    assert "3 of 4 answered" in heat


def test_the_rule_for_further_calls_is_edited_in_rows(staff: Client, ours: Workspace) -> None:
    batch = make.batch(ours)
    page = staff.get(page_of(Batch, batch)).content.decode()
    retry = '{"max_attempts": 4, "delay_minutes": [10, 60], "outcomes": ["busy"]}'

    staff.post(page_of(Batch, batch), {**form_of(page), "retry": retry})

    batch.refresh_from_db()
    for label in ("Calls to a person at most", "Minutes before the second call", "Again after"):
        assert label in page
    assert batch.retry["max_attempts"] == 4
    assert (batch.retry["delay_minutes"], batch.retry["outcomes"]) == ([10, 60], ["busy"])


def test_who_may_only_read_is_offered_no_order(ours: Workspace) -> None:
    batch = make.batch(ours, status="running")

    page = html_of(of_group("Analyst").get(page_of(Batch, batch)))

    assert "About this batch" in page
    assert "/order/" not in page


def test_a_pace_that_is_far_from_reached_does_not_flatten_the_picture(
    staff: Client, ours: Workspace
) -> None:
    started = timezone.now() - timedelta(minutes=30)
    batch = make.batch(ours, status="running", started_at=started, calls_per_second=5)
    dial(batch, 5, 2)

    page = html_of(staff.get(page_of(Batch, batch)))

    [chart] = re.findall(r'<section class="panel stack" id="pace".*?</section>', page)
    assert "The allowed pace is 300 a minute" in chart
    assert re.findall(r'height="([\d.]+)" transform', chart) == ["100.000"]
    assert "<polyline" not in chart
