"""Calls found by a part of a number on either side: its beginning, its middle, its end."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Workspace
from telephony.services import number_search
from tests import make
from tests.telephony.calls.samples import ended
from tests.telephony.calls.test_call_list import listed

FOUND = {
    "%2B120255501": {"first", "second", "inbound"},
    "5550186": {"first", "inbound"},
    "0186": {"first", "inbound"},
    "0187": {"second"},
    "0100": {"first", "second"},
    "55": {"first", "second", "inbound"},
    "SIP:Desk7": {"desk"},
    "_186": set(),
    "9999": set(),
}


@pytest.mark.parametrize("limits", [{}, {"MAX_FOUND_NUMBERS": 1}, {"MAX_CALLERS": 1}])
def test_any_part_of_a_number_finds_its_calls_however_many_numbers_there_are(
    ours: Workspace, theirs: Workspace, limits: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, limit in limits.items():
        monkeypatch.setattr(number_search, name, limit)
    own = {"from_number": "+12025550100"}
    calls: dict[str, Any] = {
        "first": ended(ours, to_number="+12025550186", **own),
        "second": ended(ours, to_number="+12025550187", **own),
        "inbound": ended(
            ours, direction="inbound", from_number="+12025550186", to_number="+4930901820"
        ),
        "desk": ended(ours, from_number="+4930901820", to_number="sip:desk7@example.com"),
    }
    make.call(ours, batch_id=make.batch(ours).pk, to_number="+12025550186", dialed_at=None)
    ended(theirs, to_number="+12025550186", **own)

    found = {text: set(listed(ours, f"search={text}")) for text in FOUND}

    assert found == {text: {str(calls[name].pk) for name in names} for text, names in FOUND.items()}


@pytest.mark.skipif(connection.vendor != "sqlite", reason="reads plans of SQLite")
def test_a_search_reads_numbers_in_an_index_and_then_the_calls_that_it_found(
    ours: Workspace,
) -> None:
    ended(ours, to_number="+12025550186")
    client = make.client(ours)
    client.get("/calls")  # the key's first use is recorded

    with CaptureQueriesContext(connection) as captured:
        total = client.get("/calls?search=0186").json()["total"]
    plans = []
    with connection.cursor() as cursor:
        for query in captured.captured_queries:
            if "telephony_call" in query["sql"]:
                cursor.execute(f"EXPLAIN QUERY PLAN {query['sql']}")
                plans += [step[3] for step in cursor.fetchall()]

    assert total == 1
    assert len(captured) == 5  # key, two for callers, numbers called, page with its total
    assert [step for step in plans if step.startswith("SCAN telephony_call")] == []
    assert any("USING COVERING INDEX call_by_to (workspace_id=?)" in step for step in plans)
