"""The page of one number in one workspace."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEntry, Workspace
from tests import make
from tests.admin.pages import html_of, page_of
from tests.admin.rows import MAKERS
from tests.admin.test_lists import NUMBER
from tests.ops.control.test_groups import of_group


def test_everything_of_a_number_is_on_one_page(
    staff: Client, ours: Workspace, theirs: Workspace
) -> None:
    first = make.recipient(make.batch(ours, name="Spring"), phone_number=NUMBER)
    make.recipient(
        make.batch(ours, name="Summer"), phone_number=NUMBER, status="skipped", reason="suppressed"
    )
    make.recipient(make.batch(theirs, name="Autumn"), phone_number=NUMBER)
    calls = [
        make.call(ours, to_number=NUMBER, outcome="busy"),
        make.call(ours, direction="inbound", from_number=NUMBER),
    ]
    make.suppression(ours, phone_number=NUMBER, reason="Asked by mail")
    make.callback(ours, phone_number=NUMBER)

    page = html_of(staff.get(f"/admin/person/recipient/{first.pk}/"))
    same = html_of(staff.get(f"/admin/person/call/{calls[1].pk}/"))

    words = ("Spring", "Summer", "Autumn", "Asked by mail", "Busy", "Callbacks", "EST", "EDT")
    assert [word in page for word in words][:6] == [True, True, False, True, True, True]
    assert "The number is on the do-not-call list" in page
    assert all(f"/admin/telephony/call/{call.pk}/change/" in page for call in calls)
    assert re.search(r"local time of the number: \w{3} \d\d:\d\d E[SD]T", page)
    assert re.search(rf"<title>.*{re.escape(NUMBER)}", same.replace("\n", " "))


@pytest.mark.parametrize("kind", ["recipient", "call", "suppression", "callback"])
def test_every_row_of_a_number_leads_to_its_page(staff: Client, ours: Workspace, kind: str) -> None:
    row = MAKERS[kind](ours)

    page = staff.get(page_of(type(row), row)).content.decode()
    add = html_of(staff.get("/admin/batches/suppression/add/"))

    assert f'href="/admin/person/{kind}/{row.pk}/"' in page
    assert "/admin/person/" not in add


def test_opening_the_page_is_audited(staff: Client, ours: Workspace) -> None:
    row = make.suppression(ours, phone_number=NUMBER)

    staff.get(f"/admin/person/suppression/{row.pk}/")

    entry = AuditEntry.unscoped.get(action="suppression.viewed_by_staff")
    assert (entry.object_id, entry.workspace) == (str(row.pk), ours)


def test_a_number_is_put_on_the_do_not_call_list(staff: Client, ours: Workspace) -> None:
    row = make.recipient(make.batch(ours), phone_number=NUMBER)
    url = f"/admin/person/recipient/{row.pk}/"

    page = staff.post(
        url, {"order": "suppress", "reason": "Asked on the phone"}, follow=True
    ).content.decode()
    again = html_of(staff.post(url, {"order": "suppress", "reason": "Twice"}, follow=True))

    suppression = ours.suppressions.get()
    assert (suppression.phone_number, suppression.reason) == (NUMBER, "Asked on the phone")
    assert "This number will not be called any more." in page
    assert "already" in again


@pytest.mark.parametrize("group", ["Support", "Analyst"])
def test_who_may_not_see_the_number_gets_no_page(
    ours: Workspace, theirs: Workspace, group: str
) -> None:
    row = make.recipient(make.batch(theirs), phone_number=NUMBER)
    client = of_group(group, ours)

    answers = [
        client.get(f"/admin/person/recipient/{row.pk}/"),
        client.post(f"/admin/person/recipient/{row.pk}/", {"order": "suppress", "reason": "x"}),
    ]

    assert [answer.status_code for answer in answers] == [404 if group == "Support" else 403] * 2
    assert not theirs.suppressions.exists()


def test_a_row_that_is_not_there_is_not_found(staff: Client, ours: Workspace) -> None:
    paths = (f"recipient/{ours.pk}/", f"batch/{make.batch(ours).pk}/")

    assert [staff.get(f"/admin/person/{path}").status_code for path in paths] == [404, 404]


def test_a_number_is_called_now_by_a_chosen_agent(staff: Client, ours: Workspace) -> None:
    row = make.recipient(make.batch(ours), phone_number="+12025550101")
    agent = make.agent(ours, name="Callback service")
    url = f"/admin/person/recipient/{row.pk}/"

    page = html_of(staff.get(url))
    nobody = html_of(staff.post(url, {"order": "call", "agent": "x"}, follow=True))
    answer = staff.post(url, {"order": "call", "agent": str(agent.pk)})

    call = ours.calls.get()
    assert "Callback service" in page
    assert "Agent not found" in nobody
    assert answer.headers["Location"] == f"/admin/telephony/call/{call.pk}/change/"
    assert (call.to_number, call.agent) == ("+12025550101", agent)


def test_a_number_is_erased_once_it_was_typed(staff: Client, ours: Workspace) -> None:
    row = make.recipient(make.batch(ours), phone_number=NUMBER)
    make.call(ours, to_number=NUMBER, stage="ended", outcome="answered")
    url = f"/admin/person/recipient/{row.pk}/"

    kept = html_of(staff.post(url, {"order": "erase", "typed": "+1"}, follow=True))
    erased = html_of(staff.post(url, {"order": "erase", "typed": NUMBER}, follow=True))

    assert "Nothing was erased" in kept
    assert "Erased: 1 rows of lists, 1 calls, 0 webhook events." in erased
    row.refresh_from_db()
    assert NUMBER not in (row.phone_number, ours.calls.get().to_number)
    entries = AuditEntry.unscoped.filter(action="person.erased").order_by("pk")
    assert [bool(entry.actor_name) for entry in entries] == [False, True]


def test_only_superusers_erase(ours: Workspace) -> None:
    row = make.recipient(make.batch(ours), phone_number=NUMBER)
    client = of_group("Operator", ours)
    url = f"/admin/person/recipient/{row.pk}/"

    page = html_of(client.get(url))

    assert "Do not call any more" in page
    assert "Erase…" not in page
    assert client.post(url, {"order": "erase", "typed": NUMBER}).status_code == 403
    assert client.post(url, {"order": "explode"}).status_code == 403


def test_the_next_call_has_its_time_and_the_rule_that_decides_it(
    staff: Client, ours: Workspace
) -> None:
    at = timezone.now() + timedelta(days=3)
    fields = {"phone_number": NUMBER, "due_at": at, "callback_at": at, "reason": "callback"}
    row = make.recipient(make.batch(ours, status="running"), status="retrying", **fields)
    make.recipient(make.batch(ours, status="paused"), phone_number=NUMBER)

    page = html_of(staff.get(f"/admin/person/recipient/{row.pk}/"))

    assert re.search(rf'next call <time datetime="{re.escape(at.isoformat())}"', page)
    assert page.count("next call <time") == 1
    assert "The person is to be called at a time of their own." in page
    assert "The batch is paused. Resume the batch." in page
