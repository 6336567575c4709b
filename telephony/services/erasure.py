"""Erasing what calls with one number hold: words, recordings, variables, the number itself."""

from collections.abc import Iterator

from django.db import transaction
from django.db.models import Q

from accounts.models import Workspace
from accounts.services.erased_numbers import ERASED_PLACEHOLDER
from agents.rehearsing.replays import forget_calls
from telephony.clients import recording_storage
from telephony.models import Call, CallEvent, CallQuerySet, Direction, InboxEvent, Recording, Turn
from voiceops.core.errors import StateForbids

ERASURE_CHUNK_CALLS = 200


def calls_with_number(workspace: Workspace, number: str) -> CallQuerySet:
    """Return the workspace's calls to or from the number (E.164)."""
    called = Q(direction=Direction.OUTBOUND, to_number=number)
    calling = Q(direction=Direction.INBOUND, from_number=number)
    calls: CallQuerySet = Call.unscoped.filter(called | calling, workspace=workspace)
    return calls


def require_no_open_calls(workspace: Workspace, number: str) -> None:
    """Check that no call with the number is open. Raises StateForbids."""
    if calls_with_number(workspace, number).open().exists():
        raise StateForbids("A call with this number has not ended; try again when it has")


def erase_calls(workspace: Workspace, number: str) -> Iterator[Call]:
    """Erase every call with the number, and yield each when it is done.

    What happened and when is kept for accounting. Raises ProviderError when a recording could not
    be deleted.
    """
    calls = calls_with_number(workspace, number).order_by("pk")
    for call in calls.iterator(chunk_size=ERASURE_CHUNK_CALLS):
        # Files go first: after a failure the rows still lead to them.
        recordings = Recording.unscoped.filter(call=call)
        for recording in recordings.exclude(status=Recording.Status.PRUNED):
            recording_storage.delete(recording.storage_key)
        with transaction.atomic():
            forget_calls(workspace, [call.pk])
            _erase_call(call)
        yield call


def _erase_call(call: Call) -> None:
    # The workspace's own number is no personal data.
    erased_column = "to_number" if call.direction == Direction.OUTBOUND else "from_number"
    Recording.unscoped.filter(call=call).update(status=Recording.Status.PRUNED)
    Turn.unscoped.filter(call=call).delete()
    CallEvent.unscoped.filter(call=call).update(text="Erased", data={})
    InboxEvent.objects.filter(room=call.room).delete()
    Call.unscoped.filter(pk=call.pk).update(
        **{
            erased_column: ERASED_PLACEHOLDER,
            "variables": {},
            "metadata": {},
            "has_recording": False,
        }
    )
