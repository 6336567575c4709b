"""The first page of the control room: what runs, what needs somebody, and where links lead."""

import re

import pytest
from django.contrib import admin
from django.test import Client
from django.utils import timezone

from accounts.models import Workspace
from ops.checking.findings import bad
from telephony.models import NumberPace
from tests import make
from tests.admin.pages import html_of
from tests.ops.control.test_groups import of_group


def needs_on(page: str) -> list[str]:
    found = re.findall(r'<div class="notice \w+"><p>(.*?)</p>', page, re.DOTALL)
    return [re.sub(r"<[^>]+>", "", text) for text in found]


def test_overview_lists_what_needs_attention(
    staff: Client, ours: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk_is_full = [bad("disk", "is full", "make room")]
    monkeypatch.setattr("ops.control.needs.check_disk", lambda: disk_is_full)
    make.recipient(make.batch(ours), status="review", due_at=None)
    paused = {"status": "paused", "error": "The carrier failed", "probe_at": timezone.now()}
    make.batch(ours, name="Recalls", **paused)
    make.batch(ours, name="Wrong file", rows_read=10, rejected_count=9)
    number = make.phone_number(ours, label="Desk", drift=["the trunk is missing"])
    NumberPace.unscoped.filter(number=number).update(trouble="503 at every call")
    make.webhook(ours, failing_since=timezone.now())

    needs = needs_on(html_of(staff.get("/admin/")))

    assert [need.split(" since")[0] for need in needs] == [
        "Review: 1 wait for a decision",
        "Ours: Recalls: paused itself: The carrier failed",
        "Ours: Wrong file: 9 of 10 rows were refused",
        "Ours: Desk: 503 at every call",
        "Ours: Desk: differs from LiveKit: the trunk is missing",
        "Ours: https://example.com/hook: deliveries have failed",
        "Disk: is full; make room",
    ]


def test_nothing_needs_anybody_on_a_quiet_day(staff: Client, ours: Workspace) -> None:
    make.batch(ours, status="completed")
    make.phone_number(ours)

    page = html_of(staff.get("/admin/"))

    assert needs_on(page) == []
    assert "No batch is running." in page


def test_running_batches_have_pace_and_parts(
    staff: Client, ours: Workspace, theirs: Workspace
) -> None:
    batch = make.batch(ours, name="Reminders", status="running", started_at=timezone.now())
    make.batch(theirs, name="Elsewhere", status="running", started_at=timezone.now())
    for status in ("completed", "cancelled"):
        make.recipient(batch, status=status, due_at=None)
    make.call(ours, stage="in_progress")

    both = html_of(staff.get("/admin/"))
    part = html_of(staff.get(f"/admin/overview/?workspace={ours.pk}"))

    assert [name in both for name in ("Reminders", "Elsewhere")] == [True, True]
    assert [name in part for name in ("Reminders", "Elsewhere", "<html")] == [True, False, False]
    assert 'aria-label="Reached: 1, Not called: 1"' in part
    assert re.search(r"In conversation</p><p class=\"figure\">1<", part)


def test_the_overview_of_support_is_that_of_its_workspaces(
    ours: Workspace, theirs: Workspace
) -> None:
    client = of_group("Support", ours)
    for workspace in (ours, theirs):
        make.batch(workspace, status="running", started_at=timezone.now())
        make.phone_number(workspace, status="error", label=f"Line of {workspace.name}")

    page = html_of(client.get("/admin/"))
    asked = html_of(client.get(f"/admin/overview/?workspace={theirs.pk}"))

    assert "Line of Ours" in page
    assert "Theirs" not in page
    assert "Theirs" not in asked
    assert client.get("/admin/readiness/").status_code == 403


def test_the_overview_refreshes_itself_without_keeping_the_session_alive(
    staff: Client, ours: Workspace
) -> None:
    staff.get("/admin/")
    session = staff.session
    session["seen_at"] = timezone.now().timestamp() - 20 * 60
    session.save()

    staff.get("/admin/overview/")
    polled = staff.session["seen_at"]
    staff.get("/admin/")

    assert polled == session["seen_at"]
    assert staff.session["seen_at"] > polled


def test_readiness_names_what_cannot_be_reached(
    staff: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks = {"database": "ok", "livekit": "unreachable"}
    monkeypatch.setattr("ops.control.overview.probe_all", lambda: checks)

    page = html_of(staff.get("/admin/readiness/"))

    assert re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page)).split() == [
        *("Database", "LiveKit", "unreachable"),
    ]


def test_the_navigation_leads_to_every_table_once(staff: Client, db: None) -> None:
    page = html_of(staff.get("/admin/"))

    side = page[page.index('id="nav-sidebar-apps"') : page.index('id="main"')]
    links = sorted(re.findall(r'href="(/admin/\w+/\w+/)"', side))
    assert links == sorted(
        f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        for model in admin.site._registry
    )
    assert 'href="/admin/telephony/call/?stage__exact=in_progress"' in side


def test_the_navigation_counts_what_waits(staff: Client, ours: Workspace) -> None:
    for _ in range(3):
        make.recipient(make.batch(ours), status="review", due_at=None)

    page = html_of(staff.get("/admin/batches/batch/"))

    link = page[page.index('href="/admin/review/"') :]
    assert re.sub(r"<[^>]+>", " ", link[: link.index("</a>")]).split()[-2:] == ["Review", "3"]


def test_the_navigation_has_what_its_reader_may_open(ours: Workspace) -> None:
    page = of_group("Analyst").get("/admin/").content.decode()

    hrefs = ("/admin/batches/batch/", "/admin/accounts/user/", "/admin/accounts/apikey/")
    assert [f'href="{href}"' in page for href in hrefs] == [True, False, False]


def test_the_theme_is_ours(staff: Client, ours: Workspace) -> None:
    page = html_of(staff.get("/admin/"))

    assert "voiceops/logo.svg" in page
    assert "voiceops/tokens.css" in page
