"""Recipients whose time zone cannot be known, where they are reserved."""

from uuid import uuid4

from accounts.models import Workspace
from batches.dialing.reservation import claim_recipients
from batches.models import Batch
from tests import make


def test_recipient_whose_zone_cannot_be_known_waits_in_review(ours: Workspace) -> None:
    window = {"days": [1, 2, 3, 4, 5, 6, 7], "start": "09:00", "end": "18:00"}
    batch = make.batch(ours, status=Batch.Status.RUNNING, calling_window=window)
    recipient = make.recipient(batch, phone_number="+79161234567")

    assert batch.phone_number_id is not None
    claimed = claim_recipients(batch.phone_number_id, owner=uuid4(), max_calls=10)

    assert claimed == []

    recipient.refresh_from_db()
    assert (recipient.status, recipient.reason, recipient.due_at) == (
        "review",
        "zone_unknown",
        None,
    )


def test_recipient_in_review_for_its_zone_returns_when_the_workspace_decides(
    ours: Workspace,
) -> None:
    batch = make.batch(ours, status=Batch.Status.RUNNING)
    unknown = make.recipient(batch, status="review", reason="zone_unknown", due_at=None)
    in_doubt = make.recipient(batch, status="review", reason="in_doubt", due_at=None)

    make.client(ours).patch(f"/workspaces/{ours.pk}", {"unknown_zone": "workspace"})

    unknown.refresh_from_db()
    in_doubt.refresh_from_db()
    assert (unknown.status, unknown.reason) == ("pending", None)
    assert unknown.due_at is not None
    assert in_doubt.status == "review"
