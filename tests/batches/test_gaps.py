"""The least time between two calls to one person, however long it is."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Workspace
from batches.gate import BatchAdmission
from batches.models import Batch
from telephony.models import Stage
from tests import make

MONTH = 30 * 24 * 60


@pytest.mark.parametrize(("days_ago", "refusal"), [(10, "min_gap"), (40, None)])
def test_a_gap_may_be_longer_than_a_week(ours: Workspace, days_ago: int, refusal: str | None) -> None:
    Workspace.unscoped.filter(pk=ours.pk).update(min_gap_minutes=MONTH, max_attempts_per_week=1)
    earlier = timezone.now() - timedelta(days=days_ago)
    make.call(ours, to_number="+12025550186", stage=Stage.ENDED, outcome="no_answer", intent_at=earlier)
    batch = make.batch(ours, status=Batch.Status.RUNNING)
    call = make.call(ours, to_number="+12025550186", stage=Stage.RESERVED, batch_id=batch.pk)

    assert BatchAdmission([call]).refusal(call, timezone.now()) == refusal


def test_a_gap_without_end_stops_no_worker(ours: Workspace) -> None:
    Workspace.unscoped.filter(pk=ours.pk).update(min_gap_minutes=2**31 - 1)
    batch = make.batch(ours, status=Batch.Status.RUNNING)
    call = make.call(ours, to_number="+12025550186", stage=Stage.RESERVED, batch_id=batch.pk)
    before = make.call(ours, to_number="+12025550187", stage=Stage.ENDED, intent_at=timezone.now())
    again = make.call(ours, to_number=before.to_number, stage=Stage.RESERVED, batch_id=batch.pk)

    admission = BatchAdmission([call, again])

    assert [admission.refusal(one, timezone.now()) for one in (call, again)] == [None, "min_gap"]
