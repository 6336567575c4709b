from datetime import timedelta
from io import StringIO

from django.core.management import call_command
from django.utils import timezone

from accounts.models import Workspace
from batches.models import Batch
from telephony.models import Call, Stage
from tests import make
from voiceops.core.ids import uuid7


def test_what_a_dead_worker_had_reserved_goes_back_to_the_queue(
    ours: Workspace, transactional_db: None
) -> None:
    batch = make.batch(ours, status=Batch.Status.RUNNING)
    person = make.recipient(batch, status="dialing", due_at=None, sends=1)
    call = make.call(
        ours,
        batch_id=batch.pk,
        recipient_id=person.pk,
        stage=Stage.RESERVED,
        lease_owner=uuid7(),
        lease_expires_at=timezone.now() - timedelta(seconds=1),
    )
    type(person).unscoped.filter(pk=person.pk).update(last_call_id=call.pk)
    out = StringIO()

    call_command("reconcile_calls", stdout=out)

    person.refresh_from_db()
    assert (person.status, person.attempts, person.due_at is not None) == ("pending", 0, True)
    assert (Call.unscoped.get().end_reason, out.getvalue()) == (
        "abandoned",
        "0 calls looked at, 1 settled, 0 people in review\n",
    )
