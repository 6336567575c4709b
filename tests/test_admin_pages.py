"""Pages of the admin that show and do more than a table: batches that move, calls that tell their story."""

import re

import pytest
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import AuditEntry, Workspace
from agents.models import Agent
from batches.models import Batch
from telephony.clients.storage import recordings_storage
from telephony.models import CallEvent, Recording, Turn
from tests import make
from tests.test_admin import page_of, recording, staff

__all__ = ["staff"]


def test_a_batch_is_ordered_about_on_its_own_page(staff: Client, ours: Workspace) -> None:
    batch = make.batch(ours)
    make.recipient(batch)
    page = page_of(Batch, batch)

    before = staff.get(page).content.decode()
    staff.post(page.replace("change", "order"), {"order": "start"})
    during = staff.get(page).content.decode()
    refused = staff.post(page.replace("change", "order"), {"order": "resume"}, follow=True).content.decode()

    batch.refresh_from_db()
    offered = [re.findall(r'name="order" value="(\w+)"', html) for html in (before, during)]
    assert offered == [["start", "stop"], ["pause", "stop"]]
    assert batch.status == "running"
    assert "Batch is not paused" in refused
    assert staff.get(page.replace("change", "order")).status_code == 403


def test_an_open_page_learns_how_batches_are(staff: Client, ours: Workspace) -> None:
    batch, other = make.batch(ours), make.batch(ours)
    for status in ("completed", "in_call"):
        make.recipient(batch, status=status)

    alone = staff.get("/admin/batches/batch/live/", {"ids": f"{batch.pk},nonsense"}).json()
    both = staff.get("/admin/batches/batch/live/", {"ids": f"{batch.pk},{other.pk}"}).json()

    assert list(alone) == [str(batch.pk)]
    assert "1 of 2 (50 %)" in alone[str(batch.pk)]["small"]
    assert "1 of 2 people (50 %)" in alone[str(batch.pk)]["large"]
    assert {key: list(value) for key, value in both.items()} == {str(batch.pk): ["small"], str(other.pk): ["small"]}


def test_who_may_not_see_batches_learns_nothing_of_them(ours: Workspace) -> None:
    batch = make.batch(ours)
    client = Client()
    client.force_login(make.user(is_staff=True))

    answers = [
        client.get("/admin/batches/batch/live/", {"ids": str(batch.pk)}),
        client.post(page_of(Batch, batch).replace("change", "order"), {"order": "stop"}),
        client.get(f"/admin/telephony/call/{make.call(ours).pk}/recording/"),
    ]

    assert [answer.status_code for answer in answers] == [403, 403, 403]


def test_a_call_shows_what_happened_and_what_was_said(staff: Client, ours: Workspace) -> None:
    call = make.call(ours, to_number="+12025550186")
    CallEvent.unscoped.create(workspace=ours, call=call, type="dialing", text="Calling +12025550186", at=timezone.now())
    words = {"role": "callee", "text": "Who is speaking?", "started_at": timezone.now(), "external_id": "t1"}
    Turn.unscoped.create(workspace=ours, call=call, **words)

    page = staff.get(page_of(type(call), call)).content.decode()
    listed = staff.get(page_of(CallEvent)).content.decode()

    assert "Calling +12025550186" in page
    assert "Who is speaking?" in page
    assert "Calling +1202•••••86" in listed
    assert "+12025550186" not in listed


def test_listening_is_on_record(staff: Client, ours: Workspace) -> None:
    call = recording(ours).call
    url = page_of(type(call), call).replace("change", "recording")

    without = staff.get(url, follow=True).content.decode()
    Recording.unscoped.update(status="ready")
    recordings_storage().save("recordings/a/b.ogg", ContentFile(b"sound"))
    answer = staff.get(url)

    assert "Recording not found" in without
    assert answer.status_code == 302
    assert "/recordings/" in answer["Location"]
    assert AuditEntry.unscoped.get(action="recording.linked").object_id == str(call.pk)


def test_a_long_list_is_not_counted_to_its_end(staff: Client, ours: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("accounts.staff.MOST_COUNTED", 2)
    for _ in range(3):
        make.agent(ours)

    with CaptureQueriesContext(connection) as queries:
        page = staff.get(page_of(Agent)).content.decode()

    counts = [query["sql"] for query in queries if "COUNT(" in query["sql"]]
    assert "2 agents" in page
    assert all("LIMIT 2" in sql for sql in counts)


def test_staff_import_numbers_never_to_be_called(staff: Client, ours: Workspace) -> None:
    url = "/admin/batches/suppression/import/"
    good = SimpleUploadedFile("list.csv", b"phone\n(202) 555-0186\nnonsense\n")
    bad = SimpleUploadedFile("list.csv", b"name\nAda\n")

    linked = url in staff.get("/admin/batches/suppression/").content.decode()
    told = staff.post(url, {"workspace": str(ours.pk), "file": good, "default_country": "us"}, follow=True)
    refused = staff.post(url, {"workspace": str(ours.pk), "file": bad}).content.decode()
    nowhere = staff.post(url, {"workspace": str(ours.pk), "file": good, "default_country": "xx"}).content.decode()

    assert linked
    assert "1 numbers added, 0 were there, 1 rows refused; row 3:" in told.content.decode()
    assert ours.suppressions.get().phone_number == "+12025550186"
    assert "phone column" in refused
    assert "This is no country" in nowhere
    assert AuditEntry.unscoped.get(action="suppression.imported").changes == {"added": 1, "already": 0}
