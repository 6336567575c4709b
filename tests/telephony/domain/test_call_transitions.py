"""The table of transitions, and the compare-and-set that reads it."""

import pytest
from django.db.models import Q

from accounts.models import Workspace
from telephony.domain.call_transitions import (
    ANSWERED,
    CALL_TRANSITIONS,
    CANCELLED,
    HUNG_UP,
    LEAVE_IN_DOUBT,
    PUT_BACK,
    CallTransition,
    transition_table,
)
from telephony.models import Call, Stage
from tests import make
from voiceops.core.clock import database_now

ORDER = [stage for stage in Stage if stage is not Stage.UNKNOWN]


@pytest.mark.parametrize("transition", CALL_TRANSITIONS, ids=lambda transition: transition.verb)
def test_a_call_moves_forward_except_when_an_unsent_intent_is_put_back(
    transition: CallTransition,
) -> None:
    backward = [
        stage
        for stage in transition.since
        if stage is not Stage.UNKNOWN
        and transition.to is not Stage.UNKNOWN
        and ORDER.index(stage) >= ORDER.index(transition.to)
    ]

    assert backward == ([Stage.INTENT] if transition is PUT_BACK else [])


def test_every_stage_is_left_except_the_end() -> None:
    left = {stage for transition in CALL_TRANSITIONS for stage in transition.since}

    assert left == set(Stage) - {Stage.ENDED}


@pytest.mark.parametrize("transition", CALL_TRANSITIONS, ids=lambda transition: transition.verb)
def test_transitions_set_columns_of_the_call(transition: CallTransition) -> None:
    columns = {field.attname for field in Call._meta.concrete_fields}

    assert set(transition.sets) <= columns - {"stage"}


def test_move_writes_the_row_and_the_object(ours: Workspace) -> None:
    now = database_now()
    call = make.call(ours, stage=Stage.RINGING)

    assert ANSWERED.move(call, answered_at=now, heard_at=now)

    stored = Call.unscoped.get(pk=call.pk)
    assert (stored.stage, stored.answered_at) == (Stage.IN_PROGRESS, now)
    assert (call.stage, call.answered_at) == (Stage.IN_PROGRESS, now)


def test_move_of_a_call_that_has_moved_changes_nothing(ours: Workspace) -> None:
    call = make.call(ours, stage=Stage.RINGING)
    Call.unscoped.filter(pk=call.pk).update(stage=Stage.ENDED)

    assert not ANSWERED.move(call, answered_at=database_now())

    stored = Call.unscoped.get(pk=call.pk)
    assert (stored.stage, stored.answered_at) == (Stage.ENDED, None)
    assert call.stage == Stage.RINGING


def test_move_with_a_condition_that_does_not_hold_changes_nothing(ours: Workspace) -> None:
    call = make.call(ours, stage=Stage.IN_PROGRESS, detected="machine")

    assert not HUNG_UP.move(call, given=Q(detected=None), end_reason="callee_hangup")

    assert Call.unscoped.get(pk=call.pk).stage == Stage.IN_PROGRESS


def test_narrowed_move_leaves_other_stages_alone(ours: Workspace) -> None:
    call = make.call(ours, stage=Stage.RINGING)

    assert not CANCELLED.move(call, since=(Stage.RESERVED,))


def test_column_that_the_transition_does_not_name_is_refused(ours: Workspace) -> None:
    call = make.call(ours, stage=Stage.RINGING)

    with pytest.raises(ValueError, match="mark_answered does not set"):
        ANSWERED.move(call, ended_at=database_now())


def test_stage_that_the_transition_does_not_leave_is_refused(ours: Workspace) -> None:
    call = make.call(ours, stage=Stage.RESERVED)

    with pytest.raises(ValueError, match="mark_answered does not leave"):
        ANSWERED.move(call, since=(Stage.RESERVED,))


def test_move_all_counts_the_calls_it_moved(ours: Workspace) -> None:
    intents = [make.call(ours, stage=Stage.INTENT) for _ in range(2)]
    make.call(ours, stage=Stage.RINGING)

    assert LEAVE_IN_DOUBT.move_all(Call.unscoped.all(), lease_expires_at=None) == 2

    unknown = Call.unscoped.filter(stage=Stage.UNKNOWN)
    assert set(unknown) == set(intents)


def test_transition_table_has_a_row_for_each_transition() -> None:
    header, rule, *rows = transition_table()

    assert header == "| from | to | by | evidence | sets |"
    assert rule.count("|") == header.count("|")
    assert len(rows) == len(CALL_TRANSITIONS)
    assert rows[0].startswith("| `reserved` | `intent` | `commit_intents` |")
    assert all(row.count("|") == header.count("|") for row in rows)
