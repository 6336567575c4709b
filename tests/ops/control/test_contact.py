"""The page of one number in one workspace."""

import re

import pytest
from django.test import Client

from accounts.models import AuditEntry, Workspace
from tests import make
from tests.admin.pages import page_of
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

    page = staff.get(f"/admin/person/recipient/{first.pk}/").content.decode()
    same = staff.get(f"/admin/person/call/{calls[1].pk}/").content.decode()

    words = ("Spring", "Summer", "Autumn", "Asked by mail", "Busy", "Callbacks", "EST", "EDT")
    assert [word in page for word in words][:6] == [True, True, False, True, True, True]
    assert "The number is on the suppression list" in page
    assert all(f"/admin/telephony/call/{call.pk}/change/" in page for call in calls)
    assert re.search(r"there it is \w{3} \d\d:\d\d E[SD]T", page)
    assert re.search(rf"<title>.*{re.escape(NUMBER)}", same.replace("\n", " "))


@pytest.mark.parametrize("kind", ["recipient", "call", "suppression", "callback"])
def test_every_row_of_a_number_leads_to_its_page(staff: Client, ours: Workspace, kind: str) -> None:
    row = MAKERS[kind](ours)

    page = staff.get(page_of(type(row), row)).content.decode()
    add = staff.get("/admin/batches/suppression/add/").content.decode()

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

    page = staff.post(url, {"reason": "Asked on the phone"}, follow=True).content.decode()
    again = staff.post(url, {"reason": "Twice"}, follow=True).content.decode()

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
        client.post(f"/admin/person/recipient/{row.pk}/", {"reason": "x"}),
    ]

    assert [answer.status_code for answer in answers] == [404 if group == "Support" else 403] * 2
    assert not theirs.suppressions.exists()


def test_a_row_that_is_not_there_is_not_found(staff: Client, ours: Workspace) -> None:
    paths = (f"recipient/{ours.pk}/", f"batch/{make.batch(ours).pk}/")

    assert [staff.get(f"/admin/person/{path}").status_code for path in paths] == [404, 404]
