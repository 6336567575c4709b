"""`manage.py reconcile_calls`."""

from datetime import timedelta
from io import StringIO

from django.core.management import call_command
from django.utils import timezone

from accounts.models import Workspace
from batches.models import Batch
from telephony.models import Call, Stage
from tests import make
from voiceops.core.ids import uuid7


def test_reservation_of_a_dead_worker_goes_back_to_the_queue(
    ours: Workspace, transactional_db: None
) -> None:
    batch = make.batch(ours, status=Batch.Status.RUNNING)
    recipient = make.recipient(batch, status="dialing", due_at=None, sends=1)
    call = make.call(
        ours,
        batch_id=batch.pk,
        recipient_id=recipient.pk,
        stage=Stage.RESERVED,
        lease_owner=uuid7(),
        lease_expires_at=timezone.now() - timedelta(seconds=1),
    )
    type(recipient).unscoped.filter(pk=recipient.pk).update(last_call_id=call.pk)
    out = StringIO()

    call_command("reconcile_calls", stdout=out)

    recipient.refresh_from_db()
    assert (recipient.status, recipient.attempts, recipient.due_at is not None) == (
        "pending",
        0,
        True,
    )
    assert (Call.unscoped.get().end_reason, out.getvalue()) == (
        "abandoned",
        "0 calls checked, 1 settled, 0 recipients in review\n",
    )
