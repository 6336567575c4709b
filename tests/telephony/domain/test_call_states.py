"""Two processes that move one call at the same moment."""

from accounts.models import Workspace
from telephony.domain import call_states
from telephony.models import Call, CallEvent, Stage
from tests import make
from voiceops.core.clock import database_now


def test_what_answered_is_not_lost_to_who_ends_the_call_with_an_older_copy(ours: Workspace) -> None:
    now = database_now()
    call = make.call(ours, stage=Stage.IN_PROGRESS, intent_at=now, dialed_at=now, answered_at=now)
    older = Call.unscoped.get(pk=call.pk)
    call_states.mark_detected(call, kind="machine", at=now)

    assert call_states.mark_hung_up(older, at=now, reason="left_unnoticed", source="livekit")

    call.refresh_from_db()
    assert (call.stage, call.outcome, call.detected) == ("ended", "voicemail", "machine")
    told = CallEvent.unscoped.get(call=call, type="ended")
    assert told.data["outcome"] == "voicemail"
    assert not call_states.mark_hung_up(older, at=now, reason="left_unnoticed", source="livekit")
