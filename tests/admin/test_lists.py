"""Lists of the admin: how rows are found, filtered and paged."""

import re
from datetime import UTC, datetime

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import AuditEntry, Workspace
from accounts.staff.number_search import last_digits, possible_numbers
from batches.models import Batch, Recipient, RejectedRow, Suppression
from telephony.models import Call
from tests import make
from tests.admin.pages import html_of, page_of
from voiceops.core.ids import lowest_id

NUMBER = "+12025550186"
SPELLINGS = (
    "+12025550186",
    "+1 202 555 0186",
    "+1 (202) 555-0186",
    "001 202 555 0186",
    "12025550186",
    "1-202-555-0186",
    "2025550186",
    "202-555-0186",
    "(202) 555-0186",
    "202.555.0186",
)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_person_is_found_by_any_spelling_of_the_number(
    staff: Client, ours: Workspace, spelling: str
) -> None:
    rows = {
        Recipient: make.recipient(make.batch(ours), phone_number=NUMBER),
        Call: make.call(ours, to_number=NUMBER),
        Suppression: make.suppression(ours, phone_number=NUMBER),
    }
    other = make.call(ours, to_number="+12025550199")

    pages = {model: staff.get(page_of(model), {"q": spelling}) for model in rows}

    found = [str(row.pk) in pages[model].content.decode() for model, row in rows.items()]
    assert found == [True, True, True]
    assert str(other.pk) not in pages[Call].content.decode()


def test_a_caller_is_found_by_the_number(staff: Client, ours: Workspace) -> None:
    call = make.call(ours, direction="inbound", from_number=NUMBER, to_number="+12025550100")

    page = html_of(staff.get(page_of(Call), {"q": "202-555-0186"}))

    assert str(call.pk) in page


def test_a_national_number_is_looked_up_in_every_country_that_has_it() -> None:
    numbers = possible_numbers("030 901820")

    assert "+4930901820" in numbers
    assert NUMBER not in numbers
    assert [last_digits(term) for term in ("0186", "12", "2025550186", "Ada")] == [
        "0186",
        None,
        None,
        None,
    ]


def test_names_and_last_digits_are_searched_in_one_batch(staff: Client, ours: Workspace) -> None:
    batch, other = make.batch(ours), make.batch(ours)
    ada = make.recipient(batch, phone_number=NUMBER)
    make.recipient(other, phone_number="+12025550286")

    anywhere = html_of(staff.get(page_of(Recipient), {"q": "Ada"}))
    within = [
        staff.get(
            page_of(Recipient), {"q": term, "batch__id__exact": str(batch.pk)}
        ).content.decode()
        for term in ("Ada", "ADA", "0186", "0286")
    ]

    assert "Choose a batch first" in anywhere
    assert str(ada.pk) not in anywhere
    assert [str(ada.pk) in page for page in within] == [True, True, True, False]


def test_names_with_accents_are_found(staff: Client, ours: Workspace) -> None:
    batch = make.batch(ours)
    row = make.recipient(batch, values=["José"])

    page = staff.get(page_of(Recipient), {"q": "José", "batch__id__exact": str(batch.pk)})

    assert str(row.pk) in page.content.decode()


def test_the_calls_of_a_batch_have_a_filter(staff: Client, ours: Workspace) -> None:
    batch, other = make.batch(ours), make.batch(ours)
    now = datetime.now(UTC)
    mine = make.call(ours, batch_id=batch.pk, dialed_at=now)
    foreign = make.call(ours, batch_id=other.pk, dialed_at=now)

    link = f"/admin/telephony/call/?batch={batch.pk}"
    panel = html_of(staff.get(page_of(Batch, batch)))
    page = html_of(staff.get(link))
    wrong = html_of(staff.get("/admin/telephony/call/?batch=nonsense"))

    assert link in panel
    assert [str(call.pk) in page for call in (mine, foreign)] == [True, False]
    assert f"batch: <strong>{ours.name}: {batch.name}</strong>" in page
    assert "No calls fit the search and the filters" in wrong


def test_a_chip_removes_its_filter_and_no_other(staff: Client, ours: Workspace) -> None:
    query = {"outcome__exact": "busy", "workspace": str(ours.pk)}

    page = html_of(staff.get(page_of(Call), query))

    addresses = re.findall(r'<a href="([^"]*)"[^>]*aria-label="Without the filter', page)
    assert sorted(addresses) == ["?outcome__exact=busy", f"?workspace={ours.pk}"]


def test_rows_are_filtered_by_their_days(staff: Client, ours: Workspace) -> None:
    monday, tuesday = make.call(ours), make.call(ours)
    for call, day in ((monday, 2), (tuesday, 3)):
        noon = datetime(2026, 3, day, 12, tzinfo=UTC)
        pk = lowest_id(noon)
        Call.unscoped.filter(pk=call.pk).update(id=pk, created_at=noon)
        call.pk = pk

    found = {
        query: [str(call.pk) in html_of(staff.get(page_of(Call) + query)) for call in calls]
        for calls in [(monday, tuesday)]
        for query in (
            "?created_at_from=2026-03-03",
            "?created_at_to=2026-03-02",
            "?created_at_from=2026-03-02&created_at_to=2026-03-03",
            "?created_at_from=soon",
        )
    }

    assert list(found.values()) == [[False, True], [True, False], [True, True], [True, True]]


def test_rows_beyond_the_counted_ones_are_reached_with_the_filter(
    staff: Client, ours: Workspace
) -> None:
    batch = make.batch(ours)
    first, second, third = (make.recipient(batch, row_number=row) for row in (1, 2, 3))
    address = f"{page_of(Recipient)}?batch__id__exact={batch.pk}"

    with pytest.MonkeyPatch.context() as limits:
        limits.setattr("accounts.staff.lists.MAX_COUNTED_ROWS", 2)
        page = html_of(staff.get(address))
        further = re.findall(r'<a href="([^"]*)"[^>]*>Further rows', page)
        rest = html_of(staff.get(page_of(Recipient) + further[0].replace("&amp;", "&")))

    beyond = html_of(staff.get(f"{address}&p=99"))
    assert re.search(r"2\+\s+recipients", page)
    # The page shows all rows where they fit on one; the link follows the last that is shown.
    assert f"batch__id__exact={batch.pk}" in further[0]
    assert str(first.pk) not in rest
    assert [str(row.pk) in beyond for row in (first, second, third)] == [True, True, True]


def test_what_has_no_index_is_searched_among_the_newest_rows(
    staff: Client, ours: Workspace, theirs: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("accounts.staff.lists.MAX_FILTERED_ROWS", 1)
    old, new = (make.call(of, outcome="busy") for of in (ours, theirs))
    queries = (
        "outcome__exact=busy",
        "q=SCL_x",
        f"outcome__exact=busy&workspace={ours.pk}",
        "created_at_from=2026-01-01",
        f"q={old.pk}",
    )

    pages = {query: html_of(staff.get(f"{page_of(Call)}?{query}")) for query in queries}

    found = {query: [str(call.pk) in page for call in (old, new)] for query, page in pages.items()}
    limited = [query for query, page in pages.items() if "Of the newest 1 rows" in page]
    assert list(found.values()) == [
        [False, True],
        [False, False],
        [True, False],
        [True, True],
        [True, False],
    ]
    assert limited == list(queries[:2])


def test_no_list_reads_the_choices_of_its_filters_from_all_rows(
    staff: Client, ours: Workspace
) -> None:
    make.call(ours)
    with CaptureQueriesContext(connection) as queries:
        for model in (Call, Recipient, RejectedRow, AuditEntry, Suppression):
            staff.get(page_of(model))

    assert [query["sql"] for query in queries if "DISTINCT" in query["sql"]] == []


def test_an_empty_list_says_so(staff: Client, db: None) -> None:
    page = html_of(staff.get(page_of(RejectedRow)))

    assert "There are no rejected rows yet" in page
    assert "Create a new item" not in page


def test_times_are_displayed_and_days_counted_in_the_readers_zone(
    staff: Client, ours: Workspace
) -> None:
    at = datetime(2026, 3, 2, 3, 30, tzinfo=UTC)
    row = make.suppression(ours, pk=lowest_id(at))
    Suppression.unscoped.filter(pk=row.pk).update(created_at=at)
    staff.cookies["console_timezone"] = "America/New_York"
    pages = [
        html_of(staff.get("/admin/batches/suppression/", {"created_at_to": day}))
        for day in ("2026-02-28", "2026-03-01")
    ]

    assert ["22:30:00 EST" in page for page in pages] == [False, True]


def test_times_of_a_list_are_by_the_readers_clock_with_utc_on_hover(
    staff: Client, ours: Workspace
) -> None:
    at = datetime(2026, 3, 5, 23, 30, 15, tzinfo=UTC)
    make.suppression(ours, expires_at=at)

    page = html_of(staff.get("/admin/batches/suppression/"))

    stamp = f'<time datetime="{at.isoformat()}" title="2026-03-05 23:30:15 UTC">'
    [words] = re.findall(rf"{re.escape(stamp)}(.*?)</time>", page)
    assert re.sub(r"<[^>]+>", "", words) == "2026-03-05 23:30:15 UTC"


def test_the_list_of_calls_has_their_answer_from_the_carrier_and_their_length(
    staff: Client, ours: Workspace
) -> None:
    ended = datetime(2026, 3, 5, 12, 2, 5, tzinfo=UTC)
    answered = datetime(2026, 3, 5, 12, 0, tzinfo=UTC)
    times = {"answered_at": answered, "ended_at": ended}
    make.call(ours, stage="ended", outcome="answered", sip_status_code=603, **times)

    page = html_of(staff.get("/admin/telephony/call/"))

    assert re.search(r'data-label="SIP">603<', page)
    assert re.search(r'data-label="Talked">2:05<', page)
