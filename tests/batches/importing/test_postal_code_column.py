"""A list's column with postal codes: the time zone that they give North American numbers."""

from datetime import UTC, datetime
from zoneinfo import available_timezones

import pytest

from accounts.models import Workspace
from batches.dialing.admission import BatchAdmission
from batches.importing.columns import read_columns
from batches.models import Batch, Recipient
from batches.services.preview import preview_list
from tests import make
from tests.batches.importing import lists
from voiceops.core.postal_zones import (
    CANADIAN_PREFIXES_OF_ZONES,
    ZIP_PREFIXES_OF_ZONES,
    find_postal_zones,
)

TOLL_FREE = "+18005550199"
LIST = f"""phone,Zip Code,name
{TOLL_FREE},90210-1234,Ada
+18005550198,86040,Bo
+18005550197,,Cleo
+12025550102,2134,Dan
+4930901820,10115,Eve
"""


@pytest.mark.parametrize(
    ("code", "country", "zones"),
    [
        pytest.param("90210", "US", "America/Los_Angeles", id="Beverly Hills"),
        pytest.param(" 90210-1234 ", "US", "America/Los_Angeles", id="ZIP and four"),
        pytest.param("902101234", "US", "America/Los_Angeles", id="nine digits"),
        pytest.param("2134", "US", "America/New_York", id="a zero was lost"),
        pytest.param("601", "PR", "America/Puerto_Rico", id="two zeros were lost"),
        pytest.param("48201", "US", "America/New_York", id="Detroit has the clock of New York"),
        pytest.param("32401", "US", "America/Chicago America/New_York", id="Panama City"),
        pytest.param("79901", "US", "America/Denver", id="El Paso"),
        pytest.param("99546", "US", "America/Adak", id="Adak, in the midst of Anchorage's codes"),
        pytest.param("86040", "US", "America/Denver America/Phoenix", id="Page"),
        pytest.param("96799", "AS", "Pacific/Pago_Pago", id="American Samoa"),
        pytest.param("96813", "US", "Pacific/Honolulu", id="Honolulu"),
        pytest.param("96943", "US", None, id="Yap"),
        pytest.param("09096", "US", None, id="the army in Europe"),
        pytest.param("99999999", "US", None, id="no ZIP code"),
        pytest.param("SW1A 1AA", "US", None, id="London, with an American number"),
        pytest.param("10115", "DE", None, id="Berlin"),
        pytest.param("90210", "CA", None, id="a ZIP code with a Canadian number"),
        pytest.param("m5v 3l9", "CA", "America/Toronto", id="Toronto"),
        pytest.param("V6B1A1", "CA", "America/Vancouver", id="Vancouver"),
        pytest.param("B3H", "CA", "America/Halifax", id="the first half of Halifax"),
        pytest.param("A1C 5M2", "CA", "America/St_Johns", id="St. John's"),
        pytest.param("G4T 1A1", "CA", None, id="Quebec's islands have another clock"),
        pytest.param("S9V 1A1", "CA", None, id="Lloydminster has that of Alberta"),
    ],
)
def test_postal_code_has_the_zones_of_its_prefix(code: str, country: str, zones: str) -> None:
    assert find_postal_zones(code, country) == zones


def test_every_zone_of_a_postal_code_exists() -> None:
    names = {zone for zones in ZIP_PREFIXES_OF_ZONES for zone in zones.split()}

    assert (names | CANADIAN_PREFIXES_OF_ZONES.keys()) <= available_timezones()


def test_no_prefix_of_a_zip_code_stands_twice() -> None:
    ranges = [one for text in ZIP_PREFIXES_OF_ZONES.values() for one in text.split()]
    ends = sorted(
        (first, last or first) for first, _, last in (one.partition("-") for one in ranges)
    )

    # Longer prefixes are exceptions within shorter ones.
    of_three = [end for end in ends if len(end[0]) == 3]
    assert all(of_three[at][1] < of_three[at + 1][0] for at in range(len(of_three) - 1))
    assert len(of_three) > 100


@pytest.mark.parametrize(
    "name",
    [
        *("zip", "ZIP_Code", "PostalCode", "Postal Code", "postcode", "Post-Code"),
        *("MailingPostalCode", "Mailing Zip/Postal Code", "Address 1 - Postal Code"),
    ],
)
def test_column_is_found_by_its_name_and_stays_a_variable(name: str) -> None:
    columns = read_columns(["phone", name])

    assert columns.mapping == {"phone": "phone_number", name: "postal_code"}
    assert columns.variables == [None, name]


def test_mapped_column_is_the_variable_that_it_was_before() -> None:
    columns = read_columns(["phone", "PLZ"], {"PLZ": "postal_code"})

    assert (columns.postal_code_index, columns.variables) == (1, [None, "postal_code"])


def test_mapped_column_is_the_variable_that_the_agent_wants() -> None:
    columns = read_columns(["phone", "zip"], {"zip": "postal_code"}, ["zip"])

    assert (columns.postal_code_index, columns.variables) == (1, [None, "zip"])


def test_import_stores_the_zones_of_postal_codes(ours: Workspace) -> None:
    batch = lists.imported(ours, LIST)

    rows = Recipient.unscoped.filter(batch=batch).order_by("row_number")
    assert list(rows.values_list("timezone", flat=True)) == [
        "America/Los_Angeles",
        "America/Denver America/Phoenix",
        None,
        "America/New_York",
        None,
    ]
    assert batch.column_roles == {"Zip Code": "postal_code"}


def test_time_zone_comes_before_the_postal_code(ours: Workspace) -> None:
    text = f"phone,zip,tz\n{TOLL_FREE},90210,Eastern\n+18005550198,90210,nowhere\n"
    batch = lists.imported(ours, text)

    rows = Recipient.unscoped.filter(batch=batch).order_by("row_number")
    assert list(rows.values_list("timezone", flat=True)) == [
        "America/New_York",
        "America/Los_Angeles",
    ]


def test_all_zones_of_a_postal_code_must_be_open(ours: Workspace) -> None:
    # Summer: Phoenix is an hour behind Denver.
    window = {"timezone": "recipient", "spans": [{"start": "09:00", "end": "18:00"}]}
    preview = preview_list(
        content=[
            {"phone_number": TOLL_FREE, "variables": {"zip": 86040}},
            {"phone_number": "+18005550198", "variables": {"zip": "90210"}},
        ],
        agent=make.agent(ours),
        phone_number=make.phone_number(ours),
        now=datetime(2027, 7, 12, 12, tzinfo=UTC),
        calling_window=window,
    )

    assert [row["first_call_at"] for row in preview["first_rows"]] == [
        datetime(2027, 7, 12, 16, tzinfo=UTC),
        datetime(2027, 7, 12, 16, tzinfo=UTC),
    ]
    assert preview["calling"]["schedule"] == [
        {
            "timezones": ["America/Denver", "America/Phoenix"],
            "first_call_at": datetime(2027, 7, 12, 16, tzinfo=UTC),
            "count": 1,
        },
        {
            "timezones": ["America/Los_Angeles"],
            "first_call_at": datetime(2027, 7, 12, 16, tzinfo=UTC),
            "count": 1,
        },
    ]
    assert preview["notes"] == []


def test_last_check_before_a_dial_knows_the_postal_code(ours: Workspace) -> None:
    batch = lists.imported(ours, f"phone,zip\n{TOLL_FREE},99501\n")
    window = {"timezone": "recipient", "spans": [{"start": "20:00", "end": "21:00"}]}
    Batch.unscoped.filter(pk=batch.pk).update(
        status=Batch.Status.RUNNING, calling_window=window, phone_number=make.phone_number(ours)
    )
    recipient = Recipient.unscoped.get()
    call = make.call(ours, to_number=TOLL_FREE, batch_id=batch.pk, recipient_id=recipient.pk)
    # 20:30 in Anchorage, in the winter.
    instant = datetime(2027, 1, 13, 5, 30, tzinfo=UTC)

    assert BatchAdmission([call]).refusal(call, instant) is None
    assert BatchAdmission([call]).refusal(call, instant.replace(hour=4)) == "window_closed"
