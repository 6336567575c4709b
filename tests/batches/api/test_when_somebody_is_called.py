"""Who is called when, as a preview answers it: kinds of mistakes seen with other products."""

import time
from datetime import UTC, datetime
from typing import Any

import pytest

from accounts.models import Workspace
from batches.services.preview import preview_list
from tests import make
from tests.batches.api.bodies import order, upload

ALL_DAYS = [1, 2, 3, 4, 5, 6, 7]
LONG = {"days": ALL_DAYS, "start": "08:00", "end": "20:00", "timezone": "recipient"}
SHORT = {"days": ALL_DAYS, "start": "09:00", "end": "18:00", "timezone": "recipient"}
WEEKDAYS = {"days": [1, 2, 3, 4, 5], "start": "09:00", "end": "18:00", "timezone": "recipient"}


def preview(of: Workspace, **fields: Any) -> dict[str, Any]:
    body = order(make.agent(of), make.phone_number(of), **fields)
    kind = "multipart" if "file" in fields else "json"
    response = make.client(of).post("/batches/preview", body, format=kind)
    assert response.status_code == 200, response.json()
    answer: dict[str, Any] = response.json()
    return answer


@pytest.mark.parametrize(
    ("number", "window", "asked_for", "first_call_at"),
    [
        pytest.param(
            "+213551234567", LONG, "2027-07-15T00:00:00Z", "2027-07-15T07:00:00Z", id="Algeria"
        ),
        pytest.param(
            "+50581234567", LONG, "2027-07-15T06:00:00Z", "2027-07-15T14:00:00Z", id="Nicaragua"
        ),
        pytest.param(
            "+212650123456", LONG, "2027-01-15T19:30:00Z", "2027-01-16T07:00:00Z", id="Morocco"
        ),
        pytest.param(
            "+18762101234", SHORT, "2027-01-11T00:00:00Z", "2027-01-11T14:00:00Z", id="Jamaica"
        ),
        pytest.param(
            "+12462501234", SHORT, "2027-07-12T06:00:00Z", "2027-07-12T13:00:00Z", id="Barbados"
        ),
        pytest.param(
            "+77710009998", SHORT, "2027-01-11T00:00:00Z", "2027-01-11T04:00:00Z", id="Kazakhstan"
        ),
    ],
)
def test_number_follows_the_clock_of_its_own_country(
    ours: Workspace, number: str, window: dict[str, Any], asked_for: str, first_call_at: str
) -> None:
    answer = preview(
        ours,
        recipients=[{"phone_number": number}],
        calling_window=window,
        start="scheduled",
        scheduled_at=asked_for,
    )

    assert answer["calling"]["first_call_at"] == first_call_at
    assert answer["first_rows"][0]["first_call_at"] == first_call_at


def test_numbers_of_no_known_zone_are_reported_with_what_to_do(ours: Workspace) -> None:
    rows = [{"phone_number": one} for one in ("+79161234567", "+18005550199", "+12025550101")]

    answer = preview(
        ours,
        recipients=rows,
        calling_window=WEEKDAYS,
        start="scheduled",
        scheduled_at="2027-01-11T14:30:00Z",
    )

    calling = answer["calling"]
    assert answer["not_called"] == {"zone_unknown": 1}
    assert (calling["now"], calling["later"], calling["never"]) == (1, 1, 1)
    assert [row["first_call_at"] for row in answer["first_rows"]] == [
        None,
        "2027-01-11T19:00:00Z",
        "2027-01-11T14:30:00Z",
    ]
    assert answer["notes"][0].startswith("The time zone of 2 numbers is not known")
    assert answer["not_called_reasons"][0]["code"] == "zone_unknown"


def test_rules_of_a_country_can_be_set_for_a_batch(ours: Workspace) -> None:
    days = [1, 2, 3, 4, 5]
    window = {
        "timezone": "Europe/Paris",
        "spans": [
            {"days": days, "start": "10:00", "end": "13:00"},
            {"days": days, "start": "14:00", "end": "20:00"},
        ],
        "holidays": "FR",
    }

    answer = preview(
        ours,
        recipients=[{"phone_number": "+33142685300"}],
        calling_window=window,
        start="scheduled",
        scheduled_at="2027-01-11T13:30:00+01:00",
    )

    assert answer["calling"]["first_call_at"] == "2027-01-11T13:00:00Z"


def test_spans_arrive_in_a_form_as_well_as_in_json(ours: Workspace) -> None:
    window = '{"spans": [{"days": [5, 6], "start": "20:00", "end": "02:00"}], "timezone": "UTC"}'

    answer = preview(
        ours,
        file=upload(),
        calling_window=window,
        start="scheduled",
        scheduled_at="2027-01-09T01:00:00Z",
    )

    assert answer["calling"]["first_call_at"] == "2027-01-09T01:00:00Z"


def test_preview_of_a_long_list_says_when_each_recipient_is_called(ours: Workspace) -> None:
    areas = ("+1202", "+1213", "+1312", "+1800", "+1808", "+4477", "+4917", "+7916", "+3361")
    length = {"+1": 12, "+4": 13, "+7": 12, "+3": 12}
    numbers = [
        f"{area}{at * 37 % 10 ** (length[area[:2]] - 5):0{length[area[:2]] - 5}}"
        for at in range(2_000_000, 2_005_000)
        for area in areas
    ]
    list_of_numbers = "phone\n" + "\n".join(numbers)
    started_at = time.process_time()

    answer = preview_list(
        content=iter([list_of_numbers.encode()]),
        agent=make.agent(ours),
        phone_number=make.phone_number(ours),
        now=datetime(2027, 1, 11, 12, tzinfo=UTC),
        calling_window=WEEKDAYS,
    )

    calling = answer["calling"]
    assert answer["counts"]["rows"] == len(numbers)
    assert (
        calling["now"] + calling["later"] + calling["never"] == answer["counts"]["valid"] > 20_000
    )
    assert sum(group["count"] for group in calling["schedule"]) == calling["now"] + calling["later"]
    # 200 000 rows take less than ten seconds of a core.
    assert (time.process_time() - started_at) * 200_000 / len(numbers) < 10
