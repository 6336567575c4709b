"""A list's column with time zones: what is understood, stored, and called by it."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from accounts.models import Workspace
from batches.dialing.admission import BatchAdmission
from batches.dialing.reservation import claim_recipients
from batches.models import Batch, Recipient
from batches.services.preview import preview_list
from telephony.models import Call
from tests import make
from tests.batches.importing import lists
from voiceops.core.time_zones import find_zone, zone_names
from voiceops.core.zone_words import (
    ABBREVIATIONS,
    NORTH_AMERICAN_ZONES,
    ODD_OFFSETS,
    ZONES_OF_TIMES,
)

LIST = """phone,Time Zone,name
+79161234567,Europe/Moscow,Ada
+79161234568,,Bo
+12025550101,Pacific,Cleo
+12025550102,nowhere,Dan
"""


def zones_of(batch: Batch) -> list[str | None]:
    rows = Recipient.unscoped.filter(batch=batch).order_by("row_number")
    return list(rows.values_list("timezone", flat=True))


@pytest.mark.parametrize(
    ("text", "zone"),
    [
        ("Europe/Moscow", "Europe/Moscow"),
        (" america/new york ", "America/New_York"),
        ("utc", "UTC"),
        ("us_slash_pacific", "US/Pacific"),
        ("UTC+3", "Etc/GMT-3"),
        ("GMT-05:00", "Etc/GMT+5"),
        ("+2", "Etc/GMT-2"),
        ("UTC+15", None),
        ("UTC+5:30", "Asia/Kolkata"),
        ("+0545", "Asia/Kathmandu"),
        ("UTC+5:15", None),
        ("UTC+0", "UTC"),
        ("Z", "UTC"),
        ("Europe / Paris", "Europe/Paris"),
        ("Tokyo", "Asia/Tokyo"),
        ("New York", "America/New_York"),
        ("(GMT+01:00) W. Europe Standard Time", "Europe/Berlin"),
        ("India Standard Time", "Asia/Kolkata"),
        ("GMT Standard Time", "Europe/London"),
        ("MEZ", "CET"),
        ("IST", None),
        ("EST", "EST"),
        ("CST", None),
        ("nowhere", None),
        ("localtime", None),
        ("", None),
    ],
)
def test_time_zones_are_understood_as_people_write_them(text: str, zone: str | None) -> None:
    assert find_zone(text) == zone


@pytest.mark.parametrize(
    "text",
    [
        *("EST", "edt", "ET", "Eastern", "Eastern Standard Time"),
        "(GMT-05:00) Eastern Time (US & Canada)",
    ],
)
def test_zones_of_north_america_have_summer_time(text: str) -> None:
    assert find_zone(text, is_north_american=True) == "America/New_York"


@pytest.mark.parametrize("text", ["London", "Paris", "Atlantic", "AST"])
def test_a_word_that_is_also_a_place_of_north_america_with_another_clock_names_none(
    text: str,
) -> None:
    assert find_zone(text, is_north_american=True) is None


def test_every_word_for_a_zone_names_one_that_exists() -> None:
    tables = (NORTH_AMERICAN_ZONES, ABBREVIATIONS, ZONES_OF_TIMES, ODD_OFFSETS)

    assert {zone for table in tables for zone in table.values()} <= zone_names()


def test_column_named_time_zone_is_stored_and_stays_a_variable(ours: Workspace) -> None:
    batch = lists.imported(ours, LIST)

    assert zones_of(batch) == ["Europe/Moscow", None, "America/Los_Angeles", None]
    first = Recipient.unscoped.get(batch=batch, row_number=2)
    assert first.variables_in(batch) == {"Time Zone": "Europe/Moscow", "name": "Ada"}
    assert batch.known_mapping == {
        "phone": "phone_number",
        "Time Zone": "timezone",
        "name": "name",
    }


def test_mapping_makes_any_column_the_time_zone(ours: Workspace) -> None:
    sent = "phone,where\n+79161234567,Asia/Omsk\n"

    batch = lists.imported(ours, sent, column_mapping={"where": "timezone"})

    assert zones_of(batch) == ["Asia/Omsk"]
    only = Recipient.unscoped.get(batch=batch)
    assert only.variables_in(batch) == {"timezone": "Asia/Omsk"}


def test_preview_goes_by_the_column_and_names_what_it_does_not_understand(
    ours: Workspace,
) -> None:
    window = {"start": "09:00", "end": "18:00", "timezone": "recipient"}

    preview = preview_list(
        content=iter([LIST.encode()]),
        agent=make.agent(ours),
        phone_number=make.phone_number(ours),
        now=datetime(2027, 1, 11, 8, 0, tzinfo=UTC),
        calling_window=window,
    )

    assert [row["first_call_at"] for row in preview["first_rows"]] == [
        datetime(2027, 1, 11, 8, tzinfo=UTC),
        None,
        datetime(2027, 1, 11, 17, tzinfo=UTC),
        datetime(2027, 1, 11, 14, tzinfo=UTC),
    ]
    assert preview["notes"][0] == (
        "1 row has a time zone that is not understood, for example nowhere: write a name such as "
        "Europe/Moscow. Until then the zone of the number counts"
    )
    assert preview["notes"][1].startswith("The time zone of 1 number is not known")


def open_now_in(zone: str) -> dict[str, Any]:
    """A window that is open now in that zone, and for two hours at most."""
    hour = timezone.now().astimezone(ZoneInfo(zone)).hour
    span = {"start": f"{hour:02}:00", "end": f"{(hour + 2) % 24:02}:00"}
    return {"timezone": "recipient", "spans": [span]}


def test_recipient_is_called_by_its_own_zone(ours: Workspace) -> None:
    batch = lists.imported(ours, "phone,timezone\n+12025550101,Asia/Tokyo\n+12025550102,\n")
    number = make.phone_number(ours)
    Batch.unscoped.filter(pk=batch.pk).update(
        status=Batch.Status.RUNNING,
        calling_window=open_now_in("Asia/Tokyo"),
        phone_number=number,
    )

    claim_recipients(number.pk, owner=uuid4(), max_calls=10)

    call = Call.unscoped.get()
    assert call.to_number == "+12025550101"
    assert BatchAdmission([call]).refusal(call, timezone.now()) is None
    waiting = Recipient.unscoped.get(batch=batch, phone_number="+12025550102")
    assert (waiting.status, waiting.reason) == ("pending", "window_closed")
