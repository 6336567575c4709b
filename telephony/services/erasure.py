"""Forgetting what calls with one number hold of a person: words, recording, variables, and the
number itself.
"""

from collections.abc import Iterator

from django.db import transaction
from django.db.models import Q

from accounts.models import Workspace
from accounts.services.erased_numbers import ERASED_PLACEHOLDER
from telephony.clients import recording_storage
from telephony.models import Call, CallEvent, CallQuerySet, Direction, InboxEvent, Recording, Turn
from voiceops.core.errors import StateForbids


def calls_with_number(workspace: Workspace, number: str) -> CallQuerySet:
    called = Q(direction=Direction.OUTBOUND, to_number=number)
    calling = Q(direction=Direction.INBOUND, from_number=number)
    rows: CallQuerySet = Call.unscoped.filter(called | calling, workspace=workspace)
    return rows


def require_no_open_calls(workspace: Workspace, number: str) -> None:
    """Raises StateForbids while the person is on the phone."""
    if calls_with_number(workspace, number).open().exists():
        raise StateForbids("A call with this number has not ended; try again when it has")


def erase_calls(workspace: Workspace, number: str) -> Iterator[Call]:
    """Each call once it is erased. What happened and when stays, for the accounts. Raises
    ProviderError (S3).
    """
    for call in calls_with_number(workspace, number).order_by("pk").iterator(chunk_size=200):
        for recording in Recording.unscoped.filter(call=call).exclude(
            status=Recording.Status.PRUNED
        ):
            recording_storage.delete(recording.storage_key)
        with transaction.atomic():
            _erase_call(call)
        yield call


def _erase_call(call: Call) -> None:
    side = "to_number" if call.direction == Direction.OUTBOUND else "from_number"
    Recording.unscoped.filter(call=call).update(status=Recording.Status.PRUNED)
    Turn.unscoped.filter(call=call).delete()
    CallEvent.unscoped.filter(call=call).update(text="Erased", data={})
    InboxEvent.objects.filter(room=call.room).delete()
    Call.unscoped.filter(pk=call.pk).update(
        **{side: ERASED_PLACEHOLDER, "variables": {}, "metadata": {}, "has_recording": False}
    )
