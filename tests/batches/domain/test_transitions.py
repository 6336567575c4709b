"""The state machines of batches and recipients: their tables, and that the code follows them."""

from typing import Any

import pytest

from accounts.models import Workspace
from batches.domain import batch_transitions, recipient_transitions
from batches.models import Batch, Recipient
from tests import make
from voiceops.core.transitions import Transition

ALL = (
    *((Batch, transition) for transition in batch_transitions.BATCH_TRANSITIONS),
    *((Recipient, transition) for transition in recipient_transitions.RECIPIENT_TRANSITIONS),
)


@pytest.mark.parametrize(("model", "transition"), ALL)
def test_transition_sets_columns_of_its_model(model: Any, transition: Transition[Any]) -> None:
    columns = {field.name for field in model._meta.get_fields()}

    assert set(transition.sets) < columns
    assert {*transition.since, transition.to} <= set(model.Status)


@pytest.mark.parametrize("transition", recipient_transitions.RECIPIENT_TRANSITIONS)
def test_due_at_is_written_whenever_a_recipient_starts_or_stops_to_wait(
    transition: Transition[Recipient.Status],
) -> None:
    waiting = set(Recipient.Status.waiting())
    waited = not waiting.isdisjoint(transition.since)

    # An erasure clears `due_at` with the other personal data of the row.
    if (
        waited != (transition.to in waiting)
        and transition is not recipient_transitions.ERASE_WAITING
    ):
        assert "due_at" in transition.sets


def test_every_state_can_be_entered() -> None:
    batches = {transition.to for transition in batch_transitions.BATCH_TRANSITIONS}
    recipients = {transition.to for transition in recipient_transitions.RECIPIENT_TRANSITIONS}

    assert batches == set(Batch.Status) - {Batch.Status.VALIDATING}
    assert recipients == set(Recipient.Status)


def test_stopped_and_failed_batches_stay_so() -> None:
    left = {
        state for transition in batch_transitions.BATCH_TRANSITIONS for state in transition.since
    }

    assert set(Batch.Status) - left == {Batch.Status.STOPPED, Batch.Status.FAILED}


def test_only_the_reservation_makes_a_recipient_dialing() -> None:
    to_dialing = [
        transition
        for transition in recipient_transitions.RECIPIENT_TRANSITIONS
        if transition.to is Recipient.Status.DIALING
    ]

    assert to_dialing == [recipient_transitions.RESERVE]
    assert recipient_transitions.RESERVE.since == Recipient.Status.waiting()


def test_a_finished_recipient_is_called_again_only_on_request() -> None:
    waiting = set(Recipient.Status.waiting())
    verbs = {
        (state, transition.verb)
        for transition in recipient_transitions.RECIPIENT_TRANSITIONS
        for state in Recipient.Status.final()
        if state in transition.since and transition.to in waiting
    }

    # A callback is the callee's or an operator's wish; a disposition, a word on the call.
    assert {verb for state, verb in verbs if state == Recipient.Status.COMPLETED} == {
        "apply_dispositions",
        "schedule_callback",
    }


@pytest.mark.django_db
def test_compare_and_set_moves_only_rows_in_a_state_it_leaves(ours: Workspace) -> None:
    running = make.batch(ours, status=Batch.Status.RUNNING)
    ready = make.batch(ours, status=Batch.Status.READY)

    moved = batch_transitions.RESUME.move_all(Batch.unscoped.all(), started_at=None)
    started = batch_transitions.START.move_all(Batch.unscoped.all(), started_at=None)

    running.refresh_from_db()
    ready.refresh_from_db()
    assert (moved, started) == (0, 1)
    assert (running.status, ready.status) == ("running", "running")


def test_locked_row_is_changed_only_in_a_state_the_transition_leaves() -> None:
    batch = Batch(status=Batch.Status.STOPPED, error="before")

    assert not batch_transitions.OPEN_BREAKER.apply(batch, error="after")
    assert (batch.status, batch.error) == ("stopped", "before")


def test_columns_that_a_transition_does_not_name_are_refused() -> None:
    with pytest.raises(ValueError, match="pause_batch does not set"):
        batch_transitions.PAUSE.columns(started_at=None)


def test_transition_tables_have_a_row_for_each_transition() -> None:
    batches = batch_transitions.transition_table()
    recipients = recipient_transitions.transition_table()

    assert len(batches) - 2 == len(batch_transitions.BATCH_TRANSITIONS)
    assert len(recipients) - 2 == len(recipient_transitions.RECIPIENT_TRANSITIONS)
    assert batches[2] == (
        "| `validating` | `ready` | `finish` | the uploaded list has been read |  |"
    )
