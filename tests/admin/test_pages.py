"""Admin pages that are more than a table: batches in progress, calls with their events."""

import re
from codecs import BOM_UTF8
from datetime import UTC, datetime
from urllib.parse import quote

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
from telephony.clients.recording_storage import recordings_storage
from telephony.models import CallEvent, Recording, Turn
from tests import make
from tests.admin.pages import give, html_of, order_url, page_of
from tests.admin.rows import recording


def offered_orders(html: str) -> list[str]:
    """Return the orders whose buttons a batch's page has, without the one behind a dialog."""
    return re.findall(r'formaction="[^"]*/order/(\w+)/"', html)


def test_a_batch_is_controlled_on_its_own_page(staff: Client, ours: Workspace) -> None:
    batch = make.batch(ours)
    make.recipient(batch)
    page = page_of(Batch, batch)

    before = html_of(staff.get(page))
    started = give(staff, batch, "start")
    during = html_of(staff.get(page))
    refused = give(staff, batch, "resume")

    batch.refresh_from_db()
    assert [offered_orders(html) for html in (before, during)] == [["start"], ["pause"]]
    assert batch.status == "running"
    assert "The batch is running." in started
    assert "Batch is not paused" in refused
    assert staff.get(order_url(batch, "start")).status_code == 403
    assert staff.post(order_url(batch, "explode")).status_code == 403


def test_a_batch_that_paused_itself_can_be_stopped_from_probing(
    staff: Client, ours: Workspace
) -> None:
    batch = make.batch(ours, status="paused", error="The carrier failed", probe_at=timezone.now())
    page = page_of(Batch, batch)

    before = html_of(staff.get(page))
    give(staff, batch, "pause")
    after = html_of(staff.get(page))

    batch.refresh_from_db()
    assert [offered_orders(html) for html in (before, after)] == [["resume", "pause"], ["resume"]]
    assert (batch.status, batch.error, batch.probe_at) == ("paused", None, None)


def test_an_open_page_polls_the_progress_of_batches(staff: Client, ours: Workspace) -> None:
    batch, other = make.batch(ours), make.batch(ours)
    for status in ("completed", "in_call"):
        make.recipient(batch, status=status)

    alone = staff.get("/admin/batches/batch/live/", {"ids": f"{batch.pk},nonsense"}).json()
    both = staff.get("/admin/batches/batch/live/", {"ids": f"{batch.pk},{other.pk}"}).json()

    assert list(alone) == [str(batch.pk)]
    assert offered_orders(alone[str(batch.pk)]["orders"]) == ["start"]
    parts = {name: " ".join(html.split()) for name, html in alone[str(batch.pk)].items()}
    assert "Stop…" in parts["orders"]
    assert "<strong>0</strong> of 2 people" in parts["stop"]
    assert "1 of 2 (50 %)" in parts["small"]
    assert "1 of 2 recipients (50 %)" in parts["large"]
    assert {key: list(value) for key, value in both.items()} == {
        str(batch.pk): ["small"],
        str(other.pk): ["small"],
    }


def test_a_stopped_batch_is_watched_until_its_calls_have_ended(
    staff: Client, ours: Workspace
) -> None:
    batch = make.batch(ours, status="stopped")
    call = make.recipient(batch, status="in_call", due_at=None)
    make.recipient(batch, status="cancelled", due_at=None)
    live = ("/admin/batches/batch/live/", {"ids": str(batch.pk)})

    during = staff.get(*live).json()[str(batch.pk)]["large"]
    type(call).unscoped.filter(pk=call.pk).update(status="completed")
    after = " ".join(staff.get(*live).json()[str(batch.pk)]["large"].split())

    assert ['data-ended="no"' in html for html in (during, after)] == [True, False]
    # Who was cancelled was not called: half of the bar stays grey.
    assert "1 of 2 recipients (50 %), 1 not called" in after
    assert 'class="tone-none" style="width: 50.000%" title="Not called: 1"' in after


def test_staff_without_permission_see_no_batches(ours: Workspace) -> None:
    batch = make.batch(ours)
    client = Client()
    client.force_login(make.user(is_staff=True))

    answers = [
        client.get("/admin/batches/batch/live/", {"ids": str(batch.pk)}),
        client.post(order_url(batch, "stop")),
        client.get(f"/admin/telephony/call/{make.call(ours).pk}/recording/"),
        client.get(f"{page_of(Batch, batch).replace('change', 'download')}results.csv"),
        client.get("/admin/batches/new/"),
    ]

    assert [answer.status_code for answer in answers] == [403] * 5


def test_a_call_page_has_events_and_transcript(staff: Client, ours: Workspace) -> None:
    call = make.call(ours, to_number="+12025550186")
    CallEvent.unscoped.create(
        workspace=ours, call=call, type="dialing", text="Calling +12025550186", at=timezone.now()
    )
    words = {
        "role": "callee",
        "text": "Who is speaking?",
        "started_at": timezone.now(),
        "external_id": "t1",
    }
    Turn.unscoped.create(workspace=ours, call=call, **words)

    page = staff.get(page_of(type(call), call)).content.decode()
    listed = html_of(staff.get(page_of(CallEvent)))

    assert "Calling +12025550186" in page
    assert "Who is speaking?" in page
    assert "Calling +1202•••••86" in listed
    assert "+12025550186" not in listed


def test_events_of_one_second_are_in_the_order_in_which_they_were_heard(
    staff: Client, ours: Workspace
) -> None:
    call = make.call(ours)
    # LiveKit tells whole seconds, our own clock does not.
    for kind, microsecond in (("dialing", 400_000), ("ringing", 0)):
        at = datetime(2026, 3, 2, 9, 0, 7, microsecond, UTC)
        CallEvent.unscoped.create(workspace=ours, call=call, type=kind, text=f"It {kind}", at=at)

    page = staff.get(page_of(type(call), call)).content.decode()

    assert page.index("It dialing") < page.index("It ringing")
    assert "2026-03-02 09:00:07.400" in page


def test_a_recording_is_played_on_the_page(staff: Client, ours: Workspace) -> None:
    call = recording(ours).call
    type(call).unscoped.filter(pk=call.pk).update(has_recording=True)
    url = page_of(type(call), call).replace("change", "recording")

    page = staff.get(page_of(type(call), call)).content.decode()

    assert f'<audio controls preload="none" src="{url}"' in page
    assert f'href="{url}"' in page


def test_listening_to_a_recording_is_audited(staff: Client, ours: Workspace) -> None:
    call = recording(ours).call
    url = page_of(type(call), call).replace("change", "recording")

    without = html_of(staff.get(url, follow=True))
    Recording.unscoped.update(status="ready")
    recordings_storage().save("recordings/a/b.ogg", ContentFile(b"sound"))
    answer = staff.get(url)

    assert "Recording not found" in without
    assert answer.status_code == 302
    assert "/recordings/" in answer["Location"]
    assert AuditEntry.unscoped.get(action="recording.linked").object_id == str(call.pk)


def test_a_long_list_is_counted_up_to_a_limit(
    staff: Client, ours: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("accounts.staff.lists.MAX_COUNTED_ROWS", 2)
    for _ in range(3):
        make.agent(ours)

    with CaptureQueriesContext(connection) as queries:
        page = html_of(staff.get(page_of(Agent)))

    counts = [
        query["sql"]
        for query in queries
        if "COUNT(" in query["sql"] and "agents_agent" in query["sql"]
    ]
    assert "2+ agents" in page
    assert counts
    assert all("LIMIT 3" in sql for sql in counts)


def test_staff_import_suppressed_numbers(staff: Client, ours: Workspace) -> None:
    url = "/admin/batches/suppression/import/"
    good = SimpleUploadedFile("list.csv", b"phone\n(202) 555-0186\nnonsense\n")
    bad = SimpleUploadedFile("list.csv", b"name\nAda\n")

    linked = url in html_of(staff.get("/admin/batches/suppression/"))
    page = staff.post(
        url, {"workspace": str(ours.pk), "file": good, "default_country": "us"}, follow=True
    )
    refused = html_of(staff.post(url, {"workspace": str(ours.pk), "file": bad}))
    nowhere = staff.post(
        url, {"workspace": str(ours.pk), "file": good, "default_country": "xx"}
    ).content.decode()

    assert linked
    assert (
        "1 numbers added, 0 already on the list, 1 rows rejected; row 3:" in page.content.decode()
    )
    assert ours.suppressions.get().phone_number == "+12025550186"
    assert "phone column" in refused
    assert "Unknown country code" in nowhere
    assert AuditEntry.unscoped.get(action="suppression.imported").changes == {
        "added": 1,
        "already": 0,
    }


@pytest.mark.parametrize("page", ["suppression/import/", "batch/{}/order/start/"])
def test_a_form_from_another_site_is_refused(ours: Workspace, page: str) -> None:
    batch, client = make.batch(ours), Client(enforce_csrf_checks=True)
    client.force_login(make.user(is_staff=True, is_superuser=True))

    answer = client.post(f"/admin/batches/{page.format(batch.pk)}")

    batch.refresh_from_db()
    assert (answer.status_code, batch.status) == (403, "ready")
    assert "CSRF" in answer.content.decode()


@pytest.mark.parametrize("name", ["results.csv", "results.xlsx", "rejected.csv"])
def test_downloading_results_is_audited(staff: Client, ours: Workspace, name: str) -> None:
    batch = make.batch(ours, name="Früh 1/2")
    make.recipient(batch)

    page = html_of(staff.get(page_of(Batch, batch)))
    url = f"{page_of(Batch, batch).replace('change', 'download')}{name}"
    answer = staff.get(url)

    assert f'href="{url}"' in page
    filename = quote(f"früh-12-{timezone.now():%Y-%m-%d}-{name}")
    assert answer["Content-Disposition"] == f"attachment; filename*=utf-8''{filename}"
    # Excel takes CSV without the mark for an older encoding.
    assert b"".join(answer).startswith(BOM_UTF8 if name.endswith(".csv") else b"PK")
    assert AuditEntry.unscoped.filter(
        action="batch.exported", changes={"file": name}, object_id=batch.pk
    ).exists()


def test_recipients_of_a_batch_are_in_file_order(staff: Client, ours: Workspace) -> None:
    batch = make.batch(ours)
    later, first = make.recipient(batch, row_number=9), make.recipient(batch, row_number=3)
    link = f"/admin/batches/recipient/?batch__id__exact={batch.pk}"

    page = html_of(staff.get(page_of(Batch, batch)))
    listed = html_of(staff.get(link))

    assert link in page
    assert listed.index(str(first.pk)) < listed.index(str(later.pk))


def test_a_recipient_page_has_variables_and_calls(staff: Client, ours: Workspace) -> None:
    recipient = make.recipient(make.batch(ours))

    page = staff.get(page_of(type(recipient), recipient)).content.decode()

    assert "first_name: Ada" in page
    assert f"/admin/telephony/call/?q={recipient.pk}" in page


def test_zones_and_languages_are_chosen_from_lists(staff: Client, ours: Workspace) -> None:
    agent = make.agent(ours, language="gsw-CH")

    workspace_page = html_of(staff.get(page_of(Workspace, ours)))
    agent_page = html_of(staff.get(page_of(Agent, agent)))

    assert '<option value="Europe/Berlin">Europe/Berlin</option>' in workspace_page
    assert '<option value="UTC" selected>UTC</option>' in workspace_page
    assert '<option value="de-DE">German (Germany)</option>' in agent_page
    # A language that the list does not have stays what it is.
    assert '<option value="gsw-CH" selected>gsw-CH</option>' in agent_page
