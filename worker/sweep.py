"""The sweep finds in the rows everything that a lost message should have started.

Every worker sweeps each `SWEEP_SECONDS`. Any number of sweeps may run at once.
"""

from agents.rehearsing import able_workers, rehearsals
from batches.services import maintenance as batches
from batches.services import report_mails
from telephony.services import maintenance as telephony
from voiceops.core.isolation import run_isolated

ROUNDS = (
    telephony.apply_pending_events,
    batches.suppress_opt_outs,
    batches.start_due_batches,
    batches.cancel_rest_of_stopped,
    batches.enqueue_overdue_imports,
    able_workers.report_rehearsing,
    rehearsals.enqueue_waiting_rehearsals,
    report_mails.enqueue_due_reports,
    telephony.reconcile_calls,
    telephony.follow_inbound_calls,
    telephony.follow_recordings,
    telephony.close_unused_web_calls,
    batches.mark_recipients_in_call,
    batches.settle_ended_calls,
    batches.apply_dispositions,
    batches.follow_callbacks,
    batches.complete_batches,
    telephony.clean_provisioning,  # last, because it may have to wait for LiveKit and Twilio
)


def sweep() -> None:
    """Run every round once. A round that fails is logged and does not stop the others.

    Raises OperationalError or InterfaceError when the database is unreachable.
    """
    for run_round in ROUNDS:
        run_isolated(run_round)
