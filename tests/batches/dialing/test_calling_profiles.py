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


def refusal_after(of: Workspace, calls: list[tuple[float, str]], **limits: Any) -> str | None:
    """Why a number is not called after calls so many days ago that ended so."""
    for days, outcome in calls:
        make.call(
            of,
            to_number=PARIS,
            stage=Stage.ENDED,
            outcome=outcome,
            intent_at=timezone.now() - timedelta(days=days),
        )
    fields = {"calling_window": ANY_TIME, **limits}
    batch = make.batch(of, status=Batch.Status.RUNNING, **fields)
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


@pytest.mark.parametrize(
    ("of_workspace", "of_batch", "calls", "refusal"),
    [
        ({}, {"max_attempts_per_day": 2}, [(0.9, RANG)] * 2, "daily_cap"),
        ({}, {"max_attempts_per_day": 2}, [(0.9, RANG), (1.1, RANG)], None),
        ({}, {"max_attempts_per_week": 2}, [(6, RANG)] * 2, "weekly_cap"),
        ({}, {"max_attempts_per_week": 2}, [(6, RANG), (8, RANG)], None),
        ({}, {"max_attempts_per_30_days": 4}, [(29, RANG)] * 4, "monthly_cap"),
        ({}, {"max_attempts_per_30_days": 4}, [(29, RANG)] * 3, None),
        ({}, {"rest_days_after_answer": 90}, [(89, "answered")], "rest_after_answer"),
        ({}, {"rest_days_after_answer": 90}, [(91, "answered")], None),
        ({}, {"rest_days_after_refusal": 60}, [(59, "declined")], "rest_after_refusal"),
        ({}, {"rest_days_after_refusal": 60}, [(59, RANG)], None),
        # The batch's own value comes before that of its workspace, in both directions.
        ({"max_attempts_per_day": 1}, {"max_attempts_per_day": 3}, [(0.1, RANG)] * 2, None),
        ({"calling_profile": "fr"}, {"max_attempts_per_30_days": 1}, [(20, RANG)], "monthly_cap"),
        ({"calling_profile": "fr"}, {"rest_days_after_refusal": 10}, [(20, "declined")], None),
    ],
)
def test_caps_and_rests_of_a_batch_come_before_those_of_its_workspace(
    ours: Workspace,
    of_workspace: dict[str, Any],
    of_batch: dict[str, Any],
    calls: list[tuple[float, str]],
    refusal: str | None,
) -> None:
    Workspace.unscoped.filter(pk=ours.pk).update(**of_workspace)

    assert refusal_after(ours, calls, **of_batch) == refusal


def test_caps_of_one_batch_hold_for_no_other(ours: Workspace) -> None:
    make.batch(ours, status=Batch.Status.RUNNING, max_attempts_per_day=1)

    assert refusal_after(ours, [(0.1, RANG)]) is None


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


def test_preview_counts_numbers_at_a_cap_of_their_batch(ours: Workspace) -> None:
    last_week = timezone.now() - timedelta(days=8)
    make.call(ours, to_number=PARIS, stage=Stage.ENDED, outcome=RANG, intent_at=last_week)
    body = {
        "agent_id": str(make.agent(ours).pk),
        "phone_number_id": str(make.phone_number(ours).pk),
        "recipients": [{"phone_number": PARIS}, {"phone_number": "+33142685301"}],
        "max_attempts_per_30_days": 1,
    }

    preview = make.client(ours).post("/batches/preview", body).json()

    assert preview["not_called_reasons"] == [
        {
            "code": "monthly_cap",
            "text": "The number was called as often as its limit allows in thirty days.",
            "next_step": "Append the recipient later, or raise max_attempts_per_30_days of the "
            "batch or workspace.",
            "count": 1,
        }
    ]
