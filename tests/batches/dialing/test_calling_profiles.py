"""What the profiles of countries do to a call: one test a rule that sets a limit."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Workspace
from batches.dialing.admission import BatchAdmission
from batches.dialing.calling_windows import opens_at, rules_of
from batches.models import Batch
from batches.services.preview import preview_list
from telephony.models import Stage
from tests import make

WASHINGTON = "+12025550186"
MIAMI = "+13055550186"
PARIS = "+33142685300"
LONDON = "+442079460018"
BERLIN = "+4930901820"
DELHI = "+911123456789"


@pytest.mark.parametrize(
    ("profile", "number", "asked_for", "first_call_at"),
    [
        pytest.param("us", WASHINGTON, "2027-01-11 12:59", "2027-01-11 13:00", id="US at eight"),
        pytest.param("us", WASHINGTON, "2027-01-12 02:00", "2027-01-12 13:00", id="US at nine pm"),
        pytest.param("us-fl", MIAMI, "2027-01-12 00:59", "2027-01-12 00:59", id="Florida before 8"),
        pytest.param("us-fl", MIAMI, "2027-01-12 01:00", "2027-01-12 13:00", id="Florida at eight"),
        pytest.param("fr", PARIS, "2027-01-11 12:30", "2027-01-11 13:00", id="France at 13:30"),
        pytest.param("fr", PARIS, "2027-01-15 19:00", "2027-01-18 09:00", id="France, weekend"),
        pytest.param("fr", PARIS, "2027-07-14 10:00", "2027-07-15 08:00", id="France, 14 July"),
        pytest.param("gb", LONDON, "2027-01-16 08:00", "2027-01-16 09:00", id="UK on a Saturday"),
        pytest.param("gb", LONDON, "2027-01-17 12:00", "2027-01-18 08:00", id="UK on a Sunday"),
        pytest.param("gb", LONDON, "2027-03-26 12:00", "2027-03-27 09:00", id="UK, Good Friday"),
        pytest.param("de", BERLIN, "2027-01-16 17:00", "2027-01-18 07:00", id="Germany, Saturday"),
        pytest.param("de", BERLIN, "2027-10-03 12:00", "2027-10-04 06:00", id="Germany, 3 October"),
        pytest.param("in", DELHI, "2027-01-11 04:00", "2027-01-11 04:30", id="India at 9:30"),
        pytest.param("in", DELHI, "2027-01-11 15:30", "2027-01-12 04:30", id="India at nine pm"),
    ],
)
def test_profile_opens_by_its_hours(
    ours: Workspace, profile: str, number: str, asked_for: str, first_call_at: str
) -> None:
    ours.calling_profile = profile
    rules = rules_of(Batch(workspace=ours))

    opening = opens_at(number, rules, datetime.fromisoformat(asked_for).replace(tzinfo=UTC))

    assert opening.at == datetime.fromisoformat(first_call_at).replace(tzinfo=UTC)


def refusal_after(of: Workspace, calls: list[tuple[float, str]]) -> str | None:
    """Why a number is not called after calls so many days ago that ended so."""
    for days, outcome in calls:
        make.call(
            of,
            to_number=PARIS,
            stage=Stage.ENDED,
            outcome=outcome,
            intent_at=timezone.now() - timedelta(days=days),
        )
    batch = make.batch(of, status=Batch.Status.RUNNING, calling_window=ANY_TIME)
    call = make.call(of, to_number=PARIS, stage=Stage.RESERVED, batch_id=batch.pk)
    return BatchAdmission([call]).refusal(call, timezone.now())


ANY_TIME = {"days": [1, 2, 3, 4, 5, 6, 7], "start": "00:00", "end": "24:00", "timezone": "UTC"}
RANG = "no_answer"


@pytest.mark.parametrize(
    ("limits", "calls", "refusal"),
    [
        ({"calling_profile": "us-fl"}, [(0.1, RANG)] * 2, None),
        ({"calling_profile": "us-fl"}, [(0.1, RANG)] * 3, "daily_cap"),
        ({"calling_profile": "us-fl"}, [(1.1, RANG)] * 3, None),
        ({"calling_profile": "fr"}, [(29, RANG)] * 3, None),
        ({"calling_profile": "fr"}, [(29, RANG)] * 4, "monthly_cap"),
        ({"calling_profile": "fr"}, [(31, RANG)] * 4, None),
        ({"calling_profile": "fr"}, [(59, "declined")], "rest_after_refusal"),
        ({"calling_profile": "fr"}, [(61, "declined")], None),
        ({"calling_profile": "de"}, [(0.1, RANG)] * 3, "daily_cap"),
        ({"calling_profile": "de"}, [(3, RANG)] * 15, "weekly_cap"),
        ({"rest_days_after_answer": 10}, [(9, "answered")], "rest_after_answer"),
        ({"rest_days_after_answer": 10}, [(9, RANG)], None),
        ({"rest_days_after_answer": 10}, [(11, "answered")], None),
        ({"calling_profile": "fr", "rest_days_after_refusal": 5}, [(6, "declined")], None),
    ],
)
def test_caps_and_rests_hold(
    ours: Workspace, limits: dict[str, Any], calls: list[tuple[float, str]], refusal: str | None
) -> None:
    Workspace.unscoped.filter(pk=ours.pk).update(**limits)

    assert refusal_after(ours, calls) == refusal


def test_preview_counts_numbers_that_rest(ours: Workspace) -> None:
    Workspace.unscoped.filter(pk=ours.pk).update(calling_profile="fr")
    ours.refresh_from_db()
    yesterday = timezone.now() - timedelta(days=1)
    make.call(ours, to_number=PARIS, stage=Stage.ENDED, outcome="declined", intent_at=yesterday)

    preview = preview_list(
        content=[{"phone_number": PARIS}, {"phone_number": "+33142685301"}],
        agent=make.agent(ours),
        phone_number=make.phone_number(ours),
        now=timezone.now(),
    )

    assert (preview["counts"]["valid"], preview["counts"]["rejected"]) == (2, 0)
    assert preview["not_called"] == {"rest_after_refusal": 1}
    assert preview["calling"]["never"] == 1
    assert [(row["status"], row["reason"]) for row in preview["first_rows"]] == [
        ("skipped", "rest_after_refusal"),
        ("pending", None),
    ]
