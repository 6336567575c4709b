"""The command palette: one box that finds people, calls and anything by its id."""

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import Workspace
from tests import make
from tests.admin.pages import html_of
from tests.admin.test_lists import NUMBER, SPELLINGS
from tests.ops.control.test_groups import of_group


def found(client: Client, text: str) -> list[tuple[str, str]]:
    """Return title and address of each result that is no table."""
    page = html_of(client.get("/admin/search/", {"s": text, "extended": "1"}))
    results = re.findall(r'href="([^"]+)"\s+data-title="([^"]*)"', page)
    return [(title, href) for href, title in results if not re.fullmatch(r"/admin/\w+/\w+/", href)]


@pytest.mark.parametrize("spelling", [*SPELLINGS, "0186", "Ada", "ada", "ada@example.com"])
def test_search_finds_a_person_once_by_any_known_value(
    staff: Client, ours: Workspace, spelling: str
) -> None:
    batch = make.batch(ours, columns=["phone", "name", "mail"])
    batch.variable_names = [None, "first_name", "email"]
    batch.save()
    values = [NUMBER, "Ada", "ada@example.com"]
    row = make.recipient(batch, phone_number=NUMBER, values=values)
    make.recipient(make.batch(ours), phone_number="+12025550177", values=["", "Bob"])
    make.call(ours, to_number=NUMBER)

    assert found(staff, spelling) == [
        ("Ada ada@example.com · +1202•••••86", f"/admin/person/recipient/{row.pk}/")
    ]


def test_search_finds_a_person_who_is_in_no_list(staff: Client, ours: Workspace) -> None:
    rows = {
        "+12025550101": ("call", make.call(ours, to_number="+12025550101")),
        "+12025550102": (
            "call",
            make.call(ours, direction="inbound", from_number="+12025550102", to_number=NUMBER),
        ),
        "+12025550103": ("suppression", make.suppression(ours, phone_number="+12025550103")),
        "+12025550104": ("callback", make.callback(ours, phone_number="+12025550104")),
    }

    links = {number: [href for _title, href in found(staff, number)] for number in rows}

    assert links == {
        number: [f"/admin/person/{kind}/{row.pk}/"] for number, (kind, row) in rows.items()
    }


def test_anything_is_found_by_its_id(staff: Client, ours: Workspace) -> None:
    batch = make.batch(ours, name="Reminders")
    call = make.call(ours, sip_call_id="SCL_AbC")

    by_name = found(staff, "remind")
    links = [
        [href for _title, href in found(staff, text)]
        for text in (str(batch.pk), str(batch.pk).upper(), call.room, "SCL_AbC")
    ]

    batch_page = f"/admin/batches/batch/{batch.pk}/change/"
    call_page = f"/admin/telephony/call/{call.pk}/change/"
    assert by_name == [("Reminders", batch_page)]
    assert links == [[batch_page], [batch_page], [call_page], [call_page]]


def test_a_user_is_found_by_the_address(staff: Client, db: None) -> None:
    user = make.user(email="grace@example.com")

    assert found(staff, "grace@exam") == [
        ("grace@example.com", f"/admin/accounts/user/{user.pk}/change/")
    ]


def test_support_finds_nothing_of_other_workspaces(ours: Workspace, theirs: Workspace) -> None:
    client = of_group("Support", ours)
    batch = make.batch(theirs, name="Secret")
    make.recipient(batch, phone_number=NUMBER)

    assert [found(client, text) for text in (NUMBER, "Secret", "0186", str(batch.pk))] == [[]] * 4


def test_analysts_find_no_people(ours: Workspace) -> None:
    make.recipient(make.batch(ours, name="Ada's"), phone_number=NUMBER)

    results = [found(of_group("Analyst"), text) for text in (NUMBER, "Ada")]

    assert [[title for title, _href in result] for result in results] == [[], ["Ada&#x27;s"]]


def test_words_are_searched_among_the_newest_rows(
    staff: Client, ours: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.control.search.MAX_SEARCHED_ROWS", 2)
    batch = make.batch(ours)
    for name in ("Ada", "Bob", "Cid"):
        make.recipient(batch, values=["", name])

    counts = [len(found(staff, name)) for name in ("Ada", "Bob", "Cid")]

    assert counts == [0, 1, 1]


def test_what_was_found_is_kept_nowhere(staff: Client, ours: Workspace) -> None:
    batch = make.batch(ours, name="Reminders")

    before = found(staff, "remind")
    batch.delete()

    assert (len(before), found(staff, "remind")) == (1, [])


def test_the_number_of_queries_does_not_grow_with_the_results(
    staff: Client, ours: Workspace
) -> None:
    staff.get("/admin/")  # writes the session's last activity
    counts = []
    for _ in range(2):
        make.recipient(make.batch(ours), phone_number=NUMBER)
        make.call(ours, to_number=NUMBER)
        with CaptureQueriesContext(connection) as queries:
            found(staff, NUMBER)
        counts.append(len(queries))

    assert counts[0] == counts[1]
