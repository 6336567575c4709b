"""The benchmark of the admin's pages, and its walk over a small database."""

import pytest
from django.db import connection
from django.urls import reverse

from accounts.models import Workspace
from accounts.roles import Role
from ops.bench.admin_walk import (
    MAX_SCANNED_ROWS,
    Visit,
    admin_pages,
    browser_of,
    console_pages,
    scanned_tables,
    visit,
)
from tests import make
from tests.admin.rows import MAKERS

# The tables that grow with the calls.
LARGE_TABLES = (
    *("telephony_call", "telephony_callevent", "telephony_turn", "telephony_inboxevent"),
    *("batches_recipient", "batches_rejectedrow", "batches_suppression", "accounts_auditentry"),
    *("webhooks_webhookevent", "webhooks_webhookdelivery"),
)


def test_sequential_scans_are_found_anywhere_in_a_plan() -> None:
    plan = {
        "Node Type": "Limit",
        "Plans": [
            {"Node Type": "Index Scan", "Relation Name": "small"},
            {"Node Type": "Gather", "Plans": [{"Node Type": "Seq Scan", "Relation Name": "large"}]},
        ],
    }

    assert scanned_tables(plan) == {"large"}


def test_a_scan_that_a_limit_stops_early_reads_the_first_rows_only() -> None:
    scan = {"Node Type": "Seq Scan", "Relation Name": "large", "Total Cost": 9000.0}

    early = {"Node Type": "Limit", "Total Cost": 50.0, "Plans": [scan]}
    late = {"Node Type": "Limit", "Total Cost": 8900.0, "Plans": [scan]}
    sorted_first = {
        **early,
        "Plans": [{"Node Type": "Sort", "Total Cost": 9500.0, "Plans": [scan]}],
    }

    assert [scanned_tables(plan) for plan in (early, late, sorted_first)] == [
        set(),
        {"large"},
        {"large"},
    ]


def test_a_visit_names_what_breaks_its_promise() -> None:
    good = Visit("list", "/", status=200, milliseconds=12)
    bad = Visit("list", "/", status=500, milliseconds=301, scans=["telephony_call"])

    assert good.problems == []
    assert bad.problems == ["reads all of telephony_call", "takes 301 ms", "answers 500"]


@pytest.mark.skipif(connection.vendor != "postgresql", reason="reads plans of PostgreSQL")
def test_every_page_reads_large_tables_by_an_index(
    ours: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As in tables that are longer than what is searched without an index.
    monkeypatch.setattr("accounts.staff.lists.MAX_FILTERED_ROWS", 0)
    monkeypatch.setattr("ops.control.search.MAX_SEARCHED_ROWS", 0)
    user = make.member(ours, Role.ADMIN, is_staff=True, is_superuser=True)
    for make_row in MAKERS.values():
        make_row(ours)
    client = browser_of(user, make.access_token(user))
    with connection.cursor() as cursor:
        # Of a small table every plan would be a scan; now only one without any other way is.
        cursor.execute("SET LOCAL enable_seqscan = off")
    sizes = dict.fromkeys(LARGE_TABLES, MAX_SCANNED_ROWS + 1)

    visits = [visit(client, page, sizes=sizes) for page in (*admin_pages(), *console_pages())]

    slow = {page.url: page.scans for page in visits if page.scans}
    assert {page.url for page in visits} > {reverse("admin:index"), reverse("console:home")}
    assert slow == {}
    assert {page.url: page.status for page in visits if page.status not in (200, 302)} == {}
