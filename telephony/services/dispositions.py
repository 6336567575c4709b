"""How a call went, in the agent's own words: set by the agent, its analysis, or an operator.

The consequence is carried out by whoever owns the recipient: at the settlement, or found by
`disposition_at` afterwards.
"""

from datetime import datetime
from typing import Any

from django.db import transaction

from accounts import audit
from accounts.auth.principal import Principal
from agents.dispositions import declared_dispositions, find_disposition
from telephony.domain.timeline import add_event
from telephony.models import Call
from voiceops.core import task_queue
from voiceops.core.clock import database_now
from voiceops.core.errors import Invalid

AGENT, ANALYSIS, OPERATOR = "agent", "analysis", "operator"
# Who may not replace whose word.
STRONGER = {AGENT: (OPERATOR,), ANALYSIS: (OPERATOR, AGENT), OPERATOR: ()}


def set_disposition(
    *, call: Call, name: str, remark: str = "", principal: Principal | None = None
) -> Call:
    """Set the disposition of a call by an operator's order; it replaces the agent's.

    Raises Invalid for a name that the version of the agent on this call does not have.
    """
    config = call.agent_version.config if call.agent_version else {}
    disposition = find_disposition(config, name)
    if disposition is None:
        names = ", ".join(item["name"] for item in declared_dispositions(config))
        choices = f"it has: {names}" if names else "it has none"
        raise Invalid(f"The call's agent has no disposition {name!r}; {choices}")
    with transaction.atomic():
        record_disposition(
            call, name=disposition["name"], by=OPERATOR, at=database_now(), remark=remark
        )
        audit.record(
            "call.disposition_set",
            principal=principal,
            target=call,
            changes={"disposition": disposition["name"]},
        )
    return call


def record_reported(call: Call, *, name: object, by: str, **details: Any) -> bool:
    """Set the disposition that the agent or its analysis reports, inside the report's transaction.

    Returns False for one that the agent does not have, or that a stronger word has settled.
    """
    disposition = find_disposition(call.agent_version.config if call.agent_version else {}, name)
    if disposition is None:
        return False
    return record_disposition(call, name=disposition["name"], by=by, **details)


def record_disposition(
    call: Call, *, name: str, by: str, at: datetime, remark: str = "", report_id: str | None = None
) -> bool:
    """Write the disposition and its event, and wake whoever carries out the consequence."""
    row = Call.unscoped.filter(pk=call.pk).exclude(disposition_by__in=STRONGER[by])
    if not row.update(disposition=name, disposition_by=by, disposition_at=at):
        return False
    call.disposition, call.disposition_by, call.disposition_at = name, by, at
    data: dict[str, Any] = {"name": name, "by": by, "note": remark}
    text = f"Disposition: {name} (by {by})"
    add_event(call, type="disposition", text=text, at=at, data=data, external_id=report_id)
    task_queue.enqueue_on_commit(task_queue.SUPPRESS_OPT_OUTS)
    return True
